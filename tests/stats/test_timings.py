"""Quantiles of timings, beside simulation and beside counting by hand."""

import itertools
import math

import numpy as np
import pytest
from scipy.stats import binom

from clipeval.stats.timings import (
    drift,
    least_samples,
    median_interval,
    stated_quantile,
    summarize_timings,
)


class TestMedianInterval:
    @pytest.mark.parametrize(
        ("n", "ranks"),
        # Worked out by summing binomial probabilities; n = 6: P(all six on one side) = 2 / 64 = 3.1%.
        [(6, (1, 6)), (10, (2, 9)), (20, (6, 15)), (64, (24, 41)), (100, (40, 61))],
    )
    def test_is_a_pair_of_order_statistics(self, n, ranks):
        ordered = np.arange(1.0, n + 1)
        assert median_interval(ordered) == ranks
        rank = ranks[0]
        assert binom.cdf(rank - 1, n, 0.5) <= 0.025 < binom.cdf(rank, n, 0.5)

    @pytest.mark.parametrize("n", [1, 2, 5])
    def test_needs_six_samples(self, n):
        assert median_interval(np.arange(1.0, n + 1)) is None

    def test_holds_the_median_as_often_as_it_says_whatever_the_tails(self):
        random = np.random.default_rng(0)
        true = 1.0  # of a lognormal with mu = 0
        hits = []
        for _ in range(4000):
            low, high = median_interval(np.sort(random.lognormal(0, 1.5, 31)))
            hits.append(low <= true <= high)
        assert 0.95 <= np.mean(hits) <= 0.99


class TestStatedQuantiles:
    @pytest.mark.parametrize(("quantile", "n"), [(0.90, 64), (0.95, 130), (0.99, 662)])
    def test_need_so_many_samples(self, quantile, n):
        assert least_samples(quantile) == n

        def few_beyond(n_samples):
            beyond = 1 - quantile
            return quantile**n_samples + n_samples * beyond * quantile ** (n_samples - 1)

        assert few_beyond(n) <= 0.01 < few_beyond(n - 1)

    def test_are_left_out_below(self):
        assert stated_quantile(np.arange(63.0), 0.9) is None
        assert stated_quantile(np.arange(64.0), 0.9) == pytest.approx(56.7)


class TestSummary:
    def test_of_samples_in_any_order(self):
        summary = summarize_timings([3.0, 1.0, 2.0, 5.0, 4.0, 6.0, 7.0])
        assert (summary.n, summary.median_s, summary.q1_s, summary.q3_s) == (7, 4, 2.5, 5.5)
        assert (summary.low_s, summary.high_s) == (1, 7)
        assert (summary.p90_s, summary.p95_s, summary.p99_s) == (None, None, None)

    def test_of_many_states_all(self):
        summary = summarize_timings(np.arange(1000.0))
        assert summary.p90_s == pytest.approx(899.1)
        assert summary.p99_s == pytest.approx(989.01)

    @pytest.mark.parametrize("samples", [[], [1.0, math.nan], [math.inf]])
    def test_refuses_what_is_no_timing(self, samples):
        with pytest.raises(ValueError, match="finite numbers, at least one"):
            summarize_timings(samples)


class TestDrift:
    def test_is_found_and_has_a_sign(self):
        slower = [1 + 0.004 * i for i in range(64)]
        assert drift(slower) == pytest.approx(0.121, abs=0.005)
        assert drift(slower[::-1]) == pytest.approx(-0.108, abs=0.005)

    def test_a_step_is_a_drift(self):
        assert drift([1.0, 1.01] * 16 + [1.2, 1.21] * 16) == pytest.approx(0.19, abs=0.01)

    def test_small_or_by_chance_is_none(self):
        assert drift([1.0, 1.001] * 16 + [1.01, 1.011] * 16) is None
        random = np.random.default_rng(1)
        found = [drift(random.lognormal(0, 0.2, 64)) for _ in range(500)]
        assert sum(one is not None for one in found) <= 3

    @pytest.mark.parametrize("n", [10, 11, 12, 13, 14])
    def test_a_step_shows_in_as_few_calls_as_are_taken(self, n):
        """Slow stages get ten calls: only halves that do not overlap can be told from chance then."""
        calls = [1 + 0.001 * i for i in range(n)]
        slower = [one + 0.5 * (i >= (n + 1) // 2) for i, one in enumerate(calls)]
        assert drift(slower) == pytest.approx(0.5, abs=0.02)
        assert drift(calls) is None  # below 2%
        assert drift([*slower[::2], *slower[1::2]]) is None

    def test_of_few_calls_it_is_seldom_chance(self):
        random = np.random.default_rng(2)
        found = [drift(random.lognormal(0, 0.2, 10)) for _ in range(1000)]
        assert sum(one is not None for one in found) <= 20  # 2 of 252 orders

    def test_of_next_to_nothing_is_none(self):
        assert drift([]) is None
        assert drift([1.0]) is None
        assert drift([1.0] * 4 + [2.0] * 5) is None
        assert drift(list(itertools.repeat(0.0, 12))) is None
