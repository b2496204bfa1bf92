"""Whether probabilities mean what they say: reliability bins, ECE, NLL, Brier score."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from clipeval.errors import ScoringError
from clipeval.metrics._arrays import check_terms
from clipeval.records import CalibrationBin
from clipeval.records.results import FloatArray

N_BINS = 15
"""Bins of equal width over (0, 1]. Source: Guo et al. 2017, section 4 (M = 15)."""


def calibration_bins(
    confidence: FloatArray, correct: npt.NDArray[np.bool_], *, n_bins: int = N_BINS
) -> tuple[CalibrationBin, ...]:
    """Sort images by confidence into bins of equal width, and measure each bin's accuracy.

    Args:
        confidence: (N,) softmax probability of the predicted class, in (0, 1].
        correct: (N,) whether the prediction is right.
        n_bins: how many bins (low, high] share (0, 1].
    Returns:
        n_bins bins, lowest first; empty ones have neither confidence nor accuracy.
    Raises:
        ScoringError: N is zero, shapes differ, or a confidence is outside (0, 1].
    Source: Guo et al., "On Calibration of Modern Neural Networks", ICML 2017, section 2.
    """
    check_terms("confidences", confidence)
    if correct.shape != confidence.shape:
        raise ScoringError(f"{len(correct)} outcomes for {len(confidence)} confidences")
    wrong = np.flatnonzero((confidence <= 0) | (confidence > 1))
    if len(wrong):
        raise ScoringError(f"confidences[{wrong[0]}] is {confidence[wrong[0]]}; expected (0, 1]")
    edges = np.arange(n_bins + 1) / n_bins
    bins = np.digitize(confidence.astype(np.float64), edges, right=True) - 1
    n_images = np.bincount(bins, minlength=n_bins).tolist()
    confidences = np.bincount(bins, weights=confidence, minlength=n_bins).tolist()
    hits = np.bincount(bins, weights=correct, minlength=n_bins).tolist()
    return tuple(
        CalibrationBin(
            low=float(edges[i]),
            high=float(edges[i + 1]),
            n_images=n_images[i],
            confidence=confidences[i] / n_images[i] if n_images[i] else None,
            accuracy=hits[i] / n_images[i] if n_images[i] else None,
        )
        for i in range(n_bins)
    )


def expected_calibration_error(bins: Sequence[CalibrationBin]) -> float:
    """Average the gap between accuracy and confidence over bins, weighted by their images.

    Returns:
        In [0, 1]; 0 is perfect.
    Raises:
        ScoringError: the bins hold no images.
    Source: Guo et al. 2017, equation 3.
    """
    n_images = sum(one.n_images for one in bins)
    if not n_images:
        raise ScoringError("the calibration bins hold no images; there is no error to average")
    gaps = (
        one.n_images * abs(one.accuracy - one.confidence)
        for one in bins
        if one.accuracy is not None and one.confidence is not None
    )
    return sum(gaps) / n_images


def mean_nll(terms: npt.NDArray[np.float64]) -> float:
    """Average -log softmax at the true class (natural logarithm), over (N,) terms; 0 is perfect.

    Raises:
        ScoringError: N is zero, or a term is not finite.
    """
    check_terms("NLL terms", terms)
    return float(np.mean(terms))


def mean_brier(terms: npt.NDArray[np.float64]) -> float:
    """Average the squared error of the whole probability vector, over (N,) terms.

    Returns:
        In [0, 2]: the sum over all classes, twice the two-class form that some libraries use.
    Raises:
        ScoringError: N is zero, or a term is not finite.
    Source: Brier, "Verification of forecasts expressed in terms of probability", 1950.
    """
    check_terms("Brier terms", terms)
    return float(np.mean(terms))
