from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from statsmodels.stats.multitest import multipletests

from clipeval.errors import ScoringError
from clipeval.stats import benjamini_hochberg, holm

P_VALUES = st.lists(st.floats(0, 1), min_size=1, max_size=30).map(np.array)
# statsmodels collects garbage on every call: 50 ms and more each.
FEW = settings(max_examples=15, deadline=None)


def test_holm_by_hand():
    # Sorted 0.01, 0.02, 0.03, 0.6: times 4, 3, 2, 1 = 0.04, 0.06, 0.06, 0.6, then running maxima.
    adjusted = holm(np.array([0.02, 0.6, 0.01, 0.03]))
    assert adjusted == pytest.approx([0.06, 0.6, 0.04, 0.06])


def test_benjamini_hochberg_by_hand():
    # Sorted 0.01, 0.02, 0.03, 0.6: times 4/1, 4/2, 4/3, 4/4 = 0.04, 0.04, 0.04, 0.6.
    adjusted = benjamini_hochberg(np.array([0.02, 0.6, 0.01, 0.03]))
    assert adjusted == pytest.approx([0.04, 0.6, 0.04, 0.04])


def test_benjamini_hochberg_has_the_published_findings():
    # Benjamini & Hochberg (1995), section 3.2: 15 p-values; at 0.05 the procedure finds four,
    # Bonferroni three.
    small = [0.0001, 0.0004, 0.0019, 0.0095, 0.0201, 0.0278, 0.0298, 0.0344, 0.0459]
    p_values = np.array([*small, 0.3240, 0.4262, 0.5719, 0.6528, 0.7590, 1.0000])
    assert int((benjamini_hochberg(p_values) <= 0.05).sum()) == 4
    assert int((holm(p_values) <= 0.05).sum()) == 3


@given(P_VALUES)
@FEW
def test_holm_agrees_with_a_slow_loop(p_values):
    expected, worst = np.empty(len(p_values)), 0.0
    for rank, index in enumerate(np.argsort(p_values)):
        worst = max(worst, min(1.0, (len(p_values) - rank) * p_values[index]))
        expected[index] = worst
    assert holm(p_values) == pytest.approx(expected, abs=1e-12)


@given(P_VALUES)
@FEW
def test_both_agree_with_statsmodels(p_values):
    for ours, method in ((holm, "holm"), (benjamini_hochberg, "fdr_bh")):
        assert ours(p_values) == pytest.approx(multipletests(p_values, method=method)[1], abs=1e-12)


@given(P_VALUES)
@FEW
def test_adjusting_never_lowers_a_p_value_and_holm_is_the_stricter(p_values):
    found, error = benjamini_hochberg(p_values), holm(p_values)
    assert (found >= p_values * (1 - 1e-12)).all()
    assert (error >= found * (1 - 1e-12)).all()
    assert error.max() <= 1


@pytest.mark.parametrize("adjust", [holm, benjamini_hochberg])
def test_no_p_values_stay_none(adjust):
    adjusted = adjust(np.array([]))
    assert adjusted.shape == (0,)
    assert adjusted.dtype == np.float64


@pytest.mark.parametrize("adjust", [holm, benjamini_hochberg])
def test_one_p_value_is_kept(adjust):
    assert adjust(np.array([0.3])) == pytest.approx([0.3])


@pytest.mark.parametrize("adjust", [holm, benjamini_hochberg])
@pytest.mark.parametrize("wrong", [np.nan, -0.01, 1.01, np.inf])
def test_impossible_p_values_are_refused(adjust, wrong):
    with pytest.raises(ScoringError, match=r"at position 1; expected it in \[0, 1\]"):
        adjust(np.array([0.5, wrong]))


@pytest.mark.parametrize("adjust", [holm, benjamini_hochberg])
def test_a_table_of_p_values_is_refused(adjust):
    with pytest.raises(ScoringError, match=r"expected \(K,\)"):
        adjust(np.ones((2, 2)))
