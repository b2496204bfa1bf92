from __future__ import annotations

import math
from math import comb, inf, nan

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from scipy.optimize import minimize_scalar
from scipy.stats import multinomial, norm, t
from statsmodels.stats.contingency_tables import mcnemar

from clipeval.errors import ScoringError
from clipeval.stats import (
    Discordance,
    images_to_settle,
    mcnemar_mid_p,
    minimum_detectable_difference,
    score_p_value,
    tango_interval,
    tango_z,
)

Z_95 = 1.959963984540054


def table(newly_right, newly_wrong, n):
    return Discordance(n=n, newly_right=newly_right, newly_wrong=newly_wrong)


@st.composite
def tables(draw, most=2000):
    n = draw(st.integers(1, most))
    newly_right = draw(st.integers(0, n))
    return table(newly_right, draw(st.integers(0, n - newly_right)), n)


# Discordance


def test_difference_and_rate_by_hand():
    found = table(3, 5, 40)
    assert found.difference == -0.05
    assert found.rate == 0.2


@pytest.mark.parametrize(
    ("newly_right", "newly_wrong", "n"),
    [(-1, 0, 4), (0, -0.5, 4), (3, 2, 4), (0, 0, 0), (0, 0, -1), (nan, 0, 4), (1, inf, 4)],
)
def test_impossible_counts_are_refused(newly_right, newly_wrong, n):
    with pytest.raises(ScoringError, match="expected"):
        table(newly_right, newly_wrong, n)


def test_counts_that_exceed_n_by_rounding_are_accepted():
    effect = 1.7
    found = table(3 / effect, 7 / effect, 10 / effect * (1 - 1e-15))
    assert found.rate == 1.0


# Tango's interval


@pytest.mark.parametrize(
    ("newly_right", "newly_wrong", "n", "low", "high", "digits"),
    [
        # Fagerland, Lydersen & Laake, Statistics in Medicine 33 (2014) 2850-2875, table V, data of
        # Bentur et al. (2009).
        (1, 7, 21, -0.517, -0.026, 3),
        # Cavo et al. (2012), the second example of that paper; values of the authors' R package
        # contingencytables, Tango_asymptotic_score_CI_paired_2x2.
        (6, 16, 161, -0.1240, -0.0054, 4),
        # Newcombe's published spreadsheet for Tango's interval: 50 pairs, 12 and 2 discordant.
        (12, 2, 50, 0.0611, 0.3447, 4),
    ],
)
def test_interval_has_published_values(newly_right, newly_wrong, n, low, high, digits):
    interval = tango_interval(table(newly_right, newly_wrong, n))
    assert round(interval.low, digits) == low
    assert round(interval.high, digits) == high


def test_interval_at_90_percent_has_the_value_of_propcis():
    # R: PropCIs::scoreci.mp(25, 28, 618, conf.level = 0.90), for (28 - 25) / 618.
    interval = tango_interval(table(28, 25, 618), confidence=0.90)
    assert round(interval.low, 4) == -0.0148
    assert round(interval.high, 4) == 0.0247


def test_interval_without_discordant_images_by_hand():
    # n d^2 / (d (1 - d)) = z^2, so d = z^2 / (n + z^2): the rule of Wilson for no events.
    interval = tango_interval(table(0, 0, 100))
    assert interval.high == pytest.approx(Z_95**2 / (100 + Z_95**2), abs=1e-12)
    assert interval.low == -interval.high


@pytest.mark.parametrize("n", [1, 2, 10, 50_000])
def test_interval_of_images_all_newly_right_by_hand(n):
    # n (1 - d)^2 / ((1 - d)(1 + d)) = z^2, so d = (n - z^2) / (n + z^2).
    interval = tango_interval(table(n, 0, n))
    assert interval.high == 1.0
    assert interval.low == pytest.approx((n - Z_95**2) / (n + Z_95**2), abs=1e-12)


def likeliest_variance(found, difference):
    """Maximise the likelihood of the three cells under the hypothesis, without the closed form."""
    right, wrong = found.newly_right, found.newly_wrong
    same = found.n - right - wrong

    def loss(q):
        cells = ((right, q + difference), (wrong, q), (same, 1 - 2 * q - difference))
        return -sum(count * math.log(max(share, 1e-300)) for count, share in cells if count)

    least, most = max(0.0, -difference), (1 - difference) / 2
    # A grid first, so that the bounded search starts in the right valley.
    grid = np.linspace(least, most, 2001)
    best = int(np.argmin([loss(q) for q in grid]))
    bounds = (grid[max(best - 1, 0)], grid[min(best + 1, 2000)])
    q = minimize_scalar(loss, bounds=bounds, method="bounded", options={"xatol": 1e-13}).x
    return (2 * q + difference - difference**2) / found.n


@pytest.mark.parametrize(
    "found",
    [table(1, 7, 21), table(0, 3, 12), table(5, 5, 10), table(40, 20, 160), table(2.5, 0.5, 9.5)],
)
def test_ends_of_the_interval_agree_with_a_direct_search_for_the_maximum_likelihood(found):
    interval = tango_interval(found)
    for end, expected in ((interval.low, Z_95), (interval.high, -Z_95)):
        z = (found.difference - end) / math.sqrt(likeliest_variance(found, end))
        # The optimiser finds q to about the square root of the machine's precision.
        assert z == pytest.approx(expected, abs=2e-5)


@pytest.mark.parametrize("difference", [-0.9, -0.3, -0.01, 0.0, 0.02, 0.4, 0.95])
def test_score_agrees_with_a_direct_search_for_the_maximum_likelihood(difference):
    found = table(6, 11, 60)
    expected = (found.difference - difference) / math.sqrt(likeliest_variance(found, difference))
    assert tango_z(found, difference=difference) == pytest.approx(expected, rel=1e-5)


@given(tables(), st.floats(0.5, 0.999))
def test_interval_contains_the_difference_and_stays_in_range(found, confidence):
    interval = tango_interval(found, confidence=confidence)
    assert -1 <= interval.low <= found.difference <= interval.high <= 1
    assert interval.low < interval.high


@given(tables())
def test_swapping_the_models_negates_the_ends_exactly(found):
    one, other = tango_interval(found), tango_interval(found.mirrored())
    assert (one.low, one.high) == (-other.high, -other.low)


@given(tables(), st.floats(0.6, 0.98), st.floats(0.005, 0.015))
def test_higher_confidence_is_wider(found, confidence, more):
    narrow = tango_interval(found, confidence=confidence)
    wide = tango_interval(found, confidence=confidence + more)
    assert wide.low <= narrow.low <= narrow.high <= wide.high
    assert wide.high - wide.low > narrow.high - narrow.low


@given(tables(most=300), st.floats(-0.999, 0.999), st.floats(1e-6, 0.1))
def test_score_falls_as_the_hypothesis_grows(found, difference, step):
    assume(difference + step <= 1)
    here = tango_z(found, difference=difference)
    assert tango_z(found, difference=difference + step) <= here + 1e-9 * abs(here)


def test_few_degrees_of_freedom_widen_and_many_do_not():
    found = table(9, 4, 80)
    normal = tango_interval(found)
    few, many = tango_interval(found, df=4), tango_interval(found, df=1e9)
    assert few.low < normal.low < normal.high < few.high
    assert many.low == pytest.approx(normal.low, abs=1e-8)
    # Student's t at the end of its interval is its quantile.
    assert tango_z(found, difference=few.low) == pytest.approx(t.ppf(0.975, 4), abs=1e-9)


def test_interval_of_many_images_is_precise():
    found = table(50_000, 49_000, 1_000_000)
    interval = tango_interval(found)
    assert tango_z(found, difference=interval.low) == pytest.approx(Z_95, abs=1e-6)
    # At this size the Wald interval is as good.
    half = Z_95 * math.sqrt((found.rate - found.difference**2) / found.n)
    assert interval.high - interval.low == pytest.approx(2 * half, rel=1e-4)


# The score statistic and its p-value


def test_score_of_no_difference_is_that_of_mcnemar():
    # (b - c) / sqrt(b + c).
    assert tango_z(table(3, 13, 200), difference=0.0) == pytest.approx(-10 / 4)


def test_score_where_chance_has_no_room():
    assert tango_z(table(0, 0, 7), difference=0.0) == 0.0
    assert tango_z(table(7, 0, 7), difference=1.0) == 0.0
    assert tango_z(table(6, 0, 7), difference=1.0) == -inf
    assert tango_z(table(6, 0, 7), difference=-1.0) == inf


@pytest.mark.parametrize("difference", [1e-250, -1e-250, 1e-17, 0.25])
def test_score_without_discordant_images_by_hand(difference):
    # -n d / sqrt(n d (1 - d)), for a tiny d too.
    expected = -math.sqrt(7 * abs(difference) / (1 - abs(difference)))
    z = tango_z(table(0, 0, 7), difference=difference)
    assert z == pytest.approx(math.copysign(expected, -difference), rel=1e-12)


def test_p_values_by_hand():
    found = table(3, 13, 200)
    values = [
        score_p_value(found, difference=0.0, alternative=alternative)
        for alternative in ("less", "greater", "two-sided")
    ]
    assert values == pytest.approx([norm.cdf(-2.5), norm.cdf(2.5), 2 * norm.cdf(-2.5)])
    assert score_p_value(found, difference=0.0, alternative="less", df=9) == pytest.approx(
        t.cdf(-2.5, 9)
    )


def test_p_value_of_an_impossible_hypothesis_is_zero():
    found = table(6, 0, 7)
    for df in (None, 3):
        assert score_p_value(found, difference=1.0, alternative="less", df=df) == 0.0
        assert score_p_value(found, difference=1.0, alternative="greater", df=df) == 1.0


@given(tables(), st.sampled_from([0.0, 0.01, 0.05]), st.sampled_from([None, 5]))
def test_one_sided_p_value_agrees_with_the_90_percent_interval(found, margin, df):
    interval = tango_interval(found, confidence=0.9, df=df)
    less = score_p_value(found, difference=-margin, alternative="less", df=df)
    greater = score_p_value(found, difference=-margin, alternative="greater", df=df)
    assume(min(abs(less - 0.05), abs(greater - 0.05)) > 1e-9)
    assert (interval.high < -margin) == (less < 0.05)
    assert (interval.low > -margin) == (greater < 0.05)


def test_unknown_alternative_is_refused():
    with pytest.raises(ScoringError, match="unknown alternative 'larger'"):
        score_p_value(table(1, 2, 9), difference=0.0, alternative="larger")


@pytest.mark.parametrize("difference", [-1.1, 2.0, nan])
def test_impossible_difference_is_refused(difference):
    with pytest.raises(ScoringError, match=r"expected it in \[-1, 1\]"):
        tango_z(table(1, 2, 9), difference=difference)


@pytest.mark.parametrize("df", [0, -3, nan])
def test_impossible_degrees_of_freedom_are_refused(df):
    with pytest.raises(ScoringError, match="degrees of freedom"):
        tango_interval(table(1, 2, 9), df=df)
    with pytest.raises(ScoringError, match="degrees of freedom"):
        score_p_value(table(1, 2, 9), difference=0.0, alternative="less", df=df)


@pytest.mark.parametrize("confidence", [0.0, 1.0, 95.0, nan])
def test_impossible_confidence_is_refused(confidence):
    with pytest.raises(ScoringError, match=r"outside \(0, 1\)"):
        tango_interval(table(1, 2, 9), confidence=confidence)


# McNemar's mid-p


@pytest.mark.parametrize(
    ("newly_right", "newly_wrong", "expected", "digits"),
    [
        # Fagerland, Lydersen & Laake, BMC Medical Research Methodology 13:91 (2013), data of
        # Bentur et al. (2009): by hand 2 (1 + 8) / 2^8 - 8 / 2^8.
        (1, 7, 0.0391, 4),
        # Cavo et al. (2012): the authors' R package contingencytables.
        (6, 16, 0.034690, 6),
    ],
)
def test_mid_p_has_published_values(newly_right, newly_wrong, expected, digits):
    p = mcnemar_mid_p(newly_right=newly_right, newly_wrong=newly_wrong)
    assert round(p, digits) == expected


def summed_mid_p(newly_right, newly_wrong):
    """Sum the probability of every split further from even, and half of those as far."""
    n, apart = newly_right + newly_wrong, abs(newly_right - newly_wrong)
    further = sum(comb(n, k) for k in range(n + 1) if abs(n - 2 * k) > apart)
    as_far = sum(comb(n, k) for k in range(n + 1) if abs(n - 2 * k) == apart)
    return (2 * further + as_far) / 2 ** (n + 1)


@pytest.mark.parametrize("n", [1, 2, 3, 8, 21, 60])
def test_mid_p_agrees_with_summed_binomial_coefficients(n):
    for newly_right in range(n + 1):
        expected = summed_mid_p(newly_right, n - newly_right)
        p = mcnemar_mid_p(newly_right=newly_right, newly_wrong=n - newly_right)
        assert p == pytest.approx(expected, rel=1e-9)


@given(st.integers(0, 300), st.integers(0, 300))
def test_mid_p_is_the_exact_p_value_less_one_point_probability(newly_right, newly_wrong):
    assume(newly_right != newly_wrong)
    exact = mcnemar([[0, newly_right], [newly_wrong, 0]], exact=True).pvalue
    n = newly_right + newly_wrong
    p = mcnemar_mid_p(newly_right=newly_right, newly_wrong=newly_wrong)
    assert p == pytest.approx(exact - comb(n, newly_right) / 2**n, abs=1e-10)
    assert p == mcnemar_mid_p(newly_right=newly_wrong, newly_wrong=newly_right)
    assert 0 < p <= 1


def test_mid_p_without_discordant_images_is_one():
    assert mcnemar_mid_p(newly_right=0, newly_wrong=0) == 1.0


def test_mid_p_of_many_images_is_that_of_the_normal():
    p = mcnemar_mid_p(newly_right=300_000, newly_wrong=301_000)
    assert p == pytest.approx(2 * norm.cdf(-1000 / math.sqrt(601_000)), rel=1e-4)


def test_negative_counts_are_refused():
    with pytest.raises(ScoringError, match="expected counts >= 0"):
        mcnemar_mid_p(newly_right=-1, newly_wrong=3)


# Planning


def test_detectable_difference_solves_the_published_equation():
    n, rate = 900, 0.1
    d = minimum_detectable_difference(n=n, rate=rate)
    z_test, z_power = norm.ppf(0.975), norm.ppf(0.8)
    assert math.sqrt(n) * d == pytest.approx(
        z_test * math.sqrt(rate) + z_power * math.sqrt(rate - d * d), abs=1e-10
    )


def power_of(is_found, *, n, difference, rate):
    """Sum the probability of all tables of n images in which `is_found` holds."""
    shares = [(rate + difference) / 2, (rate - difference) / 2, 1 - rate]
    right, wrong = np.divmod(np.arange((n + 1) ** 2), n + 1)
    possible = right + wrong <= n
    right, wrong = right[possible], wrong[possible]
    counts = np.stack([right, wrong, n - right - wrong], axis=1)
    chances = multinomial.pmf(counts, n, shares)
    likely = np.flatnonzero(chances > 1e-9)
    return sum(float(chances[i]) for i in likely if is_found(table(right[i], wrong[i], n)))


def lies_above_zero(found):
    return tango_interval(found).low > 0


@pytest.mark.parametrize(("n", "rate"), [(60, 0.4), (100, 0.2), (150, 0.3), (200, 0.15)])
def test_power_at_the_detectable_difference_is_about_80_percent(n, rate):
    d = minimum_detectable_difference(n=n, rate=rate)
    assert 0.78 <= power_of(lies_above_zero, n=n, difference=d, rate=rate) <= 0.85


@pytest.mark.parametrize(("n", "rate"), [(60, 0.4), (150, 0.3)])
def test_mid_p_finds_the_detectable_difference_as_often(n, rate):
    d = minimum_detectable_difference(n=n, rate=rate)

    def is_significant(found):
        p = mcnemar_mid_p(newly_right=int(found.newly_right), newly_wrong=int(found.newly_wrong))
        return p < 0.05 and found.difference > 0

    assert 0.72 <= power_of(is_significant, n=n, difference=d, rate=rate) <= 0.88


@pytest.mark.parametrize("rate", [0.0, 0.01, 0.05])
def test_detectable_difference_with_few_discordant_images_needs_as_many_itself(rate):
    # With rate = d: sqrt(n d) = z_test + z_power sqrt(1 - d).
    n = 100
    d = minimum_detectable_difference(n=n, rate=rate)
    assert d > rate
    assert math.sqrt(n * d) == pytest.approx(
        norm.ppf(0.975) + norm.ppf(0.8) * math.sqrt(1 - d), abs=1e-9
    )
    # Here the formula is cautious, never too hopeful.
    assert 0.8 <= power_of(lies_above_zero, n=n, difference=d, rate=d) <= 0.96


@given(st.integers(1, 100_000), st.floats(0, 1), st.floats(0.5, 0.99), st.floats(0.5, 0.999))
def test_detectable_difference_is_in_range_and_falls_with_images(n, rate, power, confidence):
    options = {"rate": rate, "power": power, "confidence": confidence}
    d = minimum_detectable_difference(n=n, **options)
    assert 0 < d <= 1
    assert minimum_detectable_difference(n=4 * n, **options) <= d
    # Below d = rate the width falls as 1 / sqrt(n).
    if d < rate / 2:
        finer = minimum_detectable_difference(n=4 * n, **options)
        assert finer == pytest.approx(d / 2, rel=0.2)


def test_no_difference_is_found_in_a_handful_of_images():
    assert minimum_detectable_difference(n=3, rate=0.5) == 1.0


def test_detectable_difference_of_few_groups_is_larger():
    few = minimum_detectable_difference(n=200, rate=0.1, df=5)
    assert few > minimum_detectable_difference(n=200, rate=0.1)


def test_images_to_settle_without_discordant_images_by_hand():
    # The lower end of the 90% interval is -z^2 / (n + z^2): above -0.01 from n = 99 z^2 on.
    n = images_to_settle(difference=0.0, rate=0.0, margin=0.01)
    assert n == math.ceil(99 * norm.ppf(0.95) ** 2)
    assert tango_interval(table(0, 0, n), confidence=0.9).low > -0.01
    assert tango_interval(table(0, 0, n - 1), confidence=0.9).low < -0.01


def lies_above_minus_5_points(found):
    return tango_interval(found, confidence=0.9).low > -0.05


def lies_below_minus_5_points(found):
    return tango_interval(found, confidence=0.9).high < -0.05


@pytest.mark.parametrize(
    ("difference", "rate", "is_settled"),
    [
        (0.0, 0.1, lies_above_minus_5_points),
        (0.03, 0.15, lies_above_minus_5_points),
        (-0.15, 0.2, lies_below_minus_5_points),
    ],
)
def test_images_to_settle_give_the_power_asked_for(difference, rate, is_settled):
    n = images_to_settle(difference=difference, rate=rate, margin=0.05)
    assert 0.76 <= power_of(is_settled, n=n, difference=difference, rate=rate) <= 0.84


def test_a_difference_at_the_margin_is_never_settled():
    assert images_to_settle(difference=-0.01, rate=0.1, margin=0.01) is None
    assert images_to_settle(difference=0.0, rate=0.1, margin=0.0) is None


def test_more_than_a_billion_images_are_none():
    assert images_to_settle(difference=-0.01 + 1e-6, rate=0.1, margin=0.01) is None
    assert images_to_settle(difference=1e-300, rate=0.1, margin=0.0) is None


def test_an_image_settles_what_is_certain():
    assert images_to_settle(difference=-1.0, rate=1.0, margin=0.0) >= 1


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"n": 0, "rate": 0.1}, "0 images"),
        ({"n": nan, "rate": 0.1}, "nan images"),
        ({"n": 10, "rate": 1.1}, "discordant images"),
        ({"n": 10, "rate": -0.1}, "discordant images"),
        ({"n": 10, "rate": 0.1, "power": 0.4}, "power 0.4"),
        ({"n": 10, "rate": 0.1, "power": 1.0}, "power 1.0"),
        ({"n": 10, "rate": 0.1, "confidence": 95}, "confidence 95"),
        ({"n": 10, "rate": 0.1, "df": 0}, "degrees of freedom"),
    ],
)
def test_impossible_plans_are_refused(options, message):
    with pytest.raises(ScoringError, match=message):
        minimum_detectable_difference(**options)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"difference": 0.2, "rate": 0.1, "margin": 0.01}, r"\|difference\| <= rate"),
        ({"difference": nan, "rate": 0.1, "margin": 0.01}, r"\|difference\| <= rate"),
        ({"difference": 0.0, "rate": 0.1, "margin": -0.01}, "margin -0.01"),
        ({"difference": 0.0, "rate": 0.1, "margin": 1.0}, "margin 1.0"),
        ({"difference": 0.0, "rate": 2.0, "margin": 0.01}, "discordant images"),
    ],
)
def test_impossible_questions_are_refused(options, message):
    with pytest.raises(ScoringError, match=message):
        images_to_settle(**options)


def test_discordance_is_frozen():
    with pytest.raises(AttributeError):
        table(1, 2, 9).n = 10
