"""One gate as one line of text."""

from __future__ import annotations

from clipeval.records import GateResult
from clipeval.report import format as fmt
from clipeval.report.views.gates import limit_text


def gate_sentence(gate: GateResult) -> str:
    """Say what was found and required: `fail: top1 0.782 is below the minimum 0.800`.

    A gate that comes without its own message gets one from its numbers.
    """
    if gate.message:
        return f"{gate.state}: {gate.message}"
    name = fmt.metric_name(gate.metric)
    found = "no value" if gate.value is None else fmt.metric_number(gate.metric, gate.value)
    span = fmt.interval(gate.metric, gate.low, gate.high)
    return f"{gate.state}: {name} {found}{' ' + span if span else ''}, limit {limit_text(gate)}"
