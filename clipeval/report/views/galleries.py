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
from clipeval.telling_mistakes import telling_mistakes
from clipeval.wording import count

MAX_SHOWN = 24
"""Mistakes, as many as the engine keeps thumbnails of; the page says how many there are in all."""
MAX_LEAST_SURE = 12
MAX_ON_PAGE = 1000
"""Images of all galleries together: a page of a hundred cells shows fewer of each."""
MIN_SHOWN = 2


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
    by: str
    """Who took it for that: `before`, `reference`."""
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
    """How many of how many there are, and which."""
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
    limit: int = MAX_SHOWN,
    compared: Comparison | None = None,
    against: str = "",
) -> tuple[Gallery, ...]:
    """Gather the images of a cell that are worth a look; nothing without predictions.

    Args:
        cell: the cell.
        predictions: what it said of each image.
        thumbnails: of images.
        limit: images of a gallery at most, see shown_of_each.
        compared: with what the cell is held against, if it is.
        against: what that is, in a few words.
    Raises:
        StoreError: the predictions name a class that the data set does not have.
    """
    if predictions is None:
        return ()
    check_classes(predictions, n_classes=len(cell.dataset.class_names))
    maker = _GalleryMaker(cell=cell, predictions=predictions, thumbnails=thumbnails, limit=limit)
    found = [maker.mistakes()]
    if compared is not None:
        wrong, right = compared.newly_wrong, compared.newly_right
        is_past = compared.kind in ("baseline", "run")
        by = "before" if is_past else "reference"
        found += [
            maker.flipped("newly wrong", wrong, compared.n_newly_wrong, against=against, by=by),
            maker.flipped("newly right", right, compared.n_newly_right, against=against, by=by),
        ]
    found.append(maker.least_sure())
    return tuple(gallery for gallery in found if gallery is not None)


def shown_of_each(n_galleries: int, *, on_page: int = MAX_ON_PAGE) -> int:
    """Return how many images each of so many galleries may show, so that the page stays small."""
    return max(MIN_SHOWN, min(MAX_SHOWN, on_page // max(1, n_galleries)))


@dataclass(frozen=True, slots=True, kw_only=True)
class _GalleryMaker:
    """Chooses images of one cell."""

    cell: CellResult
    predictions: Predictions
    thumbnails: ThumbnailIndex
    limit: int

    def mistakes(self) -> Gallery | None:
        """Show what the cell got wrong; None if nothing."""
        found = self.predictions
        n_wrong = int((found.predicted != found.labels).sum())
        if not n_wrong:
            return None
        chosen = telling_mistakes(
            predicted=found.predicted,
            labels=found.labels,
            confidence=found.confidence,
            n=self.limit,
        )
        shown = tuple(self._image(i) for i in chosen.tolist())
        if len(shown) < n_wrong:
            some = f"Showing {len(shown)} of {count(n_wrong)}"
            note = f"{some}: the surest, with one of each common kind."
        else:
            note = f"All {n_wrong}, most confident first." if n_wrong > 1 else ""
        return Gallery(selection="misclassified", title="Misclassified", note=note, shown=shown)

    def flipped(
        self, selection: Selection, flips: Sequence[Flip], n_flips: int, *, against: str, by: str
    ) -> Gallery | None:
        """Show images that only one of two sides has right, those first that the cell is surest about."""
        position = {sample_id: i for i, sample_id in enumerate(self.predictions.sample_ids)}
        known = [flip for flip in flips if flip.sample_id in position]
        dataset = self.cell.dataset.key
        pictured = [one for one in known if (dataset, one.sample_id) in self.thumbnails]
        known = (pictured or known)[: self.limit]
        if not known:
            return None
        shown = tuple(
            self._image(position[flip.sample_id], before=flip.base, by=by) for flip in known
        )
        which = "All" if len(shown) == n_flips else f"Showing {len(shown)} of"
        return Gallery(
            selection=selection,
            title=selection.capitalize(),
            note=f"{which} {count(n_flips)}, against {against}.",
            shown=shown,
        )

    def least_sure(self) -> Gallery | None:
        """Show images of least confidence, right or wrong; None if thumbnails of most were not kept."""
        found = self.predictions
        n_shown = min(MAX_LEAST_SURE, self.limit)
        order = np.argsort(found.confidence, kind="stable")[:n_shown].tolist()
        shown = tuple(self._image(i) for i in order)
        if 2 * sum(one.image_uri is not None for one in shown) <= len(shown):
            return None
        note = f"{len(shown)} of {count(len(found.sample_ids))}, least confident first."
        return Gallery(selection="least sure", title="Least sure", note=note, shown=shown)

    def _image(self, i: int, *, before: str = "", by: str = "") -> ShownImage:
        found, names = self.predictions, self.cell.dataset.class_names
        true = int(found.labels[i])
        return ShownImage(
            image_uri=image_uri(self.thumbnails, self.cell.dataset.key, found.sample_ids[i]),
            true=names[true],
            predicted=names[int(found.predicted[i])],
            is_right=int(found.predicted[i]) == true,
            before=before,
            by=by,
            confidence=confidence_of(found, i),
            sample_id=found.sample_ids[i],
            path=found.paths[i],
            guesses=guesses(names, found, i),
        )


def check_classes(predictions: Predictions, *, n_classes: int) -> None:
    """Refuse predictions of other classes. Raises: StoreError."""
    for column in (predictions.labels, predictions.predicted, predictions.top5):
        if column.size and not 0 <= column.min() <= column.max() < n_classes:
            raise StoreError(
                f"predictions of cell '{predictions.cell}': class index {column.min()} to {column.max()}, "
                f"but its data set has classes 0 to {n_classes - 1}; "
                "predictions.parquet and run.json are not of the same run"
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
