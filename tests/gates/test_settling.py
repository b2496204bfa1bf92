from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from scipy.stats import binom, norm, t

from clipeval.gates.relative import non_inferiority
from clipeval.gates.settling import (
    images_by_width,
    images_for_difference,
    images_for_drop,
    images_for_share,
    images_for_top1,
    settle_text,
)
from clipeval.stats import Clustering, Discordance, tango_interval, wilson_interval
from tests.comparison.conftest import make_comparison, make_difference


def comparison_of(n_images, newly_right, newly_wrong, **changes):
    value = (newly_right - newly_wrong) / n_images
    return make_comparison(
        n_images=n_images,
        n_newly_right=newly_right,
        n_newly_wrong=newly_wrong,
        top1=make_difference(value),
        **changes,
    )


class TestPromisesKept:
    """With as many images as a message says, the gate decides in about four runs of five."""

    @pytest.mark.parametrize(
        ("newly_right", "newly_wrong", "margin", "side"),
        [(4, 6, 0.05, "pass"), (2, 8, 0.03, "fail"), (10, 10, 0.02, "pass"), (5, 15, 0.08, "fail")],
    )
    def test_drops_of_top1(self, newly_right, newly_wrong, margin, side):
        n_images = images_for_top1(comparison_of(100, newly_right, newly_wrong), margin)
        shares = [newly_right / 100, newly_wrong / 100, 1 - (newly_right + newly_wrong) / 100]
        drawn = np.random.default_rng(5).multinomial(n_images, shares, size=400)
        states = []
        for right, wrong, _ in drawn.tolist():
            bounds = tango_interval(
                Discordance(n=n_images, newly_right=right, newly_wrong=wrong), confidence=0.9
            )
            states.append(non_inferiority(bounds.low, bounds.high, margin))
        # 400 runs tell a share of 80% within 4 points; the normal approximation has the rest.
        assert 0.72 <= states.count(side) / 400 <= 0.9
        assert states.count({"pass": "fail", "fail": "pass"}[side]) == 0

    @pytest.mark.parametrize(
        ("share", "limit"), [(0.04, 0.06), (0.1, 0.05), (0.7, 0.8), (0.5, 0.4)]
    )
    def test_shares(self, share, limit):
        n_images = images_for_share(share=share, limit=limit, n_images=10)
        # No simulation needed: the power can be summed.
        counts = np.arange(n_images + 1)
        chance = binom.pmf(counts, n_images, share)
        is_shown = np.array(
            [
                bounds.high < limit if share < limit else bounds.low > limit
                for bounds in (
                    wilson_interval(count, n_images, confidence=0.9) for count in counts.tolist()
                )
            ]
        )
        assert 0.75 <= float(chance[is_shown].sum()) <= 0.87

    def test_differences_of_normal_estimates(self):
        # 0.03 above -margin with a standard error of 0.02 on 100 images.
        reach = 0.02 * norm.ppf(0.95)
        found = make_difference(0.01, (0.01 - reach, 0.01 + reach))
        n_images = images_for_difference(found, margin=0.02, n_images=100)
        error = 0.02 * math.sqrt(100 / n_images)
        power = 1 - norm.cdf(norm.ppf(0.95) * error, loc=0.03, scale=error)
        assert power == pytest.approx(0.8, abs=0.01)


class TestSense:
    """What would settle a question is more than what left it open."""

    @settings(deadline=None)
    @given(st.integers(1, 400), st.data(), st.floats(0, 0.5))
    def test_an_open_drop_takes_more_images_than_there_are(self, n_images, data, margin):
        wrong = data.draw(st.integers(0, n_images))
        right = data.draw(st.integers(0, n_images - wrong))
        bounds = tango_interval(
            Discordance(n=n_images, newly_right=right, newly_wrong=wrong), confidence=0.9
        )
        assume(non_inferiority(bounds.low, bounds.high, margin) == "inconclusive")
        found = images_for_top1(comparison_of(n_images, right, wrong), margin)
        assert found is None or found > n_images

    @settings(deadline=None)
    @given(st.integers(2, 40), st.data(), st.floats(1, 6), st.floats(0, 0.5))
    def test_so_it_does_with_groups_even_if_they_are_few(self, n_groups, data, effect, margin):
        n_images = 10 * n_groups
        wrong = data.draw(st.integers(0, n_images))
        right = data.draw(st.integers(0, n_images - wrong))
        counted = Discordance(
            n=n_images / effect, newly_right=right / effect, newly_wrong=wrong / effect
        )
        bounds = tango_interval(counted, confidence=0.9, df=n_groups - 1)
        assume(non_inferiority(bounds.low, bounds.high, margin) == "inconclusive")
        found = images_for_top1(
            comparison_of(n_images, right, wrong, n_groups=n_groups, design_effect=effect), margin
        )
        assert found is None or found > n_images

    @given(UNIT := st.floats(-1, 1), UNIT, UNIT, st.integers(1, 1000))
    def test_so_does_an_open_average_with_a_lopsided_interval(self, one, other, limit, n_images):
        low, high = min(one, other), max(one, other)
        assume(low <= limit <= high)
        for value in (low, high, (low + high) / 2):
            found = images_by_width(value=value, limit=limit, low=low, high=high, n_images=n_images)
            assert found is None or found > n_images

    def test_groups_multiply_by_design_effect_and_the_price_of_few(self):
        plain = images_for_drop(difference=-0.02, rate=0.1, margin=0.05, clustering=None)
        found = images_for_drop(
            difference=-0.02, rate=0.1, margin=0.05, clustering=Clustering(11, 2.5)
        )
        price = (t.ppf(0.95, 10) / norm.ppf(0.95)) ** 2
        assert found == math.ceil(plain * 2.5 * price)

    def test_a_stricter_test_takes_more_images(self):
        common = {"difference": -0.2, "rate": 0.3, "margin": 0.05, "clustering": None}
        assert images_for_drop(**common, confidence=0.995) > images_for_drop(**common)
        share = {"share": 0.6, "limit": 0.8, "n_images": 5}
        assert images_for_share(**share, confidence=0.995) > images_for_share(**share)

    def test_half_the_distance_takes_four_times_as_many(self):
        near = images_by_width(value=0.01, limit=0.0, low=-0.04, high=0.06, n_images=100)
        far = images_by_width(value=0.02, limit=0.0, low=-0.03, high=0.07, n_images=100)
        assert near == pytest.approx(4 * far, rel=0.01)

    def test_share_by_hand(self):
        # (1.645 sqrt(0.05 * 0.95) + 0.842 sqrt(0.1 * 0.9))^2 / 0.05^2
        expected = ((1.6449 * math.sqrt(0.0475) + 0.8416 * math.sqrt(0.09)) / 0.05) ** 2
        found = images_for_share(share=0.1, limit=0.05, n_images=40)
        assert found == math.ceil(expected)

    def test_on_the_limit_no_number_would_do(self):
        assert images_for_share(share=0.5, limit=0.5, n_images=10) is None
        assert images_by_width(value=0.1, limit=0.1, low=0.0, high=0.2, n_images=10) is None
        assert images_for_top1(comparison_of(100, 4, 6), 0.02) is None

    def test_a_hair_beside_the_limit_more_than_a_billion_are_none(self):
        assert images_for_share(share=0.5, limit=0.5 + 1e-9, n_images=10) is None
        assert images_by_width(value=0.1, limit=0.1 + 1e-9, low=0, high=0.2, n_images=10) is None
        assert (
            images_for_drop(
                difference=-0.02 + 1e-5, rate=0.9, margin=0.02, clustering=Clustering(2, 50.0)
            )
            is None
        )

    def test_text(self):
        assert settle_text(12345) == "about 12,345 images like these would settle it"
        assert settle_text(1) == "about 1 image like these would settle it"
        assert settle_text(7, "of this class") == "about 7 images of this class would settle it"
        assert settle_text(None) == (
            "no number of images would settle a difference so close to the limit"
        )
