"""Comparisons of versions and templates: one table for each kind."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from clipeval.records import Comparison, RunRecord
from clipeval.records.comparisons import ComparisonKind, Conclusion
from clipeval.report import format as fmt
from clipeval.report.views.baseline import (
    BaselineView,
    HoldoutView,
    baseline_view,
    holdout_views,
)
from clipeval.report.views.comparison_details import ComparisonDetails, comparison_details
from clipeval.report.views.galleries import ThumbnailIndex, shown_of_each
from clipeval.report.views.grouping import anchors_of, comparison_anchor
from clipeval.report.views.moved import against_words, mark_of, word_of
from clipeval.report.views.numbers import (
    ABSENT,
    Number,
    Plot,
    Scale,
    difference,
    exact,
    integer,
    plot,
    signed_scale,
)
from clipeval.wording import count, probability

MAX_PICTURED = 20
"""Comparisons up to which flips have pictures here, too; in the sections of their cells they always do."""
MAX_FLIPS_ON_PAGE = 400
"""Images of all lists of flips together."""
_KINDS: tuple[tuple[ComparisonKind, str], ...] = (
    ("baseline", "With the baseline"),
    ("run", "With the base"),
    ("model", "With the reference model"),
    ("template", "With the reference template"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class ComparisonRow:
    """Two cells on the same images."""

    anchor: str
    conclusion: Conclusion
    mark: str
    word: str
    candidate: str
    candidate_anchor: str
    """Section of the candidate; empty if it has none."""
    against: str
    n_images: Number
    groups: str
    difference: Number
    interval: str
    plot: Plot
    p_value: Number
    q_text: str
    """`q 0.012 of 4`; empty if nothing was adjusted."""
    reproduction: tuple[str, ...]
    """Flips, drift and floor, which stand in for p; empty for tests."""
    n_newly_wrong: Number
    n_newly_right: Number
    flip_rate: Number
    detectable: Number
    message: str
    details: ComparisonDetails


@dataclass(frozen=True, slots=True, kw_only=True)
class ComparisonTable:
    """All comparisons of one kind."""

    title: str
    scale: str
    """What the ends of the plots stand for."""
    then: str
    """What the first side is called: `before`, or `reference`."""
    now: str
    rows: tuple[ComparisonRow, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ComparisonsView:
    """Everything that was compared."""

    tables: tuple[ComparisonTable, ...]
    holdouts: tuple[HoldoutView, ...]
    baseline: BaselineView | None


def comparisons_view(record: RunRecord, thumbnails: ThumbnailIndex) -> ComparisonsView | None:
    """Show all comparisons, holdouts and the baseline; None if there is nothing of the kind."""
    beside = _Beside(
        anchors=anchors_of(record.cells),
        thumbnails=thumbnails if len(record.comparisons) <= MAX_PICTURED else {},
        n_images=shown_of_each(2 * len(record.comparisons), on_page=MAX_FLIPS_ON_PAGE),
    )
    tables = tuple(
        _table(title, found, beside)
        for kind, title in _KINDS
        if (found := [(i, one) for i, one in enumerate(record.comparisons) if one.kind == kind])
    )
    if not (tables or record.holdouts or record.baseline):
        return None
    return ComparisonsView(
        tables=tables, holdouts=holdout_views(record), baseline=baseline_view(record)
    )


def run_table(comparisons: Sequence[Comparison], anchors: Mapping[str, str]) -> ComparisonTable:
    """Show the cells of two runs, without the images, which have sections of their own.

    Args:
        comparisons: one a cell.
        anchors: the id of the section of each candidate that has one, by cell id.
    """
    without_images = [replace(one, newly_wrong=(), newly_right=()) for one in comparisons]
    beside = _Beside(anchors=anchors, thumbnails={}, n_images=0)
    return _table("With the base", list(enumerate(without_images)), beside)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Beside:
    """What of the page rows need beside their comparison."""

    anchors: Mapping[str, str]
    """Of the sections of cells, by cell id."""
    thumbnails: ThumbnailIndex
    n_images: int
    """Of a list of flips, at most."""


def _table(title: str, found: Sequence[tuple[int, Comparison]], beside: _Beside) -> ComparisonTable:
    scale = signed_scale(end for _, one in found for end in (one.top1.low, one.top1.high))
    is_of_versions = any(one.kind in ("baseline", "run") for _, one in found)
    return ComparisonTable(
        title=title,
        scale=scale.text,
        then="before" if is_of_versions else "reference",
        now="now" if is_of_versions else "this",
        rows=tuple(_row(i, one, scale, beside) for i, one in found),
    )


def _row(position: int, comparison: Comparison, scale: Scale, beside: _Beside) -> ComparisonRow:
    top1, p = comparison.top1, comparison.p_value
    flip_rate, detectable = comparison.negative_flip_rate, comparison.detectable
    return ComparisonRow(
        anchor=comparison_anchor(position),
        conclusion=comparison.conclusion,
        mark=mark_of(comparison),
        word=word_of(comparison),
        candidate=comparison.candidate,
        candidate_anchor=beside.anchors.get(comparison.candidate, ""),
        against=against_words(comparison, str),
        n_images=integer(comparison.n_images),
        groups="" if comparison.n_groups is None else count(comparison.n_groups, "group"),
        difference=difference(top1.value),
        interval=fmt.points_interval(top1.low, top1.high),
        plot=plot(top1.value, top1.low, top1.high, scale=scale),
        p_value=ABSENT if p is None else Number(probability(p), exact(p)),
        q_text=_q_text(comparison),
        reproduction=_reproduction(comparison),
        n_newly_wrong=integer(comparison.n_newly_wrong),
        n_newly_right=integer(comparison.n_newly_right),
        flip_rate=Number(fmt.percent(flip_rate), exact(flip_rate)),
        detectable=Number(fmt.points_apart(detectable), exact(detectable)),
        message=comparison.message or word_of(comparison),
        details=comparison_details(comparison, beside.thumbnails, n_images=beside.n_images),
    )


def _q_text(comparison: Comparison) -> str:
    q = comparison.q_value
    return (
        ""
        if q is None or comparison.n_compared == 1
        else f"q {probability(q)} of {comparison.n_compared}"
    )


def _reproduction(comparison: Comparison) -> tuple[str, ...]:
    """Say flips, and the larger drift beside the floor; the details have both."""
    found = comparison.reproduction
    if found is None:
        return ()
    beyond = f", {found.n_unexplained} beyond the floor" if found.n_unexplained else ""
    drifts = [drift for drift in (found.image_drift, found.text_drift) if drift is not None]
    drift = f"drift {fmt.tiny(max(drifts))}" if drifts else "drift unknown"
    flips = count(found.n_changed, "flip") + beyond
    return (flips, drift, f"floor {fmt.tiny(found.floor)}")
