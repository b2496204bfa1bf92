"""Small copies of images that are worth a look."""

from __future__ import annotations

import io
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass, field

import numpy as np
from PIL import Image

from clipeval.datasets import ImageDataset, ImageReadError
from clipeval.engine.scored_cell import ScoredCell
from clipeval.engine.similarity import sampled_positions
from clipeval.records import Thumbnail
from clipeval.telling_mistakes import telling_mistakes

MAX_ERRORS, MAX_LEAST_SURE = 24, 12
EDGE_PX = 96


def positions_worth_a_look(scored: ScoredCell) -> list[int]:
    """Return positions in a data set: at most 24 images that a cell got wrong, some of each common kind of
    mistake; the 12 that it was least sure of; and those that stand beside prompts.
    """
    scores = scored.scores
    worst = telling_mistakes(
        predicted=scores.predicted, labels=scored.labels, confidence=scores.confidence, n=MAX_ERRORS
    )
    least_sure = np.argsort(scores.confidence, kind="stable")[:MAX_LEAST_SURE]
    chosen = dict.fromkeys([*worst.tolist(), *least_sure.tolist(), *sampled_positions(scored)])
    return [int(i) for i in scored.images.indices[list(chosen)]]


@dataclass(frozen=True, slots=True)
class Thumbnails:
    """Makes thumbnails of a data set's images, each once: cells of a data set show many of the same."""

    dataset: ImageDataset
    _made: dict[int, Thumbnail] = field(default_factory=dict)

    def of(self, positions: Iterable[int]) -> tuple[Thumbnail, ...]:
        """Return thumbnails of some images.

        An image that has vanished since it was encoded is left out: its prediction stands without it.
        WebP at 96 pixels is 1-3 kB an image, and a cell shows some fifty.
        """
        wanted = tuple(positions)
        for position in wanted:
            if position not in self._made:
                with suppress(ImageReadError):
                    self._made[position] = self._thumbnail(position)
        return tuple(self._made[position] for position in wanted if position in self._made)

    def _thumbnail(self, position: int) -> Thumbnail:
        return Thumbnail(
            dataset=self.dataset.key,
            sample_id=self.dataset.samples[position].sample_id,
            webp=_webp(self.dataset.read(position)),
        )


def _webp(image: Image.Image) -> bytes:
    small = image.copy()
    small.thumbnail((EDGE_PX, EDGE_PX), Image.Resampling.BICUBIC)
    encoded = io.BytesIO()
    small.save(encoded, "WEBP", quality=80, method=4)
    return encoded.getvalue()
