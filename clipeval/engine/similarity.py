"""A few images beside a few classes: what CLIP's own figure shows, of the data set at hand."""

from __future__ import annotations

import numpy as np

from clipeval.engine.scored_cell import ScoredCell
from clipeval.records import SimilaritySample

MAX_SIMILAR_CLASSES = 12
"""As many as a figure holds whose numbers can be read."""


def sampled_positions(scored: ScoredCell) -> list[int]:
    """Return the positions in a cell's scores of the first image of each of a few classes.

    Which ones depends on the labels alone, so that all templates and models show the same images.
    """
    classes, first = np.unique(scored.labels, return_index=True)
    n_shown = min(len(classes), MAX_SIMILAR_CLASSES)
    evenly = np.linspace(0, len(classes) - 1, n_shown).round().astype(np.int64)
    return [int(i) for i in first[evenly]]


def similarity_sample(scored: ScoredCell) -> SimilaritySample:
    """Measure how alike a few images and the prompts of their classes are."""
    positions = sampled_positions(scored)
    classes = scored.labels[positions]
    cosines = scored.images.embeddings[positions] @ scored.weights[classes].T
    return SimilaritySample(
        classes=tuple(classes.tolist()),
        sample_ids=tuple(scored.samples[i].sample_id for i in positions),
        cosines=tuple(tuple(row) for row in cosines.tolist()),
    )
