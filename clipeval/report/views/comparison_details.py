"""What a comparison opens to: other metrics, classes, and the images that changed sides."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from clipeval.records import ClassDifference, Comparison, Difference, Flip, Notice, Reproduction
from clipeval.report import format as fmt
from clipeval.report.views.galleries import MAX_SHOWN, ThumbnailIndex, image_uri
from clipeval.report.views.numbers import (
    Number,
    Plot,
    Scale,
    difference,
    exact,
    integer,
    number,
    plot,
    signed_scale,
)
from clipeval.wording import count, probability

MAX_CLASSES = 20
_TESTS = {
    "mcnemar-mid-p": "McNemar's test with mid-p",
    "score-rao-scott": "score test with Rao and Scott's correction for groups",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class DifferenceRow:
    """One metric of both sides."""

    name: str
    base: Number
    candidate: Number
    difference: Number
    interval: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ClassRow:
    """One class on both sides."""

    name: str
    n: Number
    base: Number
    candidate: Number
    difference: Number
    interval: str
    plot: Plot
    n_newly_wrong: Number
    n_newly_right: Number
    p_value: Number
    adjusted_p: Number


@dataclass(frozen=True, slots=True, kw_only=True)
class FlipView:
    """One image that only one side has right."""

    image_uri: str | None
    """`data:` URI; None if the run folder has no thumbnail of it."""
    true: str
    predicted: str
    """Class that the wrong side predicted."""
    sample_id: str
    path: str
    """Empty if it says no more than the sample id."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FlipList:
    """The images that went one way."""

    title: str
    account: str
    """How many are shown, and how to read them."""
    has_images: bool
    """Whether any of them has a thumbnail."""
    shown: tuple[FlipView, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ComparisonDetails:
    """All that does not fit a row."""

    notices: tuple[Notice, ...]
    method: str
    metrics: tuple[DifferenceRow, ...]
    classes: tuple[ClassRow, ...]
    class_scale: str
    n_more_classes: int
    flips: tuple[FlipList, ...]


def comparison_details(
    comparison: Comparison, thumbnails: ThumbnailIndex, *, n_images: int = MAX_SHOWN
) -> ComparisonDetails:
    """Gather what a comparison opens to, with at most so many images of either kind."""
    ordered = sorted(comparison.per_class, key=lambda one: (one.adjusted_p, one.difference))
    moved = [one for one in ordered if one.n_newly_wrong or one.n_newly_right]
    shown = (moved or ordered)[:MAX_CLASSES]
    scale = signed_scale(end for one in shown for end in (one.low, one.high))
    return ComparisonDetails(
        notices=comparison.notices,
        method=_method(comparison),
        metrics=_metric_rows(comparison),
        classes=tuple(_class_row(one, scale) for one in shown),
        class_scale=scale.text,
        n_more_classes=len(ordered) - len(shown),
        flips=_flip_lists(comparison, thumbnails, n_images),
    )


def _method(comparison: Comparison) -> str:
    parts = []
    if comparison.test is not None:
        parts.append(f"p by {_TESTS[comparison.test]}")
    if comparison.q_value is not None:
        adjusted = count(comparison.n_compared, "comparison")
        parts.append(f"q is p adjusted for {adjusted} with the same reference")
    if comparison.reproduction is not None:
        parts.append(_drifts(comparison.reproduction))
    if comparison.n_groups is not None:
        groups = f"images come in {count(comparison.n_groups, 'group')}"
        effect = comparison.design_effect
        parts.append(groups if effect is None else f"{groups}, design effect {effect:.2f}")
    return "; ".join(parts)


def _drifts(found: Reproduction) -> str:
    drifts = (("images", found.image_drift), ("texts", found.text_drift))
    said = ", ".join(
        f"{what} {'unknown' if drift is None else fmt.tiny(drift)}" for what, drift in drifts
    )
    return f"drift of embeddings: {said}; numeric floor {fmt.tiny(found.floor)}"


def _metric_rows(comparison: Comparison) -> tuple[DifferenceRow, ...]:
    metrics: tuple[tuple[str, Difference | None], ...] = (
        ("top1", comparison.top1),
        ("top5", comparison.top5),
        ("macro_recall", comparison.macro_recall),
        ("macro_precision", comparison.macro_precision),
        ("macro_f1", comparison.macro_f1),
    )
    return tuple(
        DifferenceRow(
            name=fmt.metric_name(key),
            base=number(key, found.base),
            candidate=number(key, found.candidate),
            difference=difference(found.value),
            interval=fmt.points_interval(found.low, found.high),
        )
        for key, found in metrics
        if found is not None
    )


def _class_row(one: ClassDifference, scale: Scale) -> ClassRow:
    return ClassRow(
        name=one.name,
        n=integer(one.n),
        base=number("recall", one.base_recall),
        candidate=number("recall", one.candidate_recall),
        difference=difference(one.difference),
        interval=fmt.points_interval(one.low, one.high),
        plot=plot(one.difference, one.low, one.high, scale=scale),
        n_newly_wrong=integer(one.n_newly_wrong),
        n_newly_right=integer(one.n_newly_right),
        p_value=Number(probability(one.p_value), exact(one.p_value)),
        adjusted_p=Number(probability(one.adjusted_p), exact(one.adjusted_p)),
    )


def _flip_lists(
    comparison: Comparison, thumbnails: ThumbnailIndex, n_images: int
) -> tuple[FlipList, ...]:
    def views(flips: Sequence[Flip], *, is_wrong: bool) -> tuple[FlipView, ...]:
        return tuple(
            _flip(flip, flip.candidate if is_wrong else flip.base, comparison.dataset, thumbnails)
            for flip in flips[:n_images]
        )

    wrong = views(comparison.newly_wrong, is_wrong=True)
    right = views(comparison.newly_right, is_wrong=False)
    is_of_versions = comparison.kind in ("baseline", "run")
    what_before = (
        "what it was taken for before" if is_of_versions else "what the reference takes it for"
    )
    lists = (
        ("Newly wrong", "what it is taken for now", comparison.n_newly_wrong, wrong),
        ("Newly right", what_before, comparison.n_newly_right, right),
    )
    return tuple(
        FlipList(
            title=title,
            account=f"{len(shown)} of {count(n)} shown: true class → {meaning}",
            has_images=any(one.image_uri for one in shown),
            shown=shown,
        )
        for title, meaning, n, shown in lists
        if shown
    )


def _flip(flip: Flip, predicted: str, dataset: str, thumbnails: ThumbnailIndex) -> FlipView:
    return FlipView(
        image_uri=image_uri(thumbnails, dataset, flip.sample_id),
        true=flip.label,
        predicted=predicted,
        sample_id=flip.sample_id,
        path="" if flip.path == flip.sample_id else flip.path,
    )
