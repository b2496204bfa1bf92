"""What a gate's metric was in the baseline, or is in the reference, and whether the difference is chance."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from clipeval.records import CellResult, Comparison, Difference, GateResult
from clipeval.report import format as fmt
from clipeval.report.views.numbers import Number, difference, number
from clipeval.wording import p_text

Compared = Mapping[tuple[str, str], Comparison]
"""(candidate, `baseline` or the cell that it is compared with) -> the comparison."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GateChange:
    """One metric of both sides."""

    base: Number
    difference: Number
    """Now less then."""
    interval: str
    p: str
    """`p 0.003`, adjusted for the classes of a comparison; empty where there is no test."""


def comparisons_by_side(comparisons: Sequence[Comparison]) -> Compared:
    """Make comparisons available by what gates name: a reference cell, or the baseline."""
    return {
        (one.candidate, "baseline" if one.kind == "baseline" else one.base): one
        for one in comparisons
    }


def gate_change(gate: GateResult, cell: CellResult, compared: Compared) -> GateChange | None:
    """Return what a gate's metric changed by, from the reference that it names, else from the baseline."""
    comparison = compared.get((cell.id, gate.against or "baseline"))
    if comparison is None:
        return None
    if gate.class_name is not None:
        return _of_class(gate, comparison)
    found: dict[str, Difference | None] = {
        "top1": comparison.top1,
        "top5": comparison.top5,
        "macro_recall": comparison.macro_recall,
        "mean_per_class_recall": comparison.macro_recall,
        "macro_precision": comparison.macro_precision,
        "macro_f1": comparison.macro_f1,
    }
    one = found.get(gate.metric)
    if one is None:
        return None
    has_test = gate.metric == "top1" and comparison.p_value is not None
    return GateChange(
        base=number(gate.metric, one.base),
        difference=difference(one.value),
        interval=fmt.points_interval(one.low, one.high),
        p=p_text(comparison.p_value) if has_test and comparison.p_value is not None else "",
    )


def _of_class(gate: GateResult, comparison: Comparison) -> GateChange | None:
    found = next((one for one in comparison.per_class if one.name == gate.class_name), None)
    if found is None or gate.metric != "recall":
        return None
    return GateChange(
        base=number("recall", found.base_recall),
        difference=difference(found.difference),
        interval=fmt.points_interval(found.low, found.high),
        p=p_text(found.adjusted_p),
    )
