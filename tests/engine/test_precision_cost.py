"""Cosines and flips beside an obvious reference."""

import math
from types import SimpleNamespace

import numpy as np
import pytest

from clipeval.engine.precision_cost import precision_cost, reference_of, sampled_indices
from clipeval.records import ImageEmbeddings


def unit(rows):
    rows = np.asarray(rows, dtype=np.float32)
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def images(embeddings, indices=None):
    n_images = len(embeddings)
    return ImageEmbeddings(
        embeddings=embeddings,
        indices=np.arange(n_images) if indices is None else np.asarray(indices),
        contents=("00",) * n_images,
        encode_s=0.0,
        n_encoded=n_images,
    )


def dataset(n_images):
    samples = [SimpleNamespace(sample_id=f"{i}.png") for i in range(n_images)]
    return SimpleNamespace(samples=samples)


def test_by_hand():
    before = unit([[1, 0], [0, 1], [1, 0]])
    after = unit([[1, 0], [0, 1], [1, math.sqrt(3)]])  # the last one turned by 60 degrees
    reference = reference_of(images(before), dataset(3), seconds=1.0)
    cost = precision_cost(reference, images(after), unit([[1, 0], [0, 1]]))
    assert cost.n_images == 3
    assert cost.cosine_min == pytest.approx(0.5)
    assert cost.cosine_mean == pytest.approx(2.5 / 3)
    assert cost.n_flips == 1


def test_is_what_a_loop_over_the_images_in_both_gives():
    rng = np.random.default_rng(0)
    before = unit(rng.normal(size=(200, 8)))
    kept = np.flatnonzero(rng.random(200) < 0.7)  # some could not be read
    after = unit(before + rng.normal(scale=0.3, size=before.shape))
    weights = unit(rng.normal(size=(5, 8)))
    reference = reference_of(images(before), dataset(200), seconds=0.0)
    cost = precision_cost(reference, images(after[kept], kept), weights)
    cosines, flips = [], 0
    for i in set(sampled_indices(dataset(200))) & set(kept.tolist()):
        cosines.append(sum(float(a) * float(b) for a, b in zip(before[i], after[i], strict=True)))
        best = [
            max(range(5), key=lambda c: float(rows[i] @ weights[c])) for rows in (before, after)
        ]
        flips += best[0] != best[1]
    assert (cost.n_images, cost.n_flips) == (len(cosines), flips)
    assert flips > 0
    assert cost.cosine_mean == pytest.approx(sum(cosines) / len(cosines))
    assert cost.cosine_min == pytest.approx(min(cosines))


def test_of_no_image_in_both_is_unknown():
    reference = reference_of(images(unit([[1, 0]])), dataset(1), seconds=0.0)
    assert precision_cost(reference, images(unit([[1, 0]]), [7]), unit([[1, 0]])) is None


def test_the_sample_depends_on_ids_alone():
    chosen = sampled_indices(dataset(1000))
    assert len(chosen) == 64
    assert list(chosen) == sorted(set(chosen))
    backwards = SimpleNamespace(samples=dataset(1000).samples[::-1])
    assert {999 - i for i in sampled_indices(backwards)} == set(chosen)
