from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from clipeval.errors import ScoringError
from clipeval.stats import (
    Clustering,
    Discordance,
    cluster,
    effective,
    effective_wilson_interval,
    number_groups,
    tango_interval,
    wilson_interval,
)

PAIRED = st.lists(st.sampled_from([-1, 0, 1]), min_size=2, max_size=60)
"""Per image: newly wrong, same, newly right."""


def discordance(values):
    values = np.asarray(values)
    return Discordance(
        n=len(values),
        newly_right=int((values == 1).sum()),
        newly_wrong=int((values == -1).sum()),
    )


def interval_of(values, groups):
    clustering = cluster(np.asarray(values, dtype=np.float64), np.asarray(groups))
    return tango_interval(effective(discordance(values), clustering), df=clustering.df)


def test_design_effect_by_hand():
    # Mean 0.5; deviations +-0.5, so 6 * 0.25 = 1.5 below. Groups sum to 1.0, 0.0 and -1.0, so
    # 3 / 2 * 2 = 3 above.
    clustering = cluster(np.array([1.0, 1, 1, 0, 0, 0]), np.array([7, 7, 3, 3, 5, 5]))
    assert clustering == Clustering(n_groups=3, design_effect=2.0)
    assert clustering.df == 2


def test_design_effect_agrees_with_a_slow_loop():
    rng = np.random.default_rng(0)
    values, groups = rng.integers(-1, 2, 200).astype(float), rng.integers(0, 30, 200)
    values += np.repeat(rng.normal(size=30), 1)[groups]
    mean = sum(values) / 200
    above = sum(
        sum(v - mean for v, g in zip(values, groups, strict=True) if g == group) ** 2
        for group in set(groups.tolist())
    )
    measured = 30 / 29 * above / sum((v - mean) ** 2 for v in values)
    worst_case = sum(groups.tolist().count(group) ** 2 for group in set(groups.tolist())) / 200
    expected = (30 * measured + 5 * worst_case) / 35
    assert cluster(values, groups).design_effect == pytest.approx(expected, rel=1e-12)


def test_groups_that_balance_themselves_do_not_narrow():
    clustering = cluster(np.tile([1.0, 0], 50), np.repeat(np.arange(50), 2))
    assert clustering.design_effect == 1.0


def test_one_flip_does_not_make_alike_images_independent():
    # 100 groups of 10. Nothing flipped: 10 images count as one. One flip in one group says little more.
    groups = np.repeat(np.arange(100), 10)
    effects = []
    for n_flipped in (0, 1, 2, 20):
        values = np.zeros(1000)
        values[: 10 * n_flipped : 10] = -1
        effects.append(cluster(values, groups).design_effect)
    assert effects[0] == 10
    assert effects[1] == pytest.approx((1 * 1.0 + 5 * 10) / 6, rel=0.02)
    assert effects == sorted(effects, reverse=True)


def test_equal_values_take_the_worst_case():
    # Sizes 1, 2 and 3: (1 + 4 + 9) / 6.
    clustering = cluster(np.ones(6), np.array([0, 1, 1, 2, 2, 2]))
    assert clustering.design_effect == pytest.approx(14 / 6)
    assert cluster(np.zeros(4), np.arange(4)).design_effect == 1.0


@given(PAIRED)
def test_duplicating_every_image_in_its_group_changes_nothing(values):
    alone = interval_of(values, np.arange(len(values)))
    twice = interval_of(np.repeat(values, 2), np.repeat(np.arange(len(values)), 2))
    assert twice.low == pytest.approx(alone.low, abs=1e-9)
    assert twice.high == pytest.approx(alone.high, abs=1e-9)


def test_without_groups_duplication_narrows_by_about_the_root_of_two():
    values = [1] * 30 + [-1] * 20 + [0] * 450
    alone, twice = (tango_interval(discordance(np.repeat(values, k))) for k in (1, 2))
    ratio = (alone.high - alone.low) / (twice.high - twice.low)
    assert ratio == pytest.approx(math.sqrt(2), rel=0.02)


@given(PAIRED, st.randoms(use_true_random=False), st.integers(-5, 5))
def test_order_of_images_and_names_of_groups_do_not_matter(values, random, shift):
    groups = [random.randrange(3) for _ in values]
    groups[:2] = 0, 1
    both = list(zip(values, groups, strict=True))
    random.shuffle(both)
    one = cluster(np.array(values, dtype=float), np.array(groups))
    other = cluster(np.array([v for v, _ in both], dtype=float), np.array([g for _, g in both]))
    renamed = cluster(np.array(values, dtype=float), shift - 2 * np.array(groups))
    assert other.design_effect == pytest.approx(one.design_effect, rel=1e-9)
    assert renamed.design_effect == pytest.approx(one.design_effect, rel=1e-9)


@given(PAIRED, st.integers(1, 5))
def test_swapping_the_models_keeps_the_design_effect(values, size):
    values = np.array(values * 2, dtype=float)
    groups = np.arange(len(values)) // size % 7
    groups[0], groups[-1] = 0, 1
    one, other = cluster(values, groups), cluster(-values, groups)
    assert one == other


def test_effective_counts_are_divided():
    found = effective(Discordance(n=30, newly_right=3, newly_wrong=6), Clustering(10, 1.5))
    assert (found.n, found.newly_right, found.newly_wrong) == (20, 2, 4)


@given(st.integers(1, 500), st.data(), st.floats(1, 20))
def test_grouped_wilson_interval_contains_the_share_and_is_no_narrower(n, data, effect):
    successes = data.draw(st.integers(0, n))
    grouped = effective_wilson_interval(successes, n, Clustering(10, effect))
    alone = wilson_interval(successes, n)
    assert 0 <= grouped.low <= successes / n <= grouped.high <= 1
    assert grouped.low <= alone.low + 1e-12
    assert grouped.high >= alone.high - 1e-12


def test_grouped_wilson_interval_is_that_of_as_many_independent_images():
    grouped = effective_wilson_interval(30, 50, Clustering(10, 2.0), confidence=0.9)
    alone = wilson_interval(15, 25, confidence=0.9)
    assert grouped.low == pytest.approx(alone.low, abs=1e-12)
    assert grouped.high == pytest.approx(alone.high, abs=1e-12)


@pytest.mark.parametrize("n", [0, 1, 5])
def test_fewer_than_two_groups_are_refused(n):
    with pytest.raises(ScoringError, match="two groups or more"):
        cluster(np.ones(n), np.zeros(n, dtype=np.int64))


def test_arrays_of_different_lengths_are_refused():
    with pytest.raises(ScoringError, match=r"expected the same \(N,\)"):
        cluster(np.ones(3), np.arange(4))


def test_values_that_are_not_finite_are_refused():
    with pytest.raises(ScoringError, match="not finite"):
        cluster(np.array([1.0, np.nan]), np.arange(2))


@pytest.mark.parametrize("effect", [0.9, 0.0, math.nan, math.inf])
def test_impossible_design_effects_are_refused(effect):
    with pytest.raises(ScoringError, match="design effect"):
        effective(Discordance(n=9, newly_right=1, newly_wrong=1), Clustering(3, effect))
    with pytest.raises(ScoringError, match="design effect"):
        effective_wilson_interval(1, 2, Clustering(3, effect))


@pytest.mark.parametrize(("successes", "n"), [(0, 0), (3, 2), (-1, 2)])
def test_impossible_counts_are_refused(successes, n):
    with pytest.raises(ScoringError, match="0 <= successes <= n"):
        effective_wilson_interval(successes, n, Clustering(3, 1.0))


def test_impossible_confidence_is_refused():
    with pytest.raises(ScoringError, match=r"outside \(0, 1\)"):
        effective_wilson_interval(1, 2, Clustering(3, 1.0), confidence=95)


def test_clustering_is_frozen():
    with pytest.raises(AttributeError):
        Clustering(3, 1.0).n_groups = 4


class TestNumbering:
    """An image without a group is a group of its own."""

    def test_groups_are_numbered_as_they_come(self):
        assert number_groups(["b", "a", "b", None, None, ""]).tolist() == [0, 1, 0, 2, 3, 4]

    def test_no_groups_are_none(self):
        assert number_groups([None, None]) is None

    def test_a_group_named_like_a_position_is_another(self):
        assert number_groups(["1", None, "1"]).tolist() == [0, 1, 0]
