"""The same weights and prompts again: is what differs no more than numerics?"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from clipeval.comparison.pairing import PairedCells
from clipeval.records import CellOutcomes, EmbeddingSketch, Reproduction
from clipeval.records.results import FloatArray

FLOORS = {"fp32": 1e-5, "bf16": 3e-2, "fp16": 4e-3, "int8": 3e-2}
"""Root mean square distance of unit embeddings that batch size, threads and hardware explain.

Source: docs/design/003-numeric-floor.md, measured by benchmarks/numeric_floor.py; int8 as bf16, not
measured: it is rounded by the range of each batch, and so moves with the batch.
"""
N_SKETCHED = 32
N_DIRECTIONS = 8
_SIGNIFICANT = 9
"""Decimal digits that tell any two float32 apart."""
_ROUNDING_OF_SCORES = 1e-6
"""What float32 scores add to a gap by themselves."""
_WITHOUT_SKETCH = 3
"""Floors by which a gap may have moved where the drift itself is not known."""


def is_reproduction(base: CellOutcomes, candidate: CellOutcomes) -> bool:
    """Say whether both are the same model and prompts, so that they ought to agree exactly."""
    then, now = base.model, candidate.model
    return (
        then.weights_sha256 == now.weights_sha256
        and then.config_sha256 == now.config_sha256
        and then.tokenizer_sha256 == now.tokenizer_sha256
        and then.preprocessing_sha256 == now.preprocessing_sha256
        and base.prompts_sha256 == candidate.prompts_sha256
        and base.precision == candidate.precision
        and base.backend == candidate.backend
    )


def reproduction_of(paired: PairedCells) -> Reproduction:
    """Measure how far the candidate is from repeating the base."""
    base, candidate = paired.base, paired.candidate
    floor = FLOORS[candidate.precision]
    changed = base.predicted != candidate.predicted
    unexplained = changed
    image_drift, text_drift = None, None
    if base.sketch is not None and candidate.sketch is not None:
        image_drift = _drift(base.sketch.image, candidate.sketch.image)
        text_drift = _drift(base.sketch.text, candidate.sketch.text)
    gaps = [gap for gap in (base.score_gap, candidate.score_gap) if gap is not None]
    if gaps:
        tie = _largest_move(image_drift, text_drift, floor)
        # Not `>`: a gap that is no number explains nothing.
        unexplained = changed & ~(np.max(gaps, axis=0) <= tie)
    known = [drift for drift in (image_drift, text_drift) if drift is not None]
    n_unexplained = int(np.count_nonzero(unexplained))
    return Reproduction(
        n_changed=int(np.count_nonzero(changed)),
        n_unexplained=n_unexplained,
        image_drift=image_drift,
        text_drift=text_drift,
        floor=floor,
        is_within=n_unexplained == 0 and all(drift <= floor for drift in known),
        is_cached=candidate.is_cached,
    )


def sketch_embeddings(
    image_embeddings: FloatArray,
    sample_ids: Sequence[str],
    class_weights: FloatArray,
    class_keys: Sequence[str],
) -> EmbeddingSketch:
    """Project a few embeddings to a few numbers each.

    Args:
        image_embeddings: (N, D) unit rows.
        sample_ids: N ids; which images are taken depends on these alone.
        class_weights: (C, D) unit rows.
        class_keys: C keys.
    """
    return EmbeddingSketch(
        image=_sketch(image_embeddings, sample_ids), text=_sketch(class_weights, class_keys)
    )


def _largest_move(image_drift: float | None, text_drift: float | None, floor: float) -> float:
    """Return how far the gap between two cosines can have moved by the drift that was measured.

    The gap i . (t - u) moves by at most |di| |t - u| + |dt| + |du|; two texts are taken as at most 1 apart.
    """
    if image_drift is None or text_drift is None:
        return _WITHOUT_SKETCH * floor + _ROUNDING_OF_SCORES
    return image_drift + 2 * text_drift + _ROUNDING_OF_SCORES


def _sketch(embeddings: FloatArray, names: Sequence[str]) -> tuple[tuple[float, ...], ...]:
    hashes = [hashlib.sha256(name.encode("utf-8", "surrogateescape")).digest() for name in names]
    chosen = sorted(range(len(names)), key=hashes.__getitem__)[:N_SKETCHED]
    # In float64, so that the projection adds no rounding of its own.
    projected = embeddings[chosen].astype(np.float64) @ _directions(embeddings.shape[1])
    return tuple(
        tuple(float(f"{number:.{_SIGNIFICANT}g}") for number in row) for row in projected.tolist()
    )


def _directions(dim: int) -> npt.NDArray[np.float64]:
    """Return (D, N_DIRECTIONS) random signs, the same with every version of every library."""
    n_signs = dim * N_DIRECTIONS
    drawn = hashlib.shake_256(b"clipeval embedding sketch").digest(math.ceil(n_signs / 8))
    bits = np.unpackbits(np.frombuffer(drawn, dtype=np.uint8))[:n_signs]
    signs = 2.0 * bits.astype(np.float64) - 1.0
    return signs.reshape(dim, N_DIRECTIONS) / math.sqrt(N_DIRECTIONS)


def _drift(then: Sequence[Sequence[float]], now: Sequence[Sequence[float]]) -> float | None:
    before, after = np.asarray(then), np.asarray(now)
    if before.shape != after.shape or not before.size:
        return None
    return float(np.sqrt(np.mean(np.sum((after - before) ** 2, axis=1))))
