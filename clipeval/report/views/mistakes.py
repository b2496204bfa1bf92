"""Misclassified images, the most confident first."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from clipeval.errors import StoreError
from clipeval.records import CellResult, Predictions, Thumbnail
from clipeval.report import format as fmt
from clipeval.report.views.numbers import Number, exact
from clipeval.wording import count

MAX_SHOWN = 24
"""As many as the engine keeps thumbnails of; the page says how many there are in all."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Guess:
    """One of the five best classes of an image."""

    name: str
    score: Number
    is_true: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Mistake:
    """One misclassified image."""

    image_uri: str | None
    """`data:` URI; None if the run folder has no thumbnail of it."""
    true: str
    predicted: str
    confidence: Number
    sample_id: str
    path: str
    guesses: tuple[Guess, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Mistakes:
    """The mistakes of one cell."""

    note: str
    """`61 images, most confident first` or what was left out."""
    shown: tuple[Mistake, ...]


ThumbnailIndex = Mapping[tuple[str, str], bytes]
"""(data-set key, sample id) -> WebP file."""


def index_thumbnails(thumbnails: Sequence[Thumbnail]) -> ThumbnailIndex:
    """Make thumbnails available by data set and sample."""
    return {(one.dataset, one.sample_id): one.webp for one in thumbnails}


def image_uri(thumbnails: ThumbnailIndex, dataset: str, sample_id: str) -> str | None:
    """Return the thumbnail of an image as a `data:` URI; None if there is none."""
    webp = thumbnails.get((dataset, sample_id))
    if webp is None:
        return None
    return "data:image/webp;base64," + base64.b64encode(webp).decode("ascii")


def mistakes(
    cell: CellResult, predictions: Predictions | None, thumbnails: ThumbnailIndex
) -> Mistakes | None:
    """Gather the most confident mistakes of a cell; None if there is none or none is known.

    Raises:
        StoreError: the predictions name a class that the data set does not have.
    """
    if predictions is None:
        return None
    _check_classes(cell, predictions)
    wrong = np.flatnonzero(predictions.predicted != predictions.labels)
    if not len(wrong):
        return None
    order = wrong[np.argsort(-predictions.confidence[wrong], kind="stable")]
    shown = tuple(_mistake(cell, predictions, i, thumbnails) for i in order[:MAX_SHOWN].tolist())
    if len(shown) < len(wrong):
        note = f"Showing {len(shown)} of {count(len(wrong))}, most confident first."
    else:
        note = f"All {len(wrong)}, most confident first." if len(wrong) > 1 else ""
    return Mistakes(note=note, shown=shown)


def _check_classes(cell: CellResult, predictions: Predictions) -> None:
    n_classes = len(cell.dataset.class_names)
    for column in (predictions.labels, predictions.predicted, predictions.top5):
        if column.size and not 0 <= column.min() <= column.max() < n_classes:
            raise StoreError(
                f"predictions of cell '{cell.id}': class index {column.min()} to {column.max()}, "
                f"but the data set '{cell.dataset.key}' has classes 0 to {n_classes - 1}; "
                "predictions.parquet and run.json are not of the same run"
            )


def _mistake(
    cell: CellResult, predictions: Predictions, i: int, thumbnails: ThumbnailIndex
) -> Mistake:
    names = cell.dataset.class_names
    true = int(predictions.labels[i])
    confidence = float(predictions.confidence[i])
    best = zip(predictions.top5[i].tolist(), predictions.top5_scores[i].tolist(), strict=True)
    return Mistake(
        image_uri=image_uri(thumbnails, cell.dataset.key, predictions.sample_ids[i]),
        true=names[true],
        predicted=names[int(predictions.predicted[i])],
        confidence=Number(fmt.percent(confidence), exact(confidence)),
        sample_id=predictions.sample_ids[i],
        path=predictions.paths[i],
        guesses=tuple(
            Guess(
                name=names[index],
                score=Number(fmt.logit(score), exact(score)),
                is_true=index == true,
            )
            for index, score in best
        ),
    )
