"""Intervals for proportions.

The formula is written out: importing statsmodels takes longer than a whole run from the cache. Tests hold it
against statsmodels.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.special import ndtri

from clipeval.errors import ScoringError


@dataclass(frozen=True, slots=True)
class Interval:
    """A confidence interval, ends included."""

    low: float
    high: float


def wilson_interval(successes: int, n: int, *, confidence: float = 0.95) -> Interval:
    """Return the Wilson score interval of one proportion; see wilson_intervals.

    Raises:
        ScoringError: n is zero, or as wilson_intervals.
    """
    (interval,) = wilson_intervals(np.array([successes]), np.array([n]), confidence=confidence)
    if interval is None:
        raise ScoringError("a proportion of 0 trials has no interval; expected n >= 1")
    return interval


def wilson_intervals(
    successes: npt.NDArray[np.int64], n: npt.NDArray[np.int64], *, confidence: float = 0.95
) -> tuple[Interval | None, ...]:
    """Return the Wilson score intervals of many proportions at once.

    Unlike the normal approximation it stays inside [0, 1] and keeps its width at 0 and 1. It holds
    for independent trials; images of one burst are not.

    Args:
        successes: (K,) counts, 0 <= successes <= n.
        n: (K,) numbers of trials.
        confidence: coverage of the two-sided interval, in (0, 1).
    Returns:
        K intervals that contain successes / n; None where n is zero.
    Raises:
        ScoringError: shapes differ, a count is out of range, or confidence is not in (0, 1).
    Source: Wilson, "Probable inference, the law of succession, and statistical inference",
        JASA 22 (1927) 209-212.
    """
    _check_counts(successes, n, confidence)
    intervals: list[Interval | None] = [None] * len(n)
    tried = np.flatnonzero(n)
    if not len(tried):
        return tuple(intervals)
    trials = n[tried]
    share = successes[tried] / trials
    low, high = wilson_ends(share, trials.astype(np.float64), confidence=confidence)
    for index, low_end, high_end in zip(tried.tolist(), low.tolist(), high.tolist(), strict=True):
        intervals[index] = Interval(low_end, high_end)
    return tuple(intervals)


def wilson_ends(
    share: npt.NDArray[np.float64], n: npt.NDArray[np.float64], *, confidence: float
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Return both ends of Wilson's interval, inside [0, 1] and around the share.

    Args:
        share: (K,) shares of successes.
        n: (K,) numbers of trials, above 0; not whole for effective ones.
        confidence: coverage of the two-sided interval, in (0, 1).
    Source: Wilson, JASA 22 (1927) 209-212.
    """
    z = -float(ndtri((1 - confidence) / 2))
    shrink = 1 + z * z / n
    centre = (share + z * z / (2 * n)) / shrink
    reach = z * np.sqrt(share * (1 - share) / n + z * z / (4 * n * n)) / shrink
    # At 0 and n successes one end equals the share; rounding must not push it to the other side.
    low = np.clip(np.minimum(centre - reach, share), 0, 1)
    return low, np.clip(np.maximum(centre + reach, share), 0, 1)


def _check_counts(
    successes: npt.NDArray[np.int64], n: npt.NDArray[np.int64], confidence: float
) -> None:
    if successes.shape != n.shape or n.ndim != 1:
        raise ScoringError(
            f"successes have shape {successes.shape} and trials {n.shape}; expected the same (K,)"
        )
    wrong = np.flatnonzero((successes < 0) | (successes > n))
    if len(wrong):
        raise ScoringError(
            f"{successes[wrong[0]]} successes in {n[wrong[0]]} trials; expected 0 <= successes <= n"
        )
    if not 0 < confidence < 1:
        raise ScoringError(f"confidence {confidence} is outside (0, 1); 0.95 is usual")
