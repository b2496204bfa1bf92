"""Intervals for proportions."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from statsmodels.stats.proportion import proportion_confint

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
        JASA 22 (1927) 209-212; statsmodels' proportion_confint(method="wilson").
    """
    _check_counts(successes, n, confidence)
    intervals: list[Interval | None] = [None] * len(n)
    tried = np.flatnonzero(n)
    if not len(tried):
        return tuple(intervals)
    trials = n[tried]
    share = successes[tried] / trials
    low, high = proportion_confint(successes[tried], trials, alpha=1 - confidence, method="wilson")
    # At 0 and n successes one end equals the share; rounding must not push it to the other side.
    low = np.clip(np.minimum(low, share), 0, 1)
    high = np.clip(np.maximum(high, share), 0, 1)
    for index, low_end, high_end in zip(tried.tolist(), low.tolist(), high.tolist(), strict=True):
        intervals[index] = Interval(low_end, high_end)
    return tuple(intervals)


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
