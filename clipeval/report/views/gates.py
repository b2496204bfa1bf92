"""Gates: what was required, and what was found."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from clipeval.records import CellResult, GateResult, RunRecord, Verdict
from clipeval.records.gate_images import images_account
from clipeval.report import format as fmt
from clipeval.report.gate_text import gate_name, interval_text, limit_text, value_text, why
from clipeval.report.views.gate_changes import GateChange, comparisons_by_side, gate_change
from clipeval.report.views.grouping import anchors_of
from clipeval.report.views.numbers import (
    ABSENT,
    WHOLE,
    Number,
    Plot,
    Scale,
    exact,
    plot,
    rate_scale,
    signed_scale,
)

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
    against: str
    """Cell id or `baseline`; empty for absolute limits."""
    against_anchor: str
    """Section of the cell compared with; empty if it has none."""
    value: Number
    interval: str
    limit: Number
    plot: Plot | None
    change: GateChange | None
    """None where the cell was not compared, or nothing is known of this metric."""
    message: str
    images: tuple[str, ...]
    """Sample ids behind a gate that did not pass."""
    images_account: str


@dataclass(frozen=True, slots=True, kw_only=True)
class GateTable:
    """Every gate of the run."""

    rows: tuple[GateRow, ...]
    note: str
    """How to read the value column."""
    has_changes: bool


def gate_table(record: RunRecord) -> GateTable | None:
    """List every gate, those that need attention first, else in run order; None without gates."""
    anchors = anchors_of(record.cells)
    gates = [gate for cell in record.cells for gate in cell.gates]
    scales = _scales(gates)
    compared = comparisons_by_side(record.comparisons)
    rows = [
        _row(gate, cell, anchors, scales, gate_change(gate, cell, compared))
        for cell in record.cells
        for gate in cell.gates
    ]
    if not rows:
        return None
    has_bounds = any(gate.kind in ("max_drop", "max_negative_flip_rate") for gate in gates)
    note = "95% interval; the line is the limit"
    if has_bounds:
        note = "95% interval, one-sided bounds for drops and flips; the line is the limit"
    return GateTable(
        rows=tuple(sorted(rows, key=lambda row: _URGENCY[row.state])),
        note=note,
        has_changes=any(row.change for row in rows),
    )


def _scales(gates: list[GateResult]) -> Mapping[str, Scale]:
    """Give all gates of a kind one scale: drops go around zero, flip rates from zero."""
    drops, rates = (
        [
            value
            for gate in gates
            if gate.kind == kind and gate.value is not None
            for value in (gate.value, gate.low, gate.high, gate.limit)
            if value is not None
        ]
        for kind in ("max_drop", "max_negative_flip_rate")
    )
    return {"max_drop": signed_scale(drops), "max_negative_flip_rate": rate_scale(rates)}


def _row(
    gate: GateResult,
    cell: CellResult,
    anchors: Mapping[str, str],
    scales: Mapping[str, Scale],
    change: GateChange | None,
) -> GateRow:
    value = ABSENT if gate.value is None else Number(value_text(gate), exact(gate.value))
    return GateRow(
        state=gate.state,
        mark=MARKS[gate.state],
        cell=cell.id,
        anchor=anchors[cell.id],
        metric=gate_name(gate),
        against=gate.against or "",
        against_anchor=anchors.get(gate.against or "", ""),
        value=value,
        interval=interval_text(gate),
        limit=Number(limit_text(gate), exact(gate.limit)),
        plot=_plot(gate, scales),
        change=change,
        message=why(gate),
        images=gate.images,
        images_account=f"{images_account(gate)} behind it",
    )


def _plot(gate: GateResult, scales: Mapping[str, Scale]) -> Plot | None:
    is_rate = gate.kind == "max_negative_flip_rate"
    if gate.value is None or not (is_rate or gate.metric in fmt.PROPORTIONS):
        return None
    limit = -gate.limit if gate.kind == "max_drop" else gate.limit
    scale = scales.get(gate.kind, WHOLE)
    return plot(gate.value, gate.low, gate.high, limit=limit, scale=scale)
