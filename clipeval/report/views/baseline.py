"""What a run was compared with besides itself: held-out images and an accepted baseline."""

from __future__ import annotations

from dataclasses import dataclass

from clipeval.records import BaselineUse, RunRecord
from clipeval.records.cell_changes import change_lines
from clipeval.records.holdout_lines import holdout_lines
from clipeval.report import format as fmt
from clipeval.report.views.account import Fact
from clipeval.report.views.moved import Quote
from clipeval.wording import count

MAX_RANKED = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class HoldoutView:
    """One template that was chosen on some images and confirmed on others."""

    sentence: str
    ranking: tuple[Fact, ...]
    """Templates with their top-1 on the explored images, best first, at most MAX_RANKED."""
    n_more: int


@dataclass(frozen=True, slots=True, kw_only=True)
class CellList:
    """Cells of which the same is true."""

    title: str
    is_failure: bool
    cells: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class BaselineView:
    """The baseline, and what is different about it."""

    facts: tuple[Fact, ...]
    cell_lists: tuple[CellList, ...]
    changes: tuple[str, ...]
    """Of models and prompts; those of the environment stand beside it."""


def holdout_views(record: RunRecord) -> tuple[HoldoutView, ...]:
    """Describe every holdout."""
    sentences = holdout_sentences(record, quote=str)
    return tuple(
        HoldoutView(
            sentence=sentence,
            ranking=tuple((r.template, fmt.percent(r.top1)) for r in one.ranking[:MAX_RANKED]),
            n_more=max(0, len(one.ranking) - MAX_RANKED),
        )
        for sentence, one in zip(sentences, record.holdouts, strict=True)
    )


def holdout_sentences(record: RunRecord, *, quote: Quote) -> tuple[str, ...]:
    """Say what won, on how many images, and what is left of it on the images held out."""
    lines = holdout_lines(record.holdouts, quote=quote, minus=fmt.MINUS)
    return tuple(line[0].upper() + line[1:] for line in lines)


def baseline_view(record: RunRecord) -> BaselineView | None:
    """Describe the baseline of a run; None if it had none."""
    baseline = record.baseline
    if baseline is None:
        return None
    facts = (("Source", baseline.source), ("Accepted", fmt.timestamp(baseline.accepted)))
    return BaselineView(
        facts=tuple((label, value) for label, value in facts if value),
        cell_lists=cell_lists(baseline, quote=str),
        changes=change_lines(record.comparisons, quote=str),
    )


def cell_lists(baseline: BaselineUse, *, quote: Quote) -> tuple[CellList, ...]:
    """Group the cells that run and baseline do not share; lost ones fail a run with gates on it."""
    renamed = tuple(f"{quote(then)} is now {quote(now)}" for then, now in baseline.renamed_cells)
    lists = (
        (
            "In the baseline, gone from the suite",
            baseline.is_gated,
            _quoted(baseline.missing_cells, quote),
        ),
        ("In the baseline under another name", baseline.is_gated, renamed),
        ("Not in the baseline", False, _quoted(baseline.new_cells, quote)),
        ("In the baseline, not asked for this time", False, _quoted(baseline.skipped_cells, quote)),
    )
    return tuple(
        CellList(title=title, is_failure=is_failure, cells=cells)
        for title, is_failure, cells in lists
        if cells
    )


def lost_account(record: RunRecord) -> str:
    """Count the baseline's cells that the run fails for: `1 cell of the baseline missing`."""
    if record.baseline is None or not record.baseline.is_gated:
        return ""
    counts = (
        (len(record.baseline.missing_cells), "missing"),
        (len(record.baseline.renamed_cells), "renamed"),
    )
    return ", ".join(f"{count(n, 'cell')} of the baseline {what}" for n, what in counts if n)


def _quoted(cells: tuple[str, ...], quote: Quote) -> tuple[str, ...]:
    return tuple(quote(cell) for cell in cells)
