"""How much slower: ratios of timings that were taken in pairs, and what may be said of them."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from scipy.stats import bootstrap

from clipeval.stats.timings import median_interval

CONFIDENCE = 0.95
N_RESAMPLES = 9_999
MIN_PROCESSES = 40
"""Fewer do not show how far 95% of them reach: between the least and the greatest of K lies one more with a
chance of (K - 1) / (K + 1)."""
ROOM = 2.0
"""By how much a margin has to exceed what is found, where the timings are in doubt."""
MIN_BLOCKS = 6
"""Fewer blocks cannot tell a slowdown from chance at 5%: 2 x (1/2)^6 = 3%."""
RatioVerdict = Literal["pass", "fail", "inconclusive"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Ratio:
    """How long B takes, as a multiple of A."""

    value: float
    """Median over blocks."""
    low: float
    high: float
    """95% interval: the wider of a bootstrap's and of order statistics, which a few blocks bound."""
    n_blocks: int
    doubt: str = ""
    """What speaks against the timings, such as `3 of 32 processes never became steady`; empty if nothing."""
    is_doubtful: bool = False
    """Whether that goes for at least half of those of either side."""


def abba_log_ratio(first_a: float, first_b: float, second_b: float, second_a: float) -> float:
    """Return the log of B / A of one block in the order A, B, B, A.

    A drift that is linear in time cancels. Source: counterbalancing, as in crossover trials.
    """
    return (math.log(first_b) + math.log(second_b) - math.log(first_a) - math.log(second_a)) / 2


def ratio_of_blocks(log_ratios: Sequence[float], *, seed: int = 0) -> Ratio:
    """Summarize the blocks of a comparison.

    Args:
        log_ratios: (K,) one a block, K at least MIN_BLOCKS.
        seed: of the bootstrap.
    Raises:
        ValueError: there are fewer blocks.
    """
    blocks = np.sort(np.asarray(log_ratios, dtype=np.float64))
    if len(blocks) < MIN_BLOCKS:
        raise ValueError(f"{len(blocks)} blocks; expected at least {MIN_BLOCKS}")
    found = bootstrap(
        (blocks,),
        np.median,
        confidence_level=CONFIDENCE,
        n_resamples=N_RESAMPLES,
        method="percentile",
        rng=np.random.default_rng(seed),
    ).confidence_interval
    from_ranks = median_interval(blocks)
    assert from_ranks is not None
    low, high = min(found.low, from_ranks[0]), max(found.high, from_ranks[1])
    return Ratio(
        value=math.exp(float(np.median(blocks))),
        low=math.exp(low),
        high=math.exp(high),
        n_blocks=len(blocks),
    )


def ratio_to_one_process(before: float, processes: Sequence[float]) -> Ratio:
    """Compare the median of one process, measured some time ago, with those of several processes now.

    What one process comes to differs from the next. The one of then is a draw from as wide a distribution as
    that of now: the interval reaches as far as 95% of the processes of now do, and does not shrink with their
    number.

    Args:
        before: median of the calls of one process of A.
        processes: (K,) medians of the calls of K processes of B, at least MIN_PROCESSES.
    Raises:
        ValueError: there are fewer.
    """
    if len(processes) < MIN_PROCESSES:
        raise ValueError(f"{len(processes)} processes; expected at least {MIN_PROCESSES}")
    logs = np.sort(np.log(np.asarray(processes, dtype=np.float64))) - math.log(before)
    # A prediction interval: so many of the K + 1 gaps that K processes leave lie beyond either end.
    n_beyond = int((1 - CONFIDENCE) / 2 * (len(logs) + 1)) - 1
    return Ratio(
        value=math.exp(float(np.median(logs))),
        low=math.exp(float(logs[n_beyond])),
        high=math.exp(float(logs[-1 - n_beyond])),
        n_blocks=0,
    )


def process_noise(processes: Sequence[float]) -> float:
    """Return by what share single processes of one model differ from their median at most, as above."""
    ratio = ratio_to_one_process(statistics.median(processes), processes)
    return noise_floor(ratio)


def noise_floor(aa: Ratio) -> float:
    """Return the smallest margin that an A/A comparison leaves room for: its interval's far end."""
    return max(aa.high, 1 / aa.low) - 1


def ratio_verdict(ratio: Ratio, *, margin: float) -> RatioVerdict:
    """Say whether B is at most `margin` slower: pass, fail, or inconclusive.

    Args:
        ratio: of B to A; one that is doubtful passes only where it keeps half of the margin.
        margin: tolerated slowdown, such as 0.10.
    """
    if ratio.high <= 1 + (margin / ROOM if ratio.is_doubtful else margin):
        return "pass"
    return "fail" if ratio.low > 1 + margin else "inconclusive"
