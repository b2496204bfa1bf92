"""The page about two runs, as one frozen value."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from clipeval.records import Notice, Verdict
from clipeval.records.cell_changes import change_lines
from clipeval.records.run_comparisons import RunComparison, RunImages
from clipeval.report import format as fmt
from clipeval.report.gate_text import why
from clipeval.report.views.comparisons import ComparisonTable, run_table
from clipeval.report.views.flipped_images import ChangedCell, changed_cells
from clipeval.report.views.gates import MARKS
from clipeval.report.views.grouping import comparison_anchor
from clipeval.report.views.page import Link
from clipeval.wording import count, margin_text


@dataclass(frozen=True, slots=True, kw_only=True)
class JudgedCell:
    """Whether one cell dropped by more than is tolerated."""

    state: Verdict
    mark: str
    cell: str
    anchor: str
    """Of its row."""
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TwoRunsPage:
    """Everything that the page says."""

    verdict: Verdict
    mark: str
    reason: str
    sides: tuple[tuple[str, str], ...]
    links: tuple[Link, ...]
    changes: tuple[str, ...]
    """Of the environment, models and prompts."""
    only_in_base: tuple[str, ...]
    only_in_candidate: tuple[str, ...]
    table: ComparisonTable
    gates: tuple[JudgedCell, ...]
    cells: tuple[ChangedCell, ...]
    notices: tuple[Notice, ...]


def build_two_runs(found: RunComparison, base: RunImages, candidate: RunImages) -> TwoRunsPage:
    """Turn a comparison of two runs into what the page shows."""
    cells = changed_cells(found.comparisons, base, candidate)
    changes = (*found.environment_changes, *change_lines(found.comparisons, quote=str))
    sections = (
        ("cells", "Cells", True),
        ("images", "Images", bool(cells)),
        ("changes", "Changed since", bool(changes)),
    )
    return TwoRunsPage(
        verdict=found.verdict,
        mark=MARKS[found.verdict],
        reason=_reason(found),
        sides=tuple(
            (name, f"{side.source}, {fmt.timestamp(side.created)}")
            for name, side in (("Base", found.base), ("Candidate", found.candidate))
        ),
        links=tuple(Link(anchor, text) for anchor, text, is_there in sections if is_there),
        changes=changes,
        only_in_base=found.only_in_base,
        only_in_candidate=found.only_in_candidate,
        table=run_table(found.comparisons, {one.cell: one.anchor for one in cells}),
        gates=tuple(
            JudgedCell(
                state=gate.state,
                mark=MARKS[gate.state],
                cell=one.candidate,
                anchor=comparison_anchor(i),
                message=why(gate),
            )
            for i, (one, gate) in enumerate(zip(found.comparisons, found.gates, strict=True))
        ),
        cells=cells,
        notices=found.notices,
    )


def _reason(found: RunComparison) -> str:
    """Say how many cells dropped by more than the margin, or might have, and which are gone."""
    n, drop = len(found.gates), f"a drop of more than {margin_text(found.margin)}"
    n_of = Counter(gate.state for gate in found.gates)
    by_state: tuple[tuple[Verdict, str], ...] = (
        ("fail", drop),
        ("inconclusive", f"{drop} not ruled out"),
        ("error", "not decided"),
    )
    said = [
        f"{words} in {n_of[state]} of {count(n, 'cell')}"
        for state, words in by_state
        if n_of[state]
    ]
    if found.only_in_base:
        said.append(f"{count(len(found.only_in_base), 'cell')} of the base gone")
    return "; ".join(said) or f"no {drop.removeprefix('a ')} in {count(n, 'cell')}"
