"""Everything about one cell."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from clipeval.records import CalibrationBin, CellResult, ClassMetrics, Notice, Predictions
from clipeval.records.precision_costs import cost_sentence
from clipeval.report import format as fmt
from clipeval.report.views.confusion import HeatMap, heat_map
from clipeval.report.views.galleries import Gallery, ThumbnailIndex, galleries
from clipeval.report.views.grouping import cell_anchor, setting_of
from clipeval.report.views.numbers import (
    Metric,
    Number,
    Plot,
    exact,
    integer,
    metric,
    number,
    plot,
)
from clipeval.wording import count

MAX_PAIRS = 10
MAX_PROMPTS = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class ClassRow:
    """One class."""

    name: str
    n: Number
    recall: Number
    interval: str
    plot: Plot | None
    precision: Number
    f1: Number


@dataclass(frozen=True, slots=True, kw_only=True)
class PairRow:
    """One kind of mistake."""

    true: str
    predicted: str
    n: Number
    share: Number
    """Of the images of the true class."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BinRow:
    """Images of about the same confidence."""

    span: str
    n: Number
    confidence: Number
    accuracy: Number
    gap: Number
    """Mean confidence less accuracy, in points: positive is overconfident."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Prompts:
    """The prompts as encoded."""

    origin: str
    account: str
    shown: tuple[str, ...]
    n_more: int


@dataclass(frozen=True, slots=True, kw_only=True)
class CellView:
    """One section of the page."""

    anchor: str
    id: str
    dataset: str
    model: str
    template: str
    setting: str
    is_open: bool
    has_random_weights: bool
    top1: Metric | None
    wrong: str
    metrics: tuple[Metric, ...]
    classes: tuple[ClassRow, ...]
    heat_map: HeatMap | None
    pairs: tuple[PairRow, ...]
    n_more_pairs: int
    galleries: tuple[Gallery, ...]
    lacks_predictions: bool
    calibration: tuple[BinRow, ...]
    prompts: Prompts
    notices: tuple[Notice, ...]
    timings: tuple[tuple[str, Number], ...]
    timing_note: str
    cost: str
    """What precision and backend change; empty for fp32 on torch."""


def cell_view(
    position: int,
    cell: CellResult,
    *,
    is_open: bool,
    predictions: Predictions | None,
    thumbnails: ThumbnailIndex,
) -> CellView:
    """Build the section of one cell.

    Raises:
        StoreError: the predictions do not fit the cell.
    """
    n_wrong = sum(map(sum, cell.confusion)) - sum(row[i] for i, row in enumerate(cell.confusion))
    return CellView(
        anchor=cell_anchor(position),
        id=cell.id,
        dataset=cell.dataset.key,
        model=cell.model.id,
        template=cell.template.id,
        setting=setting_of(cell),
        is_open=is_open,
        has_random_weights=cell.model.random_weights,
        top1=metric("top1", cell.metrics["top1"]) if "top1" in cell.metrics else None,
        wrong=f"{count(n_wrong)} of {count(cell.dataset.n_images, 'image')} wrong",
        metrics=tuple(metric(key, value) for key, value in cell.metrics.items()),
        classes=_class_rows(cell.per_class),
        heat_map=heat_map(cell),
        pairs=_pair_rows(cell),
        n_more_pairs=max(0, len(cell.confused_pairs) - MAX_PAIRS),
        galleries=galleries(cell, predictions, thumbnails),
        lacks_predictions=predictions is None and n_wrong > 0,
        calibration=tuple(_bin_row(one) for one in cell.calibration if one.n_images),
        prompts=_prompts(cell),
        notices=cell.notices,
        timings=_timings(cell.timings),
        timing_note=_timing_note(cell),
        cost=cost_sentence(cell),
    )


def _class_rows(per_class: tuple[ClassMetrics, ...]) -> tuple[ClassRow, ...]:
    """Show classes from the lowest recall up; those without an image come last."""

    def recall(one: ClassMetrics) -> tuple[bool, float]:
        return (one.recall is None, one.recall or 0.0)

    return tuple(
        ClassRow(
            name=one.name,
            n=integer(one.n),
            recall=number("recall", one.recall),
            interval=fmt.interval("recall", one.recall_low, one.recall_high),
            plot=None if one.recall is None else plot(one.recall, one.recall_low, one.recall_high),
            precision=number("precision", one.precision),
            f1=number("f1", one.f1),
        )
        for one in sorted(per_class, key=recall)
    )


def _pair_rows(cell: CellResult) -> tuple[PairRow, ...]:
    n_of = {one.name: one.n for one in cell.per_class}
    return tuple(
        PairRow(
            true=pair.true,
            predicted=pair.predicted,
            n=integer(pair.n_images),
            share=number("recall", pair.n_images / n if (n := n_of.get(pair.true, 0)) else None),
        )
        for pair in cell.confused_pairs[:MAX_PAIRS]
    )


def _bin_row(one: CalibrationBin) -> BinRow:
    gap = None
    if one.confidence is not None and one.accuracy is not None:
        gap = one.confidence - one.accuracy
    return BinRow(
        span=f"{100 * one.low:.0f}{fmt.DASH}{100 * one.high:.0f}%",
        n=integer(one.n_images),
        confidence=number("recall", one.confidence),
        accuracy=number("recall", one.accuracy),
        gap=Number(fmt.DASH, "") if gap is None else Number(fmt.points(gap), exact(gap)),
    )


def _prompts(cell: CellResult) -> Prompts:
    template = cell.template
    per_class = sorted(set(template.prompts_per_class))
    each = " to ".join(str(n) for n in dict.fromkeys((per_class[0], per_class[-1])))
    account = f"{count(len(template.prompts), 'prompt')}, {each} for each class"
    return Prompts(
        origin=template.origin,
        account=account,
        shown=template.prompts[:MAX_PROMPTS],
        n_more=max(0, len(template.prompts) - MAX_PROMPTS),
    )


def _timings(timings: Mapping[str, float]) -> tuple[tuple[str, Number], ...]:
    rows = []
    for key, value in timings.items():
        if key.endswith("_per_s"):
            label, text = f"{key.removesuffix('_per_s')} per second", f"{value:,.0f}"
        else:
            label, text = key.removesuffix("_s"), fmt.duration(value)
        rows.append((label.replace("_", " ").capitalize(), Number(text, exact(value))))
    return tuple(rows)


def _timing_note(cell: CellResult) -> str:
    notes = ["The image pass is shared by every template of this model and data set."]
    for what, came_from in (("image", cell.image_embeddings), ("text", cell.text_embeddings)):
        if came_from == "cached":
            notes.append(
                f"{what.capitalize()} embeddings came from the cache: encode {what} is the time to read them."
            )
    return " ".join(notes)
