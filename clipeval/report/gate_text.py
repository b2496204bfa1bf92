"""One gate in words: what it looks at, what it requires, what was found."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from clipeval.records import GateResult
from clipeval.report import format as fmt
from clipeval.wording import count


def gate_name(gate: GateResult) -> str:
    """Name what a gate looks at: `Top-1`, `Top-1 drop`, `Recall drop of eight`, `Newly wrong`."""
    if gate.kind == "max_negative_flip_rate":
        name = fmt.metric_name("negative_flip_rate")
    else:
        name = fmt.metric_name(gate.metric) + (" drop" if gate.kind == "max_drop" else "")
    return name if gate.class_name is None else f"{name} of {gate.class_name}"


def limit_name(gate: GateResult, *, quote: Callable[[str], str] = str) -> str:
    """Name a limit of all its classes: `Recall ≥ 80.0%`, `Recall drop ≤ 1.0 points against baseline`."""
    name = quote(gate_name(replace(gate, class_name=None)))
    limit = limit_text(gate).removeprefix("drop ").removeprefix("newly wrong ")
    return f"{name} {limit}" + ("" if gate.against is None else f" against {quote(gate.against)}")


def limit_text(gate: GateResult) -> str:
    """Say what a gate requires: `≥ 80.0%`, `drop ≤ 1.0 points`, `newly wrong ≤ 2.0%`."""
    if gate.kind == "max_drop":
        if gate.metric in fmt.PROPORTIONS:
            return f"drop ≤ {fmt.limit_number(gate.limit)} points"
        return f"drop ≤ {fmt.metric_number(gate.metric, gate.limit)}"
    if gate.kind == "max_negative_flip_rate":
        return f"newly wrong ≤ {fmt.limit_number(gate.limit)}%"
    sign = "≥" if gate.kind == "min" else "≤"
    if gate.metric in fmt.PROPORTIONS:
        return f"{sign} {fmt.limit_number(gate.limit)}%"
    return f"{sign} {fmt.metric_number(gate.metric, gate.limit)}"


def value_text(gate: GateResult) -> str:
    """Say what was found in the unit of the limit; drops are signed differences: `-2.3 points`."""
    if gate.value is None:
        return fmt.DASH
    if gate.kind == "max_drop":
        if gate.metric in fmt.PROPORTIONS:
            return f"{fmt.points(gate.value)} points"
        return fmt.signed_number(gate.value)
    if gate.kind == "max_negative_flip_rate":
        return fmt.percent(gate.value)
    return fmt.metric_number(gate.metric, gate.value)


def interval_text(gate: GateResult) -> str:
    """Format the interval in the unit of the value; empty where there is none."""
    if gate.kind == "max_drop" and gate.metric in fmt.PROPORTIONS:
        return fmt.points_interval(gate.low, gate.high)
    if gate.kind == "max_negative_flip_rate":
        return fmt.interval("recall", gate.low, gate.high)
    return fmt.interval(gate.metric, gate.low, gate.high)


def settling(gate: GateResult) -> str:
    """Say how many images would settle an inconclusive gate; empty if that is unknown or said."""
    n = gate.n_to_settle
    if gate.state != "inconclusive" or n is None:
        return ""
    if str(n) in gate.message or count(n) in gate.message:
        return ""
    return f"about {count(n, 'image')} would settle it"


def why(gate: GateResult) -> str:
    """Give a gate's message, and how it could be settled."""
    return "; ".join(part for part in (gate.message.rstrip(". "), settling(gate)) if part)


def gate_sentence(gate: GateResult) -> str:
    """Say what was found and required: `fail: top1 0.782 is below the minimum 0.800`.

    A gate that comes without its own message gets one from its numbers.
    """
    if gate.message:
        return f"{gate.state}: {gate.message}"
    found = "no value" if gate.value is None else value_text(gate)
    span = interval_text(gate)
    against = "" if gate.against is None else f" against {gate.against}"
    numbers = f"{found}{' ' + span if span else ''}{against}, limit {limit_text(gate)}"
    return f"{gate.state}: {gate_name(gate)} {numbers}"
