"""Gates: what was required, and what was found."""

from __future__ import annotations

from dataclasses import dataclass

from clipeval.records import CellResult, GateResult, RunRecord, Verdict
from clipeval.report import format as fmt
from clipeval.report.views.grouping import cell_anchor
from clipeval.report.views.numbers import Number, Plot, exact, number, plot

MARKS: dict[Verdict, str] = {"pass": "✓", "fail": "✕", "inconclusive": "?", "error": "!"}
"""A state is never told by colour alone."""
_URGENCY: dict[Verdict, int] = {"error": 0, "fail": 1, "inconclusive": 2, "pass": 3}


@dataclass(frozen=True, slots=True, kw_only=True)
class GateRow:
    """One gate on one cell."""

    state: Verdict
    mark: str
    cell: str
    anchor: str
    metric: str
    value: Number
    interval: str
    limit: Number
    plot: Plot | None
    message: str


def gate_rows(record: RunRecord) -> tuple[GateRow, ...]:
    """List every gate, those that need attention first, else in the order of the run."""
    rows = [
        _row(gate, cell, cell_anchor(i))
        for i, cell in enumerate(record.cells)
        for gate in cell.gates
    ]
    return tuple(sorted(rows, key=lambda row: _URGENCY[row.state]))


def limit_text(gate: GateResult) -> str:
    """Say what a gate requires: `≥ 80.0%`."""
    sign = "≥" if gate.kind == "min" else "≤"
    return f"{sign} {fmt.metric_number(gate.metric, gate.limit)}"


def _row(gate: GateResult, cell: CellResult, anchor: str) -> GateRow:
    has_plot = gate.value is not None and gate.metric in fmt.PROPORTIONS
    return GateRow(
        state=gate.state,
        mark=MARKS[gate.state],
        cell=cell.id,
        anchor=anchor,
        metric=fmt.metric_name(gate.metric),
        value=number(gate.metric, gate.value),
        interval=fmt.interval(gate.metric, gate.low, gate.high),
        limit=Number(limit_text(gate), exact(gate.limit)),
        plot=plot(gate.value, gate.low, gate.high, limit=gate.limit)
        if has_plot and gate.value is not None
        else None,
        message=gate.message,
    )
