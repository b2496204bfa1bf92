"""Everything about one cell."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from clipeval.records import (
    CalibrationBin,
    CellResult,
    Comparison,
    ConfusedPair,
    Notice,
    Predictions,
)
from clipeval.records.precision_costs import cost_sentence
from clipeval.report import format as fmt
from clipeval.report.charts import Chart, calibration_chart
from clipeval.report.views.classes import ClassTable, class_table
from clipeval.report.views.confusion import HeatMap, heat_map
from clipeval.report.views.confusion_change import ChangeMatrix, change_matrix
from clipeval.report.views.galleries import Gallery, ThumbnailIndex, galleries
from clipeval.report.views.grouping import cell_anchor, pair_link, setting_of
from clipeval.report.views.moved import HELD_AGAINST
from clipeval.report.views.numbers import Metric, Number, exact, integer, metric, number
from clipeval.report.views.prompts import Prompts, prompts_view
from clipeval.report.views.similarity import SimilarityMap, similarity_map
from clipeval.wording import count

MAX_PAIRS = 200
"""As many as the engine lists; the page's filter searches them."""
MIN_PAIRS = 20
MAX_PAIRS_ON_PAGE = 4000


@dataclass(frozen=True, slots=True, kw_only=True)
class PairRow:
    """One kind of mistake."""

    true: str
    predicted: str
    n: Number
    share: Number
    """Of the images of the true class."""
    link: str
    """Shows images of this kind alone; empty if the page has none."""
    n_shown: str
    """How many images of this kind the page has, where that is not all; else empty."""


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
    classes: ClassTable | None
    heat_map: HeatMap | None
    confusion_change: ChangeMatrix | None
    pairs: tuple[PairRow, ...]
    n_more_pairs: int
    galleries: tuple[Gallery, ...]
    lacks_predictions: bool
    calibration: tuple[BinRow, ...]
    calibration_chart: Chart | None
    similarity: SimilarityMap | None
    prompts: Prompts
    notices: tuple[Notice, ...]
    """Without those of the data set, which stand with its account."""
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
    compared: Comparison | None,
    has_chart: bool,
    n_images: int,
    n_pairs: int,
) -> CellView:
    """Build the section of one cell.

    Args:
        position: of the cell in the run.
        cell: the cell.
        is_open: whether the section is, at first.
        predictions: what the cell said of each image, if that is known.
        thumbnails: of images.
        compared: the comparison that says most about the cell; None if it was not compared.
        has_chart: whether its calibration is drawn; the table has it anyway.
        n_images: of a gallery, at most.
        n_pairs: of classes that are confused, at most.
    Raises:
        StoreError: the predictions do not fit the cell.
    """
    against = HELD_AGAINST[compared.kind] if compared else ""
    shown = galleries(
        cell, predictions, thumbnails, limit=n_images, compared=compared, against=against
    )
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
        classes=class_table(cell, compared, against=against) if len(cell.per_class) > 1 else None,
        heat_map=heat_map(cell),
        confusion_change=change_matrix(compared) if compared else None,
        pairs=_pair_rows(cell, cell_anchor(position), shown, n_pairs),
        n_more_pairs=_n_pairs(cell) - min(len(cell.confused_pairs), n_pairs),
        galleries=shown,
        lacks_predictions=predictions is None and n_wrong > 0,
        calibration=tuple(_bin_row(one) for one in cell.calibration if one.n_images)
        if len(cell.dataset.class_names) > 1
        else (),
        calibration_chart=calibration_chart(cell) if has_chart else None,
        similarity=similarity_map(cell, thumbnails),
        prompts=prompts_view(cell),
        notices=tuple(one for one in cell.notices if one not in cell.dataset.notices),
        timings=_timings(cell.timings),
        timing_note=_timing_note(cell),
        cost=cost_sentence(cell),
    )


def pairs_of_each(n_cells: int) -> int:
    """Return how many confused pairs each of so many cells may list, so that the page stays small."""
    return max(MIN_PAIRS, min(MAX_PAIRS, MAX_PAIRS_ON_PAGE // max(1, n_cells)))


def _pair_rows(
    cell: CellResult, anchor: str, shown: Sequence[Gallery], n_pairs: int
) -> tuple[PairRow, ...]:
    n_of = {one.name: one.n for one in cell.per_class}
    images = {one.sample_id: one for gallery in shown for one in gallery.shown}
    n_shown = Counter((one.true, one.predicted) for one in images.values() if not one.is_right)
    return tuple(
        _pair_row(cell, anchor, pair, n_of.get(pair.true, 0), n_shown[pair.true, pair.predicted])
        for pair in cell.confused_pairs[:n_pairs]
    )


def _pair_row(
    cell: CellResult, anchor: str, pair: ConfusedPair, n_of_class: int, n_shown: int
) -> PairRow:
    is_partial = 0 < n_shown < pair.n_images
    return PairRow(
        true=pair.true,
        predicted=pair.predicted,
        n=integer(pair.n_images),
        share=number("recall", pair.n_images / n_of_class if n_of_class else None),
        link=pair_link(cell, anchor, true=pair.true, predicted=pair.predicted) if n_shown else "",
        n_shown=f"{count(n_shown)} shown" if is_partial else "",
    )


def _n_pairs(cell: CellResult) -> int:
    return sum(n > 0 and i != j for i, row in enumerate(cell.confusion) for j, n in enumerate(row))


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
