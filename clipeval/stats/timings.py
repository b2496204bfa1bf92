"""What repeated timings say: quantiles, as far as there are samples to state them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import lru_cache

import numpy as np
import numpy.typing as npt
from scipy.stats import binom, mannwhitneyu

from clipeval.records.latency import LatencySummary

CONFIDENCE = 0.95
STATED = (0.90, 0.95, 0.99)
"""High quantiles that a profile names."""
MAX_CHANCE_OF_FEW_BEYOND = 0.01
"""A quantile is stated if fewer than two samples lie beyond it with at most this chance: then it is not
simply the slowest call that was seen."""
DRIFT_SHARE = 0.02
DRIFT_P = 0.001
MIN_DRIFTING = 10
"""Fewer calls cannot tell a drift from chance."""
Samples = npt.NDArray[np.float64]


def summarize_timings(samples: Sequence[float]) -> LatencySummary:
    """Summarize timings.

    Args:
        samples: (N,) seconds of one kind of call, N > 0, in any order.
    Raises:
        ValueError: there are none, or one is not finite.
    """
    ordered = np.sort(np.asarray(samples, dtype=np.float64))
    if not ordered.size or not np.isfinite(ordered).all():
        raise ValueError(
            f"timings have to be finite numbers, at least one; got {list(samples)[:5]}"
        )
    interval = median_interval(ordered)
    q1, median, q3 = (float(value) for value in np.quantile(ordered, (0.25, 0.5, 0.75)))
    p90, p95, p99 = (stated_quantile(ordered, quantile) for quantile in STATED)
    return LatencySummary(
        n=ordered.size,
        median_s=median,
        low_s=interval and interval[0],
        high_s=interval and interval[1],
        q1_s=q1,
        q3_s=q3,
        p90_s=p90,
        p95_s=p95,
        p99_s=p99,
    )


def median_interval(ordered: Samples) -> tuple[float, float] | None:
    """Return the order statistics that hold the median with at least 95% confidence.

    Args:
        ordered: (N,) ascending.
    Returns:
        None if N is too small for any pair (below six).
    Source: David and Nagaraja, Order Statistics, section 7.1.
    """
    n = len(ordered)
    # The largest rank r (from 1) with P(fewer than r samples below the median) <= 2.5%.
    rank = int(binom.ppf((1 - CONFIDENCE) / 2, n, 0.5))
    if binom.cdf(rank, n, 0.5) <= (1 - CONFIDENCE) / 2:
        rank += 1
    if rank < 1:
        return None
    return float(ordered[rank - 1]), float(ordered[n - rank])


def stated_quantile(ordered: Samples, quantile: float) -> float | None:
    """Return a quantile if there are enough samples to state it.

    Args:
        ordered: (N,) ascending.
        quantile: between 0.5 and 1.
    """
    if len(ordered) < least_samples(quantile):
        return None
    return float(np.quantile(ordered, quantile))


@lru_cache
def least_samples(quantile: float) -> int:
    """Return how many samples a quantile needs: 64 for 0.90, 130 for 0.95, 662 for 0.99."""
    beyond = 1 - quantile
    n = math.ceil(1 / beyond)
    while binom.cdf(1, n, beyond) > MAX_CHANCE_OF_FEW_BEYOND:
        n += 1
    return n


def drift(samples: Sequence[float]) -> float | None:
    """Return by what share the second half of timings is slower than the first, if they drift.

    Args:
        samples: (N,) in the order in which they were taken.
    Returns:
        For instance 0.05; negative if they get faster; None if the medians of the halves differ by 2% at
        most, or no more than chance would have it (Mann-Whitney, p above 0.001; of 10 to 13 calls, which
        cannot show that, any overlap of the halves), or there are fewer than 10.
    """
    taken = np.asarray(samples, dtype=np.float64)
    first, second = taken[: len(taken) // 2], taken[(len(taken) + 1) // 2 :]
    if len(taken) < MIN_DRIFTING or not np.median(first):
        return None
    share = float(np.median(second) / np.median(first)) - 1
    if abs(share) <= DRIFT_SHARE:
        return None
    n_orders = math.comb(2 * len(first), len(first))
    least_p = 2 / n_orders  # that of halves without overlap
    p = mannwhitneyu(first, second).pvalue
    return share if p <= max(DRIFT_P, least_p) or math.isclose(p, least_p) else None
