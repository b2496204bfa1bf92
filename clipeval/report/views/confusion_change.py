"""How the confusion of a cell changed, as a heat map."""

from __future__ import annotations

from dataclasses import dataclass

from clipeval.records import Comparison
from clipeval.report import format as fmt
from clipeval.report.views.confusion import has_upright_names, level
from clipeval.wording import count


@dataclass(frozen=True, slots=True)
class ChangeCell:
    """By how many images one count changed."""

    text: str
    level: int
    """0 for no change, else 1 to 10 by its share of the largest change."""
    is_better: bool
    """More on the diagonal, or fewer off it."""
    title: str


@dataclass(frozen=True, slots=True)
class ChangeRow:
    """All images of one class."""

    name: str
    cells: tuple[ChangeCell, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangeMatrix:
    """How the confusion of a cell changed."""

    cell: str
    names: tuple[str, ...]
    rows: tuple[ChangeRow, ...]
    note: str
    """What was left out; empty if nothing was."""
    has_upright_names: bool


def change_matrix(comparison: Comparison) -> ChangeMatrix | None:
    """Show how the confusion of a cell changed; None if it did not, or nobody counted."""
    change = comparison.confusion_change
    if change is None:
        return None
    largest = max(abs(n) for line in change.counts for n in line)
    names = change.class_names
    note = (
        f"The {len(names)} of {count(change.n_classes)} classes whose confusion changed most."
        if len(names) < change.n_classes
        else ""
    )
    return ChangeMatrix(
        cell=comparison.candidate,
        names=names,
        rows=tuple(
            ChangeRow(
                name=names[i],
                cells=tuple(_cell(names[i], names[j], n, largest) for j, n in enumerate(line)),
            )
            for i, line in enumerate(change.counts)
        ),
        note=note,
        has_upright_names=has_upright_names(names),
    )


def _cell(true: str, predicted: str, n: int, largest: int) -> ChangeCell:
    if not n:
        return ChangeCell("", 0, is_better=True, title="")
    text = f"{n:+d}".replace("-", fmt.MINUS)
    kept = true == predicted
    title = f"{true} {'recognised' if kept else f'taken for {predicted}'}: {text} images"
    return ChangeCell(text, level(abs(n) / largest), is_better=(n > 0) == kept, title=title)
