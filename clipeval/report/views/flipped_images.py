"""Images that changed sides between two runs, with what either of them took each for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from clipeval.records import Comparison, Flip, Predictions
from clipeval.records.run_comparisons import RunImages
from clipeval.report.views.confusion_change import ChangeMatrix, change_matrix
from clipeval.report.views.galleries import (
    Guess,
    ThumbnailIndex,
    check_classes,
    confidence_of,
    guesses,
    image_uri,
    index_thumbnails,
    shown_of_each,
)
from clipeval.report.views.numbers import ABSENT, Number
from clipeval.wording import count

FlipSelection = Literal["newly wrong", "newly right"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Answered:
    """What one run took an image for."""

    run: str
    """`base` or `candidate`."""
    predicted: str
    is_right: bool
    confidence: Number
    """ABSENT where the run is a baseline file, which knows no more than the class."""
    guesses: tuple[Guess, ...]
    image_uri: str | None
    """The run's own picture of it, where the two runs have different ones."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FlippedImage:
    """One image, and both answers."""

    image_uri: str | None
    """None if neither run kept a thumbnail of it, or each another one."""
    has_two_images: bool
    true: str
    wrong: str
    """What the run that is wrong took it for."""
    answers: tuple[Answered, Answered]
    sample_id: str
    path: str
    """Empty if it says no more than the sample id."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FlipGallery:
    """The images of one cell that went one way."""

    selection: FlipSelection
    title: str
    note: str
    shown: tuple[FlippedImage, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangedCell:
    """What changed about one cell: the images, and what is taken for what."""

    anchor: str
    cell: str
    dataset: str
    account: str
    is_open: bool
    matrix: ChangeMatrix | None
    galleries: tuple[FlipGallery, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Side:
    """One cell of one run, ready to be asked about an image."""

    run: str
    class_names: Sequence[str]
    predictions: Predictions | None
    positions: Mapping[str, int]
    """Sample id -> its position in the predictions."""
    thumbnails: ThumbnailIndex


def changed_cells(
    comparisons: Sequence[Comparison], base: RunImages, candidate: RunImages
) -> tuple[ChangedCell, ...]:
    """Show every cell of which something changed; the first one is open."""
    n_images = shown_of_each(2 * len(comparisons))
    thumbnails = [index_thumbnails(one.thumbnails) for one in (base, candidate)]
    changed: list[ChangedCell] = []
    for number, one in enumerate(comparisons, start=1):
        matrix = change_matrix(one)
        sides = (
            _side("base", one.base, base, thumbnails[0]),
            _side("candidate", one.candidate, candidate, thumbnails[1]),
        )
        galleries = _galleries(one, sides, n_images)
        if matrix is None and not galleries:
            continue
        changed.append(
            ChangedCell(
                anchor=f"cell-{number}",
                cell=one.candidate,
                dataset=one.dataset,
                account=f"{count(one.n_newly_wrong)} newly wrong, {count(one.n_newly_right)} newly right "
                f"of {count(one.n_images, 'image')}",
                is_open=not changed,
                matrix=matrix,
                galleries=galleries,
            )
        )
    return tuple(changed)


def _side(run: str, cell: str, images: RunImages, thumbnails: ThumbnailIndex) -> _Side:
    predictions = images.predictions.get(cell)
    class_names = images.class_names.get(cell, ())
    if predictions is not None:
        check_classes(predictions, n_classes=len(class_names))
    ids = () if predictions is None else predictions.sample_ids
    return _Side(
        run=run,
        class_names=class_names,
        predictions=predictions,
        positions={sample_id: i for i, sample_id in enumerate(ids)},
        thumbnails=thumbnails,
    )


def _galleries(
    comparison: Comparison, sides: tuple[_Side, _Side], n_images: int
) -> tuple[FlipGallery, ...]:
    found: tuple[tuple[FlipSelection, int, Sequence[Flip]], ...] = (
        ("newly wrong", comparison.n_newly_wrong, comparison.newly_wrong),
        ("newly right", comparison.n_newly_right, comparison.newly_right),
    )
    return tuple(
        _gallery(
            selection,
            n,
            _pictured_first(flips, comparison.dataset, sides)[:n_images],
            comparison.dataset,
            sides,
        )
        for selection, n, flips in found
        if flips
    )


def _gallery(
    selection: FlipSelection,
    n: int,
    flips: Sequence[Flip],
    dataset: str,
    sides: tuple[_Side, _Side],
) -> FlipGallery:
    shown = tuple(
        _image(flip, dataset, sides, is_wrong_now=selection == "newly wrong") for flip in flips
    )
    which = "All" if len(shown) == n else f"Showing {len(shown)} of"
    return FlipGallery(
        selection=selection, title=selection.capitalize(), note=f"{which} {count(n)}.", shown=shown
    )


def _pictured_first(flips: Sequence[Flip], dataset: str, sides: tuple[_Side, _Side]) -> list[Flip]:
    """Put those first of which there is a picture, else in the order of the comparison."""

    def has_none(flip: Flip) -> bool:
        return all((dataset, flip.sample_id) not in one.thumbnails for one in sides)

    return sorted(flips, key=has_none)


def _image(
    flip: Flip, dataset: str, sides: tuple[_Side, _Side], *, is_wrong_now: bool
) -> FlippedImage:
    uris = [image_uri(one.thumbnails, dataset, flip.sample_id) for one in sides]
    has_two = None not in uris and uris[0] != uris[1]
    base, candidate = (
        _answered(side, flip, predicted, uri if has_two else None)
        for side, predicted, uri in zip(sides, (flip.base, flip.candidate), uris, strict=True)
    )
    return FlippedImage(
        image_uri=None if has_two else uris[1] or uris[0],
        has_two_images=has_two,
        true=flip.label,
        wrong=flip.candidate if is_wrong_now else flip.base,
        answers=(base, candidate),
        sample_id=flip.sample_id,
        path="" if flip.path == flip.sample_id else flip.path,
    )


def _answered(side: _Side, flip: Flip, predicted: str, uri: str | None) -> Answered:
    confidence = ABSENT
    best: tuple[Guess, ...] = ()
    position = side.positions.get(flip.sample_id)
    if side.predictions is not None and position is not None:
        confidence = confidence_of(side.predictions, position)
        best = guesses(side.class_names, side.predictions, position)
    return Answered(
        run=side.run,
        predicted=predicted,
        is_right=predicted == flip.label,
        confidence=confidence,
        guesses=best,
        image_uri=uri,
    )
