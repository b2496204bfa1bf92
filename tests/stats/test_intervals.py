from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binomtest

from clipeval.errors import ScoringError
from clipeval.stats import Interval, wilson_interval, wilson_intervals


@pytest.mark.parametrize(
    ("successes", "n", "low", "high"),
    [
        # Newcombe, Statistics in Medicine 17 (1998) 857-872, table I, score method without
        # continuity correction.
        (81, 263, 0.2553, 0.3662),
        (15, 148, 0.0624, 0.1605),
        (0, 20, 0.0000, 0.1611),
        (1, 29, 0.0061, 0.1718),
    ],
)
def test_interval_has_published_values(successes, n, low, high):
    interval = wilson_interval(successes, n)
    assert interval.low == pytest.approx(low, abs=5e-5)
    assert interval.high == pytest.approx(high, abs=5e-5)


def test_interval_of_one_image_by_hand():
    # p = 1, n = 1: center (1 + z^2/2) / (1 + z^2), half width (z^2/2) / (1 + z^2).
    z_squared = 1.959963984540054**2
    interval = wilson_interval(1, 1)
    assert interval.low == pytest.approx(1 / (1 + z_squared))
    assert interval.high == 1.0


@given(st.integers(1, 10_000), st.data(), st.floats(0.5, 0.999))
def test_interval_agrees_with_scipy(n, data, confidence):
    successes = data.draw(st.integers(0, n))
    expected = binomtest(successes, n).proportion_ci(confidence, method="wilson")
    interval = wilson_interval(successes, n, confidence=confidence)
    assert interval.low == pytest.approx(expected.low, abs=1e-9)
    assert interval.high == pytest.approx(expected.high, abs=1e-9)


@given(st.integers(1, 10_000), st.data())
def test_interval_contains_the_share_and_stays_in_the_unit_range(n, data):
    successes = data.draw(st.integers(0, n))
    interval = wilson_interval(successes, n)
    assert 0 <= interval.low <= successes / n <= interval.high <= 1
    assert interval.low < interval.high


@given(st.integers(1, 1000), st.data())
def test_interval_of_failures_mirrors_that_of_successes(n, data):
    successes = data.draw(st.integers(0, n))
    one, other = wilson_interval(successes, n), wilson_interval(n - successes, n)
    assert one.low == pytest.approx(1 - other.high, abs=1e-12)


def test_many_intervals_equal_one_at_a_time_and_none_without_trials():
    successes, n = np.array([3, 0, 7]), np.array([4, 0, 7])
    assert wilson_intervals(successes, n) == (wilson_interval(3, 4), None, wilson_interval(7, 7))


@pytest.mark.parametrize("n_intervals", [0, 2])
def test_intervals_without_any_trial_are_all_none(n_intervals):
    zeros = np.zeros(n_intervals, dtype=np.int64)
    assert wilson_intervals(zeros, zeros) == (None,) * n_intervals


def test_higher_confidence_is_wider():
    narrow, wide = wilson_interval(5, 9, confidence=0.9), wilson_interval(5, 9, confidence=0.99)
    assert wide.low < narrow.low < narrow.high < wide.high


def test_zero_trials_are_refused():
    with pytest.raises(ScoringError, match="0 trials"):
        wilson_interval(0, 0)


@pytest.mark.parametrize(("successes", "n"), [(-1, 4), (5, 4), (1, -1), (1, 0)])
def test_impossible_counts_are_refused(successes, n):
    with pytest.raises(ScoringError, match="0 <= successes <= n"):
        wilson_interval(successes, n)


@pytest.mark.parametrize("confidence", [0.0, 1.0, 95.0, float("nan")])
def test_impossible_confidence_is_refused(confidence):
    with pytest.raises(ScoringError, match=r"outside \(0, 1\)"):
        wilson_interval(1, 2, confidence=confidence)


def test_counts_of_different_shapes_are_refused():
    with pytest.raises(ScoringError, match=r"expected the same \(K,\)"):
        wilson_intervals(np.array([1, 2]), np.array([3]))


def test_interval_is_frozen():
    with pytest.raises(AttributeError):
        Interval(0.1, 0.2).low = 0.0
