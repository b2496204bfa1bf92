"""Zero-shot scores: embeddings in, ranked classes and per-image terms out."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from clipeval.errors import ScoringError
from clipeval.records.results import FloatArray, IntArray

TOP = 5
"""Best classes kept per image."""
_BLOCK_ENTRIES = 2**20
"""Scores alive at once; with float64 probabilities beside them about 13 MB, whatever N is."""
_MOST_ENTRIES = 2**22
"""Where there are so many classes that `_BLOCK_ENTRIES` would make blocks too low for a fast product."""
_BLOCK_IMAGES = (256, 2048)
"""Fewest and most images multiplied at once, within the limits above."""
_MIN_NORM = 1e-6
"""A mean of unit vectors shorter than this is rounding, not a direction."""
_N_NAMED = 10


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Scores:
    """What the scores say about each image; arrays are aligned on their first axis."""

    predicted: IntArray
    """(N,) int64 class with the highest logit; the lowest index among equals."""
    confidence: FloatArray
    """(N,) softmax probability of the predicted class, in (0, 1]."""
    top5: IntArray
    """(N, min(5, C)) int64 class indices, best first, the lowest index first among equals."""
    top5_scores: FloatArray
    """(N, min(5, C)) logits, aligned with top5."""
    nll_terms: npt.NDArray[np.float64]
    """(N,) -log softmax at the label, natural logarithm, >= 0."""
    brier_terms: npt.NDArray[np.float64]
    """(N,) sum over classes of (probability - one-hot label) squared, in [0, 2]."""


def class_weights(prompt_embeddings: FloatArray, prompts_per_class: Sequence[int]) -> FloatArray:
    """Average the prompts of each class: L2 normalise, mean, L2 normalise.

    Args:
        prompt_embeddings: (P, D) float32, class by class; need not be of unit length.
        prompts_per_class: C counts >= 1 that add up to P.
    Returns:
        (C, D) float32 unit rows.
    Raises:
        ScoringError: shapes do not fit, a number is not finite, a prompt embedding is zero, or the
            prompts of a class cancel out.
    Source: Radford et al. 2021, section 3.1.4; open_clip's build_zero_shot_classifier.
    """
    _check_prompts(prompt_embeddings, prompts_per_class)
    weights = np.empty((len(prompts_per_class), prompt_embeddings.shape[1]), dtype=np.float32)
    start = 0
    for index, n_prompts in enumerate(prompts_per_class):
        # float64, so that a mean over hundreds of prompts does not depend on their order.
        prompts = prompt_embeddings[start : start + n_prompts].astype(np.float64)
        norms = np.linalg.norm(prompts, axis=1, keepdims=True)
        if not norms.all():
            prompt = start + int(np.argmin(norms))
            raise ScoringError(
                f"prompt {prompt} (of class {index}) has an embedding of length zero; "
                "it has no direction to compare images with"
            )
        mean = (prompts / norms).mean(axis=0)
        norm = float(np.linalg.norm(mean))
        if norm < _MIN_NORM:
            raise ScoringError(
                f"the {n_prompts} prompt embeddings of class {index} cancel out (mean of length "
                f"{norm:.1e}); check the weights of the text tower"
            )
        weights[index] = mean / norm
        start += n_prompts
    return weights


def score_images(
    image_embeddings: FloatArray,
    class_weights: FloatArray,
    labels: Sequence[int] | IntArray,
    *,
    logit_scale: float,
    sample_ids: Sequence[str],
) -> Scores:
    """Rank the classes for each image: logits = logit_scale * image . text, in float32.

    Images are taken in blocks whose size depends on C alone, so that memory does not grow with N and
    what is said of an image depends on no other image, but for rounding: some processors' BLAS rounds the
    rows of one block differently.

    Args:
        image_embeddings: (N, D) float32, memory-mapped or not; unit rows for cosine similarity, which
            is not checked.
        class_weights: (C, D) float32; likewise.
        labels: (N,) true class indices.
        logit_scale: > 0; the model's own, exp of the learned parameter.
        sample_ids: N names of the images, for errors.
    Raises:
        ScoringError: shapes do not fit, N is zero, a label is out of range, or a number is not
            finite; images are named.
    """
    label_array = _check_inputs(image_embeddings, class_weights, labels, sample_ids)
    _check_scale(logit_scale)
    n_images, n_classes = len(image_embeddings), len(class_weights)
    n_rows = _block_images(n_classes)
    scores = _empty_scores(n_images, n_classes)
    logits = np.empty((n_rows, n_classes), dtype=np.float32)
    probabilities = np.empty((n_rows, n_classes), dtype=np.float64)
    bad: list[int] = []
    for start in range(0, n_images, n_rows):
        block = slice(start, min(start + n_rows, n_images))
        n = block.stop - start
        images = _filled_up(image_embeddings[block], n_rows)
        # Overflow and NaN are looked for in the result, where the images can be named.
        with np.errstate(over="ignore", invalid="ignore"):
            np.matmul(images, class_weights.T, out=logits)
            logits *= np.float32(logit_scale)
        finite = np.isfinite(logits[:n]).all(axis=1)
        if finite.all() and not bad:
            _score_block(logits[:n], probabilities[:n], label_array[block], scores, block)
        else:
            bad.extend((start + np.flatnonzero(~finite)).tolist())
    if bad:
        raise ScoringError(_not_finite(bad, sample_ids))
    return scores


def _block_images(n_classes: int) -> int:
    fewest, most = _BLOCK_IMAGES
    rows = min(max(_BLOCK_ENTRIES // n_classes, fewest), most, _MOST_ENTRIES // n_classes)
    return max(1, rows)


def _filled_up(images: FloatArray, n_rows: int) -> FloatArray:
    """Return a block of the size of all others: BLAS rounds small products differently."""
    if len(images) == n_rows:
        return images
    filled = np.zeros((n_rows, images.shape[1]), dtype=np.float32)
    filled[: len(images)] = images
    return filled


def _score_block(
    logits: FloatArray,
    probabilities: npt.NDArray[np.float64],
    labels: IntArray,
    scores: Scores,
    block: slice,
) -> None:
    """Fill the rows `block` of `scores`; uses up `logits`, and overwrites `probabilities`."""
    images = np.arange(len(logits))
    np.copyto(probabilities, logits)
    probabilities -= logits.max(axis=1, keepdims=True)
    at_label = probabilities[images, labels]
    np.exp(probabilities, out=probabilities)
    total = probabilities.sum(axis=1)
    probabilities /= total[:, None]
    scores.nll_terms[block] = np.log(total) - at_label
    # The best class has exp(0) before division.
    scores.confidence[block] = 1 / total
    probabilities[images, labels] -= 1
    scores.brier_terms[block] = np.einsum("nc,nc->n", probabilities, probabilities)
    # argmax returns the first of equals; partitioning would leave ties to chance.
    for rank in range(scores.top5.shape[1]):
        best = logits.argmax(axis=1)
        scores.top5[block, rank] = best
        scores.top5_scores[block, rank] = logits[images, best]
        logits[images, best] = -np.inf
    scores.predicted[block] = scores.top5[block, 0]


def _empty_scores(n_images: int, n_classes: int) -> Scores:
    kept = min(TOP, n_classes)
    return Scores(
        predicted=np.empty(n_images, dtype=np.int64),
        confidence=np.empty(n_images, dtype=np.float32),
        top5=np.empty((n_images, kept), dtype=np.int64),
        top5_scores=np.empty((n_images, kept), dtype=np.float32),
        nll_terms=np.empty(n_images, dtype=np.float64),
        brier_terms=np.empty(n_images, dtype=np.float64),
    )


def _check_matrix(name: str, matrix: FloatArray) -> None:
    if matrix.ndim != 2 or matrix.dtype != np.float32:  # noqa: PLR2004 (a matrix)
        raise ScoringError(
            f"{name} have shape {matrix.shape} and type {matrix.dtype}; expected 2-D float32"
        )


def _check_prompts(prompt_embeddings: FloatArray, prompts_per_class: Sequence[int]) -> None:
    _check_matrix("prompt embeddings", prompt_embeddings)
    n_prompts = len(prompt_embeddings)
    if not len(prompts_per_class):
        raise ScoringError("there are no classes to make weights for")
    for index, count in enumerate(prompts_per_class):
        if count < 1:
            raise ScoringError(f"class {index} has {count} prompts; expected at least one")
    if sum(prompts_per_class) != n_prompts:
        raise ScoringError(
            f"{n_prompts} prompt embeddings for {sum(prompts_per_class)} prompts "
            f"of {len(prompts_per_class)} classes"
        )
    bad = np.flatnonzero(~np.isfinite(prompt_embeddings).all(axis=1)).tolist()
    if bad:
        named = ", ".join(map(str, bad[:_N_NAMED]))
        raise ScoringError(
            f"the embeddings of {len(bad)} of {n_prompts} prompts are not finite: prompts {named}"
            f"{', ...' if len(bad) > _N_NAMED else ''}; try --precision fp32 or other weights"
        )


def _check_inputs(
    image_embeddings: FloatArray,
    class_weights: FloatArray,
    labels: Sequence[int] | IntArray,
    sample_ids: Sequence[str],
) -> IntArray:
    """Return the labels as (N,) int64 if everything fits together."""
    _check_matrix("image embeddings", image_embeddings)
    _check_matrix("class weights", class_weights)
    n_images, n_classes = len(image_embeddings), len(class_weights)
    if not n_images or not n_classes:
        raise ScoringError(
            f"{n_images} images and {n_classes} classes; expected at least 1 of each"
        )
    if image_embeddings.shape[1] != class_weights.shape[1]:
        raise ScoringError(
            f"image embeddings have {image_embeddings.shape[1]} dimensions and class weights "
            f"{class_weights.shape[1]}; they are not from the same model"
        )
    if len(labels) != n_images or len(sample_ids) != n_images:
        raise ScoringError(
            f"{n_images} image embeddings, {len(labels)} labels and {len(sample_ids)} sample ids; "
            "expected the same number of each"
        )
    bad = np.flatnonzero(~np.isfinite(class_weights).all(axis=1)).tolist()
    if bad:
        raise ScoringError(
            f"the weights of class {bad[0]} are not finite ({len(bad)} such classes)"
        )
    return _check_labels(np.asarray(labels), n_classes, sample_ids)


def _check_labels(labels: IntArray, n_classes: int, sample_ids: Sequence[str]) -> IntArray:
    if labels.ndim != 1 or not np.issubdtype(labels.dtype, np.integer):
        raise ScoringError(
            f"labels have shape {labels.shape} and type {labels.dtype}; expected (N,) integers"
        )
    wrong = np.flatnonzero((labels < 0) | (labels >= n_classes))
    if len(wrong):
        raise ScoringError(
            f"label {labels[wrong[0]]} of image '{sample_ids[wrong[0]]}' is out of range; "
            f"expected 0 <= label < {n_classes}"
        )
    return labels.astype(np.int64, copy=False)


def _check_scale(logit_scale: float) -> None:
    if not math.isfinite(logit_scale) or logit_scale <= 0:
        raise ScoringError(
            f"logit_scale is {logit_scale}; expected a positive finite number, "
            "exp of the model's learned parameter"
        )


def _not_finite(bad: Sequence[int], sample_ids: Sequence[str]) -> str:
    named = ", ".join(f"'{sample_ids[index]}'" for index in bad[:_N_NAMED])
    more = f" and {len(bad) - _N_NAMED} more" if len(bad) > _N_NAMED else ""
    return (
        f"the scores of {len(bad)} of {len(sample_ids)} images are not finite: {named}{more}; "
        "half precision may have overflowed (try --precision fp32), or the weights are broken"
    )
