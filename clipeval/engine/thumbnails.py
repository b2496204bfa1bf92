"""Small copies of the images that a cell got most confidently wrong."""

from __future__ import annotations

import io

import numpy as np
from PIL import Image

from clipeval.engine.results import ScoredCell
from clipeval.records import Thumbnail

MAX_PER_CELL = 24
EDGE_PX = 96


def thumbnails_of_errors(scored: ScoredCell) -> tuple[Thumbnail, ...]:
    """Return thumbnails of at most 24 misclassified images, most confident first.

    WebP at 96 pixels is 1-3 kB an image, so a report of twenty cells stays under a megabyte.
    """
    scores = scored.scores
    wrong = np.flatnonzero(scores.predicted != scored.labels)
    worst = wrong[np.argsort(-scores.confidence[wrong], kind="stable")][:MAX_PER_CELL]
    positions = scored.images.images.indices[worst].tolist()
    return tuple(
        Thumbnail(
            dataset=scored.dataset.key,
            sample_id=scored.dataset.samples[position].sample_id,
            webp=_webp(scored.dataset.read(position)),
        )
        for position in positions
    )


def _webp(image: Image.Image) -> bytes:
    small = image.copy()
    small.thumbnail((EDGE_PX, EDGE_PX), Image.Resampling.BICUBIC)
    encoded = io.BytesIO()
    small.save(encoded, "WEBP", quality=80, method=4)
    return encoded.getvalue()
