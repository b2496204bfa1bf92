"""Images of a cell worth a look: mistakes, what it was least sure of, and what changed sides."""

from __future__ import annotations

import base64
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from clipeval.errors import StoreError
from clipeval.records import CellResult, Comparison, Flip, Predictions, Thumbnail
from clipeval.report import format as fmt
from clipeval.report.views.numbers import Number, exact
from clipeval.wording import count

MAX_SHOWN = 24
"""Mistakes, as many as the engine keeps thumbnails of; the page says how many there are in all."""
MAX_LEAST_SURE = 12


@dataclass(frozen=True, slots=True, kw_only=True)
class Guess:
    """One of the five best classes of an image."""

    name: str
    probability: Number
    width: str
    """The same as a width: `37.21%`."""
    logit: str
    is_true: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class ShownImage:
    """One image, and what it was taken for."""

    image_uri: str | None
    """`data:` URI; None if the run folder has no thumbnail of it."""
    true: str
    predicted: str
    is_right: bool
    before: str
    """What it was taken for by what the cell is held against; empty where that does not matter."""
    confidence: Number
    sample_id: str
    path: str
    guesses: tuple[Guess, ...]


Selection = Literal["misclassified", "newly wrong", "newly right", "least sure"]
"""By what images were chosen."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Gallery:
    """Some images of one cell."""

    selection: Selection
    title: str
    note: str
    """`61 images, most confident first` or what was left out."""
    shown: tuple[ShownImage, ...]


ThumbnailIndex = Mapping[tuple[str, str], bytes]
"""(data-set key, sample id) -> WebP file."""


def index_thumbnails(thumbnails: Sequence[Thumbnail]) -> ThumbnailIndex:
    """Make thumbnails available by data set and sample, the first of each image."""
    return {(one.dataset, one.sample_id): one.webp for one in reversed(thumbnails)}


def image_uri(thumbnails: ThumbnailIndex, dataset: str, sample_id: str) -> str | None:
    """Return the thumbnail of an image as a `data:` URI; None if there is none."""
    webp = thumbnails.get((dataset, sample_id))
    if webp is None:
        return None
    return "data:image/webp;base64," + base64.b64encode(webp).decode("ascii")


def galleries(
    cell: CellResult,
    predictions: Predictions | None,
    thumbnails: ThumbnailIndex,
    *,
    compared: Comparison | None = None,
    against: str = "",
) -> tuple[Gallery, ...]:
    """Gather the images of a cell that are worth a look; nothing without predictions.

    Args:
        cell: the cell.
        predictions: what it said of each image.
        thumbnails: of images.
        compared: with what the cell is held against, if it is.
        against: what that is, in a few words.
    Raises:
        StoreError: the predictions name a class that the data set does not have.
    """
    if predictions is None:
        return ()
    check_classes(predictions, n_classes=len(cell.dataset.class_names))
    found = [_mistakes(cell, predictions, thumbnails)]
    if compared is not None:
        wrong, right = compared.newly_wrong, compared.newly_right
        found += [
            _flipped("newly wrong", cell, predictions, thumbnails, wrong, compared.n_newly_wrong, against),
            _flipped("newly right", cell, predictions, thumbnails, right, compared.n_newly_right, against),
        ]  # fmt: skip
    found.append(_least_sure(cell, predictions, thumbnails))
    return tuple(gallery for gallery in found if gallery is not None)


def _mistakes(
    cell: CellResult, predictions: Predictions, thumbnails: ThumbnailIndex
) -> Gallery | None:
    wrong = np.flatnonzero(predictions.predicted != predictions.labels)
    if not len(wrong):
        return None
    order = wrong[np.argsort(-predictions.confidence[wrong], kind="stable")]
    shown = tuple(_image(cell, predictions, i, thumbnails) for i in order[:MAX_SHOWN].tolist())
    if len(shown) < len(wrong):
        note = f"Showing {len(shown)} of {count(len(wrong))}, most confident first."
    else:
        note = f"All {len(wrong)}, most confident first." if len(wrong) > 1 else ""
    return Gallery(selection="misclassified", title="Misclassified", note=note, shown=shown)


def _flipped(
    selection: Selection,
    cell: CellResult,
    predictions: Predictions,
    thumbnails: ThumbnailIndex,
    flips: Sequence[Flip],
    n_flips: int,
    against: str,
) -> Gallery | None:
    """Show images that only one of two sides has right, those first that the cell is surest about."""
    position = {sample_id: i for i, sample_id in enumerate(predictions.sample_ids)}
    known = [flip for flip in flips if flip.sample_id in position]
    pictured = [one for one in known if (cell.dataset.key, one.sample_id) in thumbnails]
    known = (pictured or known)[:MAX_SHOWN]
    if not known:
        return None
    shown = tuple(
        _image(cell, predictions, position[flip.sample_id], thumbnails, before=flip.base)
        for flip in known
    )
    which = "All" if len(shown) == n_flips else f"Showing {len(shown)} of"
    return Gallery(
        selection=selection,
        title=selection.capitalize(),
        note=f"{which} {count(n_flips)}, against {against}.",
        shown=shown,
    )


def _least_sure(
    cell: CellResult, predictions: Predictions, thumbnails: ThumbnailIndex
) -> Gallery | None:
    """Show the images of least confidence, right or wrong; None if thumbnails of most were not kept."""
    order = np.argsort(predictions.confidence, kind="stable")[:MAX_LEAST_SURE].tolist()
    shown = tuple(_image(cell, predictions, i, thumbnails) for i in order)
    if 2 * sum(one.image_uri is not None for one in shown) <= len(shown):
        return None
    note = f"{len(shown)} of {count(len(predictions.sample_ids))}, least confident first."
    return Gallery(selection="least sure", title="Least sure", note=note, shown=shown)


def check_classes(predictions: Predictions, *, n_classes: int) -> None:
    """Refuse predictions of other classes. Raises: StoreError."""
    for column in (predictions.labels, predictions.predicted, predictions.top5):
        if column.size and not 0 <= column.min() <= column.max() < n_classes:
            raise StoreError(
                f"predictions of cell '{predictions.cell}': class index {column.min()} to {column.max()}, "
                f"but its data set has classes 0 to {n_classes - 1}; "
                "predictions.parquet and run.json are not of the same run"
            )


def _image(
    cell: CellResult,
    predictions: Predictions,
    i: int,
    thumbnails: ThumbnailIndex,
    *,
    before: str = "",
) -> ShownImage:
    names = cell.dataset.class_names
    true = int(predictions.labels[i])
    return ShownImage(
        image_uri=image_uri(thumbnails, cell.dataset.key, predictions.sample_ids[i]),
        true=names[true],
        predicted=names[int(predictions.predicted[i])],
        is_right=int(predictions.predicted[i]) == true,
        before=before,
        confidence=confidence_of(predictions, i),
        sample_id=predictions.sample_ids[i],
        path=predictions.paths[i],
        guesses=guesses(names, predictions, i),
    )


def confidence_of(predictions: Predictions, i: int) -> Number:
    """Return how sure a cell was of what it took an image for."""
    confidence = float(predictions.confidence[i])
    return Number(fmt.percent(confidence), exact(confidence))


def guesses(names: Sequence[str], predictions: Predictions, i: int) -> tuple[Guess, ...]:
    """Return the best classes of an image, with probabilities.

    Of the softmax, the best class's probability is known; the others' follow from differences of logits.

    Args:
        names: what the indices of classes mean.
        predictions: of a cell.
        i: the image's position in them.
    """
    true = int(predictions.labels[i])
    confidence = float(predictions.confidence[i])
    first = float(predictions.top5_scores[i][0])
    best = zip(predictions.top5[i].tolist(), predictions.top5_scores[i].tolist(), strict=True)
    return tuple(
        _guess(
            names[index],
            score,
            probability=confidence * math.exp(min(0.0, score - first)),
            is_true=index == true,
        )
        for index, score in best
    )


def _guess(name: str, logit: float, *, probability: float, is_true: bool) -> Guess:
    return Guess(
        name=name,
        probability=Number(fmt.percent(probability), exact(probability)),
        width=f"{100 * probability:.2f}%",
        logit=exact(logit),
        is_true=is_true,
    )
