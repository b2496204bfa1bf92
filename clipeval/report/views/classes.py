"""The classes of one cell, and how each differs from what the cell is compared with."""

from __future__ import annotations

from dataclasses import dataclass

from clipeval.records import CellResult, ClassDifference, ClassMetrics, Comparison
from clipeval.report import format as fmt
from clipeval.report.views.numbers import Number, Plot, difference, integer, number, plot
from clipeval.wording import SIGNIFICANCE, p_text


@dataclass(frozen=True, slots=True, kw_only=True)
class ClassChange:
    """Recall of a class less what it was, in points."""

    number: Number
    words: str
    """`p 0.003` where it is more than chance, else empty."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ClassRow:
    """One class."""

    name: str
    n: Number
    recall: Number
    interval: str
    plot: Plot | None
    change: ClassChange | None
    """None without a comparison, or images."""
    precision: Number
    f1: Number


@dataclass(frozen=True, slots=True, kw_only=True)
class ClassTable:
    """All classes, from the lowest recall up; those without an image last."""

    rows: tuple[ClassRow, ...]
    against: str
    """What changes are differences from; empty if there are none."""


def class_table(cell: CellResult, compared: Comparison | None, *, against: str) -> ClassTable:
    """Show the classes of a cell.

    Args:
        cell: the cell.
        compared: its comparison with what it is held against.
        against: what that is, in a few words.
    """

    def recall(one: ClassMetrics) -> tuple[bool, float]:
        return (one.recall is None, one.recall or 0.0)

    changes = {one.name: one for one in compared.per_class} if compared else {}
    return ClassTable(
        rows=tuple(_row(one, changes.get(one.name)) for one in sorted(cell.per_class, key=recall)),
        against=against if changes else "",
    )


def _row(one: ClassMetrics, change: ClassDifference | None) -> ClassRow:
    return ClassRow(
        name=one.name,
        n=integer(one.n),
        recall=number("recall", one.recall),
        interval=fmt.interval("recall", one.recall_low, one.recall_high),
        plot=None if one.recall is None else plot(one.recall, one.recall_low, one.recall_high),
        change=None if change is None else _change(change),
        precision=number("precision", one.precision),
        f1=number("f1", one.f1),
    )


def _change(found: ClassDifference) -> ClassChange:
    is_sure = found.adjusted_p < SIGNIFICANCE
    return ClassChange(
        number=difference(found.difference), words=p_text(found.adjusted_p) if is_sure else ""
    )
