from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clipeval.errors import ScoringError
from clipeval.metrics import macro_averages
from clipeval.stats import (
    Discordance,
    MacroEffects,
    cluster,
    effective,
    macro_differences,
    tango_interval,
)
from clipeval.stats.bootstrap import bootstrap_differences
from clipeval.stats.macro import Stratum

METRICS = ("macro_recall", "macro_precision", "macro_f1")
FEW = {"n_resamples": 40}


def images(seed, n, n_classes, *, hit=0.6):
    """Labels that need not use every class; predictions that may use the others."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, max(1, n_classes - 2), n)
    base, candidate = (
        np.where(rng.random(n) < hit, labels, rng.integers(0, n_classes, n)) for _ in range(2)
    )
    return base, candidate, labels


def grouping(kind, labels):
    """None, or groups within classes, across them, or nearly one for each image."""
    rng = np.random.default_rng(5)
    n = len(labels)
    match kind:
        case "none":
            return None
        case "within classes":
            return labels * 100 + rng.integers(0, 4, n)
        case "across classes":
            return np.arange(n) % 5
        case "pairs":
            return np.arange(n) // 2
    raise AssertionError(kind)


GROUPED = ("within classes", "across classes", "pairs")


def slow_macro(predicted, labels, n_classes):
    averages = macro_averages(predicted, labels, n_classes=n_classes)
    return np.array([averages.recall, averages.precision, averages.f1])


def top1_counts(base, candidate, labels):
    then, now = base == labels, candidate == labels
    return Discordance(
        n=len(labels), newly_right=int((~then & now).sum()), newly_wrong=int((then & ~now).sum())
    )


def ends(one):
    return np.array([one.low, one.lower_bound, one.upper_bound, one.high])


class TestEffects:
    """What an image does to an average by being predicted otherwise, alone."""

    @given(st.integers(0, 10**6), st.integers(1, 30), st.integers(1, 6))
    @settings(deadline=None, max_examples=40)
    def test_they_agree_with_measuring_anew_image_by_image(self, seed, n, n_classes):
        base, candidate, labels = images(seed, n, n_classes)
        found = MacroEffects.of(base, candidate, labels, n_classes=n_classes).effects
        for i in range(n):
            there, back = base.copy(), candidate.copy()
            there[i], back[i] = candidate[i], base[i]
            gained = slow_macro(there, labels, n_classes) - slow_macro(base, labels, n_classes)
            lost = slow_macro(candidate, labels, n_classes) - slow_macro(back, labels, n_classes)
            assert found[:, i] == pytest.approx((gained + lost) / 2, abs=1e-12)

    def test_an_image_of_a_small_class_counts_for_more(self):
        # Two classes of 2 and 6 images: shares of recall are 1/4 and 1/12.
        labels = np.array([0, 0, 1, 1, 1, 1, 1, 1])
        candidate = np.array([1, 0, 1, 1, 1, 1, 1, 1])
        found = MacroEffects.of(labels, candidate, labels, n_classes=2)
        assert found.weights.tolist() == pytest.approx([1 / 4] * 2 + [1 / 12] * 6)
        assert found.strata == (
            Stratum(share=0.5, counted=Discordance(n=2, newly_right=0, newly_wrong=1)),
            Stratum(share=0.5, counted=Discordance(n=6, newly_right=0, newly_wrong=0)),
        )
        assert found.effects[0].tolist() == pytest.approx([-1 / 4] + [0] * 7)


class TestStrata:
    """Classes alike in size are counted together, as if all had the images of the smallest."""

    def test_of_classes_of_many_sizes(self):
        sizes = [4, 9, 10, 0, 6, 3]
        labels = np.repeat(np.arange(6), sizes)
        candidate = labels.copy()
        candidate[[0, 4, 5, 6]] = 3  # of 4 images one, of 9 three
        found = MacroEffects.of(labels, candidate, labels, n_classes=6)
        assert [round(one.share * 5) for one in found.strata] == [2, 2, 1]
        assert [one.counted.n for one in found.strata] == [6, 12, 10]
        assert [one.counted.newly_wrong for one in found.strata] == pytest.approx(
            [6 * (0 + 1 / 4) / 2, 12 * (0 + 3 / 9) / 2, 0]
        )

    @given(st.integers(0, 10**6), st.integers(1, 60), st.integers(1, 8))
    @settings(deadline=None, max_examples=40)
    def test_they_have_the_difference_in_recall_and_all_classes(self, seed, n, n_classes):
        base, candidate, labels = images(seed, n, n_classes)
        found = MacroEffects.of(base, candidate, labels, n_classes=n_classes)
        differences = sum(one.share * one.counted.difference for one in found.strata)
        assert differences == pytest.approx(found.differences[0], abs=1e-12)
        assert sum(one.share for one in found.strata) == pytest.approx(1)
        assert sum(one.counted.n for one in found.strata) <= n

    def test_one_whose_images_are_of_one_group_is_worth_an_image(self):
        labels = np.repeat([0, 1], [4, 20])
        groups = np.repeat([0, 1, 2, 3], [4, 5, 5, 10])
        candidate = np.where(np.arange(24) % 7 == 0, 1 - labels, labels)
        small, _ = MacroEffects.of(labels, candidate, labels, n_classes=2, groups=groups).strata
        assert small.counted.n <= 1


class TestScoreIntervals:
    """Tango's among classes alike in size, and wider where single images move more."""

    @pytest.mark.parametrize("size", [1, 2, 10])
    def test_of_recall_in_classes_alike_it_is_that_of_top1(self, size):
        labels = np.repeat(np.arange(20), size)
        rng = np.random.default_rng(3)
        base, candidate = (
            np.where(rng.random(len(labels)) < 0.8, labels, (labels + 1) % 20) for _ in range(2)
        )
        found = MacroEffects.of(base, candidate, labels, n_classes=20)
        for confidence in (0.9, 0.95):
            expected = tango_interval(top1_counts(base, candidate, labels), confidence=confidence)
            one = found.score_intervals(confidence=confidence)["macro_recall"]
            assert (one.low, one.high) == pytest.approx((expected.low, expected.high), abs=1e-9)

    def test_with_groups_it_is_that_of_top1_with_groups(self):
        base, candidate, labels = images(1, 60, 3)
        labels = np.arange(60) % 3
        groups = np.arange(60) // 6
        clustering = cluster((candidate == labels).astype(float) - (base == labels), groups)
        expected = tango_interval(
            effective(top1_counts(base, candidate, labels), clustering), df=clustering.df
        )
        found = MacroEffects.of(base, candidate, labels, n_classes=3, groups=groups)
        one = found.score_intervals(confidence=0.95)["macro_recall"]
        assert (one.low, one.high) == pytest.approx((expected.low, expected.high), abs=1e-3)

    @pytest.mark.parametrize(("sizes", "loss"), [([50] * 4 + [2], 0.5), ([95, 5], 0.3)])
    def test_a_small_class_that_was_lucky_does_not_pass(self, sizes, loss):
        # Its true loss may be as much as the margin although none of its few images shows it.
        labels = np.repeat(np.arange(len(sizes)), sizes)
        found = MacroEffects.of(labels, labels, labels, n_classes=len(sizes))
        assert found.score_intervals(confidence=0.9)["macro_recall"].low < -loss / len(sizes)

    def test_flips_in_small_classes_widen_it(self):
        labels = np.repeat([0, 1], [10, 90])
        wide, narrow = labels.copy(), labels.copy()
        wide[:4], narrow[10:46] = 1, 0
        found = [MacroEffects.of(labels, each, labels, n_classes=2) for each in (wide, narrow)]
        assert [one.differences[0] for one in found] == pytest.approx([-0.2, -0.2])
        wider, narrower = (one.score_intervals(confidence=0.9)["macro_recall"] for one in found)
        assert wider.high - wider.low > 1.15 * (narrower.high - narrower.low)

    def test_where_wrong_answers_go_widens_precision_and_f1(self):
        # One image a class: an image gone astray costs precision in its own class and the other.
        labels = np.arange(50)
        candidate = labels.copy()
        candidate[:10] = labels[10:20]
        found = MacroEffects.of(labels, candidate, labels, n_classes=50)
        widths = [one.high - one.low for one in found.score_intervals(confidence=0.9).values()]
        recall, precision, f1 = widths
        assert precision > f1 > 1.1 * recall

    def test_groups_count_for_where_wrong_answers_go_as_well(self):
        # Every image four times, in a group of its own: worth no more than once.
        labels = np.arange(200)
        candidate = labels.copy()
        candidate[:40] = labels[40:80]
        once = MacroEffects.of(labels, candidate, labels, n_classes=200)
        four = [np.repeat(each, 4) for each in (labels, candidate, labels, labels)]
        found = MacroEffects.of(*four[:3], n_classes=200, groups=four[3])
        one, two = (each.score_intervals(confidence=0.9)["macro_f1"] for each in (once, found))
        assert two.high - two.low == pytest.approx(one.high - one.low, rel=0.1)
        # Without their part of it the interval would be that of recall.
        recall = found.score_intervals(confidence=0.9)["macro_recall"]
        assert two.high - two.low > 1.3 * (recall.high - recall.low)

    def test_changes_from_wrong_to_wrong_move_precision_alone(self):
        # Six images stray into a class of two, then into one of twenty.
        labels = np.repeat([0, 1, 2], [20, 2, 20])
        base, candidate = labels.copy(), labels.copy()
        base[:6], candidate[:6] = 1, 2
        found = MacroEffects.of(base, candidate, labels, n_classes=3)
        assert np.count_nonzero(found.effects[0]) == 0
        recall, precision, _ = found.score_intervals(confidence=0.9).values()
        assert precision.high - precision.low > 1.02 * (recall.high - recall.low)


class TestDifferences:
    """The outer ends of all intervals."""

    @given(st.integers(0, 10**6), st.integers(1, 40), st.integers(1, 6))
    @settings(deadline=None, max_examples=40)
    def test_values_are_those_of_the_macro_averages(self, seed, n, n_classes):
        base, candidate, labels = images(seed, n, n_classes)
        expected = slow_macro(base, labels, n_classes), slow_macro(candidate, labels, n_classes)
        found = macro_differences(base, candidate, labels, n_classes=n_classes, n_resamples=1)
        effects = MacroEffects.of(base, candidate, labels, n_classes=n_classes)
        for k, name in enumerate(METRICS):
            for one in (found[name], effects.score_differences()[name]):
                assert (one.base, one.candidate) == pytest.approx(
                    (expected[0][k], expected[1][k]), abs=1e-12
                )
                assert one.value == one.candidate - one.base

    @pytest.mark.parametrize("kind", ["none", *GROUPED])
    def test_they_span_the_bootstrap_and_the_score_interval(self, kind):
        base, candidate, labels = images(0, 200, 7)
        options = {"n_classes": 7, "groups": grouping(kind, labels)}
        found = macro_differences(base, candidate, labels, **options, **FEW)
        drawn = bootstrap_differences(base, candidate, labels, **options, **FEW)
        score = MacroEffects.of(base, candidate, labels, **options).score_differences()
        for name in METRICS:
            assert (ends(found[name])[:2] <= ends(drawn[name])[:2]).all()
            assert (ends(found[name])[2:] >= ends(drawn[name])[2:]).all()
            assert (ends(found[name])[:2] <= ends(score[name])[:2]).all()
            assert (ends(found[name])[2:] >= ends(score[name])[2:]).all()

    @given(st.integers(0, 10**6), st.integers(10, 60), st.sampled_from(GROUPED))
    @settings(deadline=None, max_examples=40)
    def test_groups_never_narrow_them(self, seed, n, kind):
        base, candidate, labels = images(seed, n, 6)
        groups = grouping(kind, labels)
        if len(np.unique(groups)) == 1:
            return
        alone = macro_differences(base, candidate, labels, n_classes=6, **FEW)
        grouped = macro_differences(base, candidate, labels, n_classes=6, groups=groups, **FEW)
        for name in METRICS:
            assert grouped[name].value == alone[name].value
            assert (ends(grouped[name])[:2] <= ends(alone[name])[:2]).all()
            assert (ends(grouped[name])[2:] >= ends(alone[name])[2:]).all()

    def test_groups_that_balance_themselves_do_not_narrow_them(self):
        # One newly right and one newly wrong image in each group: drawing whole groups changes nothing.
        labels = np.tile([0, 1], 40)
        base, candidate = np.zeros(80, dtype=np.int64), np.ones(80, dtype=np.int64)
        groups = np.arange(80) // 2
        drawn = bootstrap_differences(base, candidate, labels, n_classes=2, groups=groups, **FEW)
        assert drawn["macro_recall"].high == drawn["macro_recall"].low
        alone, grouped = (
            macro_differences(base, candidate, labels, n_classes=2, groups=each)["macro_recall"]
            for each in (None, groups)
        )
        assert grouped.low <= alone.low < -0.2
        assert grouped.high >= alone.high > 0.2

    @pytest.mark.parametrize("kind", ["none", *GROUPED])
    def test_equal_models_keep_a_width(self, kind):
        base, _, labels = images(0, 50, 5)
        groups = grouping(kind, labels)
        found = macro_differences(base, base, labels, n_classes=5, groups=groups, **FEW)
        for one in found.values():
            assert one.value == 0
            assert one.low < one.lower_bound < -0.02
            assert one.high > one.upper_bound > 0.02

    @given(st.integers(0, 10**6), st.sampled_from(["none", *GROUPED]))
    @settings(deadline=None, max_examples=25)
    def test_swapping_the_models_mirrors_them(self, seed, kind):
        base, candidate, labels = images(seed, 60, 6)
        options = {"n_classes": 6, "groups": grouping(kind, labels), **FEW}
        there = macro_differences(base, candidate, labels, **options)
        back = macro_differences(candidate, base, labels, **options)
        for name in METRICS:
            assert ends(there[name]) == pytest.approx(-ends(back[name])[::-1], abs=1e-12)

    def test_ends_stay_between_minus_one_and_one(self):
        labels = np.arange(4)
        found = macro_differences(labels, (labels + 1) % 4, labels, n_classes=4, **FEW)
        for one in found.values():
            assert one.low == one.lower_bound == one.value == -1
            assert one.high <= 1

    def test_images_all_of_one_group_are_refused(self):
        zeros = np.zeros(3, dtype=np.int64)
        with pytest.raises(ScoringError, match="two groups or more"):
            macro_differences(zeros, zeros, zeros, n_classes=1, groups=zeros)
