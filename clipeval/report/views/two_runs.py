"""The page about two runs, as one frozen value."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from clipeval.records import Notice, Thumbnail, Verdict
from clipeval.records.cell_changes import change_lines
from clipeval.records.run_comparisons import RunComparison
from clipeval.report import format as fmt
from clipeval.report.views.comparisons import ComparisonTable, run_table
from clipeval.report.views.confusion_change import ChangeMatrix, change_matrix
from clipeval.report.views.galleries import index_thumbnails
from clipeval.report.views.gates import MARKS
from clipeval.wording import count, margin_text


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
            matrix for one in found.comparisons if (matrix := change_matrix(one)) is not None
        ),
        notices=found.notices,
    )
