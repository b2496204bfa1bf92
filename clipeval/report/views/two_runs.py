"""The page about two runs, as one frozen value."""

from __future__ import annotations

from dataclasses import dataclass

from clipeval.records import Notice, Verdict
from clipeval.records.cell_changes import change_lines
from clipeval.records.run_comparisons import RunComparison, RunImages
from clipeval.report import format as fmt
from clipeval.report.views.comparisons import ComparisonTable, run_table
from clipeval.report.views.flipped_images import ChangedCell, changed_cells
from clipeval.report.views.gates import MARKS
from clipeval.report.views.page import Link
from clipeval.wording import count, margin_text


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
        reason=f"at most {margin_text(found.margin)} worse, "
        f"{count(len(found.comparisons), 'cell')} compared",
        sides=tuple(
            (name, f"{side.source}, {fmt.timestamp(side.created)}")
            for name, side in (("Base", found.base), ("Candidate", found.candidate))
        ),
        links=tuple(Link(anchor, text) for anchor, text, is_there in sections if is_there),
        changes=changes,
        only_in_base=found.only_in_base,
        only_in_candidate=found.only_in_candidate,
        table=run_table(found.comparisons, {one.cell: one.anchor for one in cells}),
        cells=cells,
        notices=found.notices,
    )
