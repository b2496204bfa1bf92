from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clipeval.comparison import compare
from clipeval.gates import judge_drop
from clipeval.gates.relative import decide_drop, decide_flip_rate, non_inferiority
from clipeval.stats import Clustering, effective_wilson_interval, wilson_interval
from tests.comparison.conftest import (
    make_class_difference,
    make_comparison,
    make_difference,
    make_flip,
    make_outcomes,
    make_reproduction,
)

AGAINST = "baseline"
UNIT = st.floats(-1, 1)


def drop(bounds, *, margin=0.02, value=None, metric="top1", **changes):
    value = sum(bounds) / 2 if value is None else value
    comparison = make_comparison(**{metric: make_difference(value, bounds), **changes})
    return decide_drop(metric, margin, comparison, against=AGAINST)


class TestNonInferiority:
    """A drop is ruled out, shown, or neither."""

    @pytest.mark.parametrize(
        ("bounds", "state"),
        [
            ((-0.019, 0.01), "pass"),
            ((0.01, 0.03), "pass"),
            ((-0.02, 0.01), "inconclusive"),
            ((-0.03, -0.01), "inconclusive"),
            ((-0.05, -0.02), "inconclusive"),
            ((-0.05, -0.021), "fail"),
            ((-0.02, -0.02), "inconclusive"),
        ],
    )
    def test_bounds_decide_and_a_bound_on_the_margin_does_not(self, bounds, state):
        # Discordant enough for any of these differences.
        found = drop(bounds, n_newly_wrong=20, n_newly_right=10)
        assert found.state == state
        assert (found.low, found.high, found.limit) == (*bounds, 0.02)

    def test_one_step_beside_the_margin_decides(self):
        assert non_inferiority(math.nextafter(-0.02, 0), 0.1, 0.02) == "pass"
        assert non_inferiority(-0.1, math.nextafter(-0.02, -1), 0.02) == "fail"

    def test_without_a_margin_a_gain_has_to_be_shown(self):
        assert non_inferiority(1e-9, 0.1, 0.0) == "pass"
        assert non_inferiority(0.0, 0.1, 0.0) == "inconclusive"
        assert non_inferiority(-0.1, -1e-9, 0.0) == "fail"

    @given(UNIT, UNIT, st.floats(0, 0.999))
    def test_pass_and_fail_exclude_each_other(self, one, other, margin):
        low, high = min(one, other), max(one, other)
        state = non_inferiority(low, high, margin)
        assert (state == "pass") == (low > -margin)
        assert (state == "fail") == (high < -margin)

    @given(UNIT, UNIT, st.floats(0, 0.5), st.floats(0, 0.499))
    def test_a_wider_margin_is_never_harder_to_keep(self, one, other, margin, more):
        bounds = min(one, other), max(one, other)
        order = ["fail", "inconclusive", "pass"]
        assert order.index(non_inferiority(*bounds, margin + more)) >= order.index(
            non_inferiority(*bounds, margin)
        )

    @pytest.mark.parametrize("low", [math.nan, -math.inf])
    def test_numbers_that_are_not_finite_are_an_error(self, low):
        found = drop((low, 0.01), value=0.0)
        assert (found.state, found.value) == ("error", None)
        found = drop((-0.01, 0.01), value=math.nan)
        assert found.state == "error"
        assert "cannot be decided" in found.message


class TestDropMessages:
    """Value, interval, limit, and the images behind them."""

    def test_pass(self):
        found = drop((-0.01, 0.03), newly_wrong=(make_flip(),))
        assert found.message == (
            "top1 0.800 -> 0.810, +1.0 points, 95% bounds [-1.0, +3.0]: "
            "a drop of more than 2 points is ruled out"
        )
        assert (found.images, found.n_to_settle, found.against) == ((), None, AGAINST)

    def test_fail_names_the_classes_least_likely_by_chance_and_the_images(self):
        lost = [
            make_class_difference("A", -0.5, adjusted_p=0.2),
            make_class_difference("B", 0.5, adjusted_p=0.001),
            make_class_difference("C", -0.1, adjusted_p=0.01),
            make_class_difference("D", -0.2, adjusted_p=0.2),
            make_class_difference("E", -0.1, adjusted_p=1.0),
        ]
        flips = tuple(make_flip(f"i{index:02d}") for index in range(25))
        found = drop((-0.09, -0.03), per_class=tuple(lost), newly_wrong=flips)
        assert found.state == "fail"
        assert found.message.endswith(
            "a drop of more than 2 points is shown; classes that lost recall: C -10.0 (p 0.010), "
            "A -50.0 (p 0.200), D -20.0 (p 0.200) and 1 more"
        )
        assert found.images == tuple(f"i{index:02d}" for index in range(20))

    def test_inconclusive_says_how_many_images_would_settle_it(self):
        found = drop((-0.05, 0.03), n_newly_right=5, n_newly_wrong=6, newly_wrong=(make_flip(),))
        assert found.state == "inconclusive"
        assert found.n_to_settle > 100
        assert found.message.endswith(
            "a drop of more than 2 points is neither shown nor ruled out; about "
            f"{found.n_to_settle:,} images like these would settle it"
        )
        assert found.images == ("i00",)

    def test_a_difference_on_the_margin_itself_is_settled_by_no_number(self):
        found = drop((-0.06, 0.02), n_newly_right=5, n_newly_wrong=7, value=-0.02)
        assert (found.state, found.n_to_settle) == ("inconclusive", None)
        assert "no number of images would settle" in found.message


class TestMetrics:
    """Every metric that more is better of has its difference."""

    @pytest.mark.parametrize(
        ("metric", "field"),
        [
            ("top1", "top1"),
            ("top5", "top5"),
            ("macro_precision", "macro_precision"),
            ("macro_f1", "macro_f1"),
            ("macro_recall", "macro_recall"),
            ("mean_per_class_recall", "macro_recall"),
            ("balanced_accuracy", "macro_recall"),
        ],
    )
    def test_each_name_has_its_own_difference(self, metric, field):
        named = {
            name: make_difference(value, (value - 0.01, value + 0.01))
            for value, name in enumerate(
                ("top1", "top5", "macro_precision", "macro_f1", "macro_recall")
            )
        }
        found = decide_drop(metric, 0.02, make_comparison(**named), against=AGAINST)
        assert found.metric == metric
        assert found.value == named[field].value

    def test_top5_that_is_not_known_of_both_is_an_error(self):
        found = decide_drop("top5", 0.02, make_comparison(top5=None), against=AGAINST)
        assert (found.state, found.value, found.against) == ("error", None, AGAINST)
        assert "it is not known of both" in found.message

    @pytest.mark.parametrize("metric", ["nll", "ece", "brier", "recall", "top2"])
    def test_metrics_without_a_paired_difference_are_an_error(self, metric):
        assert decide_drop(metric, 0.02, make_comparison(), against=AGAINST).state == "error"


class TestReproductions:
    """The same weights and prompts are no matter of chance."""

    def test_within_the_floor_passes_however_wide_the_interval(self):
        found = drop((-0.5, 0.5), p_value=None, reproduction=make_reproduction())
        assert (found.state, found.images) == ("pass", ())
        assert found.message.startswith("top1: same weights and prompts: 0 of 100")

    def test_beyond_the_floor_fails_however_good_the_interval(self):
        found = drop(
            (0.1, 0.2),
            p_value=None,
            newly_wrong=(make_flip(),),
            reproduction=make_reproduction(is_within=False, n_changed=3, n_unexplained=2),
        )
        assert (found.state, found.images, found.n_to_settle) == ("fail", ("i00",), None)
        assert "2 not near a tie" in found.message

    @pytest.mark.parametrize(("is_within", "state"), [(True, "pass"), (False, "fail")])
    def test_flip_rates_follow(self, is_within, state):
        comparison = make_comparison(
            p_value=None,
            n_newly_wrong=50,
            negative_flip_rate=0.5,
            reproduction=make_reproduction(is_within=is_within),
        )
        found = decide_flip_rate(0.01, comparison, against=AGAINST, clustering=None)
        assert found.state == state


class TestJudgeDrop:
    """A margin on the command line is a gate without a suite."""

    def test_it_is_held_against_the_base(self):
        comparison = make_comparison(top1=make_difference(-0.05, (-0.06, -0.04)), base="b/m/t")
        found = judge_drop(comparison, margin=0.01, on_inconclusive="warn")
        assert (found.state, found.against, found.limit) == ("fail", "b/m/t", 0.01)

    @pytest.mark.parametrize(("on", "state"), [("warn", "inconclusive"), ("fail", "fail")])
    def test_inconclusive_is_what_was_asked_for(self, on, state):
        assert judge_drop(make_comparison(), margin=0.01, on_inconclusive=on).state == state


def flips(n_wrong, limit, *, n_images=100, clustering=None, **changes):
    comparison = make_comparison(
        n_images=n_images,
        n_newly_wrong=n_wrong,
        negative_flip_rate=n_wrong / n_images,
        **changes,
    )
    return decide_flip_rate(limit, comparison, against=AGAINST, clustering=clustering)


class TestFlipRate:
    """The share of newly wrong images, whatever else became right."""

    def test_bounds_are_one_sided_95_percent_of_wilson(self):
        found = flips(4, 0.1)
        expected = wilson_interval(4, 100, confidence=0.9)
        assert (found.value, found.low, found.high) == (0.04, expected.low, expected.high)
        assert (found.metric, found.kind) == ("top1", "max_negative_flip_rate")

    @pytest.mark.parametrize(
        ("n_wrong", "limit", "state"),
        [(4, 0.2, "pass"), (4, 0.05, "inconclusive"), (4, 0.01, "fail"), (0, 0.05, "pass")],
    )
    def test_three_outcomes(self, n_wrong, limit, state):
        assert flips(n_wrong, limit).state == state

    def test_a_bound_on_the_limit_does_not_decide(self):
        bounds = wilson_interval(4, 100, confidence=0.9)
        assert flips(4, bounds.high).state == "inconclusive"
        assert flips(4, math.nextafter(bounds.high, 1)).state == "pass"
        assert flips(4, bounds.low).state == "inconclusive"
        assert flips(4, math.nextafter(bounds.low, 0)).state == "fail"

    def test_a_limit_of_zero_cannot_be_shown_and_a_single_flip_breaks_it(self):
        assert (flips(0, 0.0).state, flips(0, 0.0).n_to_settle) == ("inconclusive", None)
        assert flips(1, 0.0).state == "fail"

    def test_message_and_images(self):
        found = flips(4, 0.05, newly_wrong=(make_flip(),))
        assert found.message == (
            "4 of 100 images are newly wrong: 4.00% [1.81%, 8.62%], limit 5.00%: neither shown nor "
            f"ruled out to be above it; about {found.n_to_settle:,} images like these would settle it"
        )
        assert found.images == ("i00",)
        assert flips(4, 0.2, newly_wrong=(make_flip(),)).images == ()

    def test_groups_widen_the_bounds_and_take_more_images(self):
        clustering = Clustering(20, 3.0)
        found, plain = flips(4, 0.05, clustering=clustering), flips(4, 0.05)
        expected = effective_wilson_interval(4, 100, clustering, confidence=0.9)
        assert (found.low, found.high) == (expected.low, expected.high)
        assert found.high > plain.high
        assert found.n_to_settle == pytest.approx(3 * plain.n_to_settle, abs=3)

    @given(st.integers(1, 300), st.data(), st.floats(0, 0.99))
    def test_what_would_settle_it_is_more_than_there_is(self, n_images, data, limit):
        n_wrong = data.draw(st.integers(0, n_images))
        found = flips(n_wrong, limit, n_images=n_images)
        if found.n_to_settle is not None:
            assert found.state == "inconclusive"
            assert found.n_to_settle > n_images


class TestMacroBounds:
    """Classes with an image or two, which resampling sees nothing in, are no evidence."""

    @pytest.mark.parametrize("wrong", [0, 1])
    def test_one_image_a_class_decides_no_more_than_top1(self, wrong):
        labels = "abcdefghij"
        base = make_outcomes(labels, labels, classes=labels)
        flipped = labels if not wrong else "b" + labels[1:]
        candidate = make_outcomes(labels, flipped, classes=labels, weights="new")
        comparison = compare(base, candidate, kind="baseline")
        states = {
            metric: decide_drop(metric, 0.01, comparison, against="baseline").state
            for metric in ("top1", "macro_recall", "macro_f1", "macro_precision")
        }
        assert set(states.values()) == {"inconclusive"}

    def test_many_images_of_one_class_do_not_vouch_for_the_small_ones(self):
        # Nine of ten classes have two images; one of the 18 is newly wrong, worth 5 points of recall.
        small = "bcdefghij" * 2
        labels = "a" * 2000 + small
        ids = [f"i{index:04d}" for index in range(len(labels))]
        base = make_outcomes(labels, labels, classes="abcdefghij", ids=ids)
        flipped = "a" * 2001 + small[1:]
        candidate = make_outcomes(labels, flipped, classes="abcdefghij", ids=ids, weights="new")
        comparison = compare(base, candidate, kind="baseline")
        states = {
            metric: decide_drop(metric, 0.04, comparison, against="baseline").state
            for metric in ("top1", "macro_recall", "macro_f1", "macro_precision")
        }
        assert states.pop("top1") == "pass"
        assert set(states.values()) == {"inconclusive"}
        assert comparison.macro_recall.upper_bound > 0.02
