"""Small copies of the images that a cell got most confidently wrong, or was least sure of."""

from __future__ import annotations

import io
from collections.abc import Iterator

import numpy as np
from PIL import Image

from clipeval.datasets import ImageDataset, ImageReadError
from clipeval.engine.results import ScoredCell
from clipeval.records import Thumbnail

MAX_ERRORS, MAX_LEAST_SURE = 24, 12
EDGE_PX = 96


def thumbnails_worth_a_look(scored: ScoredCell) -> tuple[Thumbnail, ...]:
    """Return thumbnails of at most 24 misclassified images, most confident first, and the 12 least sure ones.

    An image that has vanished since it was encoded is left out: its prediction stands without it.
    WebP at 96 pixels is 1-3 kB an image, so a report of twenty cells stays under a megabyte.
    """
    scores = scored.scores
    wrong = np.flatnonzero(scores.predicted != scored.labels)
    worst = wrong[np.argsort(-scores.confidence[wrong], kind="stable")][:MAX_ERRORS]
    least_sure = np.argsort(scores.confidence, kind="stable")[:MAX_LEAST_SURE]
    chosen = list(dict.fromkeys([*worst.tolist(), *least_sure.tolist()]))
    positions = scored.images.indices[chosen].tolist()
    return tuple(_thumbnails(scored.dataset, positions))


def _thumbnails(dataset: ImageDataset, positions: list[int]) -> Iterator[Thumbnail]:
    for position in positions:
        try:
            webp = _webp(dataset.read(position))
        except ImageReadError:
            continue
        yield Thumbnail(
            dataset=dataset.key, sample_id=dataset.samples[position].sample_id, webp=webp
        )


def _webp(image: Image.Image) -> bytes:
    small = image.copy()
    small.thumbnail((EDGE_PX, EDGE_PX), Image.Resampling.BICUBIC)
    encoded = io.BytesIO()
    small.save(encoded, "WEBP", quality=80, method=4)
    return encoded.getvalue()
