"""What a precision or a backend changes, measured on a few images beside fp32 on torch."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import numpy as np

from clipeval.datasets import ImageDataset
from clipeval.records import ImageEmbeddings, Notice, PrecisionCost
from clipeval.records.results import FloatArray, IntArray

MIN_SAMPLED, MAX_SAMPLED = 16, 64
SAMPLED_SHARE = 8
"""One in so many images, between these bounds: in fp32 it costs a small data set's run little."""


@dataclass(frozen=True, slots=True)
class Reference:
    """Embeddings of a few images of a data set in fp32 on torch."""

    indices: IntArray
    """(K,) positions in the data set's samples, ascending."""
    embeddings: FloatArray
    """(K, D) unit rows."""
    seconds: float
    """What it took to get them, loading the model included."""
    notices: tuple[Notice, ...] = ()
    """Why there are none, if there are none."""


def sampled_indices(dataset: ImageDataset) -> tuple[int, ...]:
    """Return 16 to 64 positions of a data set (or all), ascending, chosen by a hash of the samples' ids."""
    wanted = min(MAX_SAMPLED, max(MIN_SAMPLED, len(dataset.samples) // SAMPLED_SHARE))
    hashes = [
        hashlib.sha256(sample.sample_id.encode("utf-8", "surrogateescape")).digest()
        for sample in dataset.samples
    ]
    return tuple(sorted(sorted(range(len(hashes)), key=hashes.__getitem__)[:wanted]))


def reference_of(images: ImageEmbeddings, dataset: ImageDataset, *, seconds: float) -> Reference:
    """Take the sampled images out of embeddings of a data set in fp32 on torch."""
    chosen = np.isin(images.indices, sampled_indices(dataset))
    return Reference(images.indices[chosen], images.embeddings[chosen], seconds)


def precision_cost(
    reference: Reference, images: ImageEmbeddings, weights: FloatArray
) -> PrecisionCost | None:
    """Compare embeddings with the reference.

    Args:
        reference: of the same data set and model.
        images: in the precision and backend that are asked about.
        weights: (C, D) unit class weights.
    Returns:
        None if no image is in both.
    """
    _, then, now = np.intersect1d(
        reference.indices, images.indices, assume_unique=True, return_indices=True
    )
    if not then.size:
        return None
    before, after = reference.embeddings[then], images.embeddings[now]
    # In float64: cosines of backends that agree differ from 1 by less than float32 can tell.
    cosines = np.einsum("nd,nd->n", before.astype(np.float64), after.astype(np.float64))
    flips = (before @ weights.T).argmax(axis=1) != (after @ weights.T).argmax(axis=1)
    return PrecisionCost(
        n_images=len(cosines),
        cosine_mean=float(cosines.mean()),
        cosine_min=float(cosines.min()),
        n_flips=int(np.count_nonzero(flips)),
    )
