"""The page about two runs, as one frozen value."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from clipeval.records import Notice, Thumbnail, Verdict
from clipeval.records.cell_changes import change_lines
from clipeval.records.run_comparisons import MatrixChange, RunComparison
from clipeval.report import format as fmt
from clipeval.report.views.comparisons import ComparisonRow, ComparisonTable, run_table
from clipeval.report.views.confusion import level
from clipeval.report.views.galleries import index_thumbnails
from clipeval.report.views.gates import MARKS
from clipeval.wording import count, margin_text


@dataclass(frozen=True, slots=True)
class ChangeCell:
    """One count, and how it changed."""

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
    has_upright_names: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class TwoRunsPage:
    """Everything that the page says."""

    verdict: Verdict
    mark: str
    reason: str
    sides: tuple[tuple[str, str], ...]
    changes: tuple[str, ...]
    """Of the environment, models and prompts."""
    only_in_base: tuple[str, ...]
    only_in_candidate: tuple[str, ...]
    table: ComparisonTable
    matrices: tuple[ChangeMatrix, ...]
    notices: tuple[Notice, ...]


def build_two_runs(found: RunComparison, thumbnails: Sequence[Thumbnail]) -> TwoRunsPage:
    """Turn a comparison of two runs into what the page shows."""
    table = run_table(found.comparisons, index_thumbnails(thumbnails))
    return TwoRunsPage(
        verdict=found.verdict,
        mark=MARKS[found.verdict],
        reason=f"at most {margin_text(found.margin)} worse, {count(len(table.rows), 'cell')} compared",
        sides=tuple(
            (name, f"{side.source}, {fmt.timestamp(side.created)}")
            for name, side in (("Base", found.base), ("Candidate", found.candidate))
        ),
        changes=(*found.environment_changes, *change_lines(found.comparisons, quote=str)),
        only_in_base=found.only_in_base,
        only_in_candidate=found.only_in_candidate,
        table=table,
        matrices=tuple(
            _matrix(row, change)
            for row, change in zip(table.rows, found.matrices, strict=True)
            if any(any(line) for line in change.changes)
        ),
        notices=found.notices,
    )


def _matrix(row: ComparisonRow, change: MatrixChange) -> ChangeMatrix:
    largest = max(abs(n) for line in change.changes for n in line)
    names = change.class_names
    note = (
        f"The {len(names)} of {count(change.n_classes)} classes whose confusion changed most."
        if len(names) < change.n_classes
        else ""
    )
    return ChangeMatrix(
        cell=row.candidate,
        names=names,
        rows=tuple(
            ChangeRow(
                name=names[i],
                cells=tuple(_cell(names[i], names[j], n, largest) for j, n in enumerate(line)),
            )
            for i, line in enumerate(change.changes)
        ),
        note=note,
        has_upright_names=len(names) > 12 or any(len(name) > 7 for name in names),  # noqa: PLR2004
    )


def _cell(true: str, predicted: str, n: int, largest: int) -> ChangeCell:
    if not n:
        return ChangeCell("", 0, is_better=True, title="")
    text = f"{n:+d}".replace("-", fmt.MINUS)
    kept = true == predicted
    title = f"{true} {'recognised' if kept else f'taken for {predicted}'}: {text} images"
    return ChangeCell(text, level(abs(n) / largest), is_better=(n > 0) == kept, title=title)
