from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clipeval.errors import ScoringError
from clipeval.metrics import macro_averages
from clipeval.stats.bootstrap import bootstrap_differences

N_RESAMPLES = 40
METRICS = ("macro_recall", "macro_precision", "macro_f1")


def images(seed, n, n_classes, *, hit=0.6):
    """Labels that need not use every class; predictions that may use the others."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, max(1, n_classes - 2), n)
    base, candidate = (
        np.where(rng.random(n) < hit, labels, rng.integers(0, n_classes, n)) for _ in range(2)
    )
    return base, candidate, labels


def slow_macro(predicted, labels, n_classes):
    averages = macro_averages(predicted, labels, n_classes=n_classes)
    return np.array([averages.recall, averages.precision, averages.f1])


def slow_draws(labels, groups, rng):
    """Draw images one by one: strata by first position, units of a stratum by first position."""
    units = list(range(len(labels))) if groups is None else list(dict.fromkeys(groups.tolist()))
    unit_of = units if groups is None else groups.tolist()
    members = {unit: [i for i, u in enumerate(unit_of) if u == unit] for unit in units}
    pure = all(len({int(labels[i]) for i in members[unit]}) == 1 for unit in units)
    stratum_of = {unit: int(labels[members[unit][0]]) if pure else 0 for unit in units}
    strata = list(dict.fromkeys(stratum_of[unit] for unit in units))
    for _ in range(N_RESAMPLES):
        shares = iter(rng.random(len(units)).tolist())
        drawn = []
        for stratum in strata:
            within = [unit for unit in units if stratum_of[unit] == stratum]
            for _ in within:
                drawn.extend(members[within[int(next(shares) * len(within))]])
        yield np.array(drawn)


def grouping(kind, labels):
    rng = np.random.default_rng(5)
    match kind:
        case "none":
            return None
        case "within classes":
            return labels * 100 + rng.integers(0, 4, len(labels))
        case "across classes":
            return rng.integers(0, 5, len(labels))
    raise AssertionError(kind)


@pytest.mark.parametrize("kind", ["none", "within classes", "across classes"])
def test_intervals_agree_with_resampling_image_by_image(kind):
    base, candidate, labels = images(1, 70, 7)
    groups = grouping(kind, labels)
    found = bootstrap_differences(
        base, candidate, labels, n_classes=7, groups=groups, n_resamples=N_RESAMPLES, seed=3
    )
    differences = [
        slow_macro(candidate[drawn], labels[drawn], 7) - slow_macro(base[drawn], labels[drawn], 7)
        for drawn in slow_draws(labels, groups, np.random.default_rng(3))
    ]
    for metric, values in zip(METRICS, np.array(differences).T, strict=True):
        one = found[metric]
        expected = np.quantile(values, [0.025, 0.975, 0.05, 0.95])
        actual = [one.low, one.high, one.lower_bound, one.upper_bound]
        assert actual == pytest.approx(expected, abs=1e-12)


@given(st.integers(0, 10**6), st.integers(1, 60), st.integers(1, 9))
@settings(deadline=None)
def test_values_are_those_of_the_macro_averages(seed, n, n_classes):
    base, candidate, labels = images(seed, n, n_classes)
    found = bootstrap_differences(base, candidate, labels, n_classes=n_classes, n_resamples=1)
    expected_base = slow_macro(base, labels, n_classes)
    expected = slow_macro(candidate, labels, n_classes)
    for k, metric in enumerate(METRICS):
        assert found[metric].base == pytest.approx(expected_base[k], abs=1e-12)
        assert found[metric].candidate == pytest.approx(expected[k], abs=1e-12)
        assert found[metric].value == found[metric].candidate - found[metric].base


@given(st.integers(0, 10**6), st.sampled_from(["none", "within classes", "across classes"]))
@settings(deadline=None, max_examples=25)
def test_swapping_the_models_mirrors_the_result(seed, kind):
    base, candidate, labels = images(seed, 60, 6)
    options = {"n_classes": 6, "groups": grouping(kind, labels), "n_resamples": N_RESAMPLES}
    one = bootstrap_differences(base, candidate, labels, **options)
    other = bootstrap_differences(candidate, base, labels, **options)
    for metric in METRICS:
        assert one[metric].value == -other[metric].value
        assert one[metric].low == pytest.approx(-other[metric].high, abs=1e-12)
        assert one[metric].lower_bound == pytest.approx(-other[metric].upper_bound, abs=1e-12)


@given(st.integers(0, 10**6), st.permutations(range(6)))
@settings(deadline=None, max_examples=25)
def test_renumbering_the_classes_changes_nothing(seed, numbers):
    base, candidate, labels = images(seed, 60, 6)
    renumbered = [np.array(numbers)[each] for each in (base, candidate, labels)]
    options = {"n_classes": 6, "n_resamples": N_RESAMPLES}
    assert bootstrap_differences(*renumbered, **options) == bootstrap_differences(
        base, candidate, labels, **options
    )


def test_renaming_the_groups_changes_nothing():
    base, candidate, labels = images(2, 60, 6)
    groups = grouping("across classes", labels)
    one, other = (
        bootstrap_differences(base, candidate, labels, n_classes=6, groups=names, n_resamples=20)
        for names in (groups, 1000 - 3 * groups)
    )
    assert one == other


def test_images_that_are_their_own_group_are_independent():
    base, candidate, labels = images(2, 60, 6)
    one, other = (
        bootstrap_differences(base, candidate, labels, n_classes=6, groups=groups, n_resamples=20)
        for groups in (None, np.arange(60))
    )
    assert one == other


def test_interval_of_recall_has_the_width_of_the_formula():
    # Macro recall is a mean of means: its variance is the mean of the classes' variances / C.
    rng = np.random.default_rng(0)
    labels = np.repeat([0, 1, 2], [500, 300, 200])
    base = np.where(rng.random(1000) < 0.7, labels, (labels + 1) % 3)
    candidate = np.where(rng.random(1000) < 0.8, labels, (labels + 2) % 3)
    changed = (candidate == labels).astype(float) - (base == labels)
    variances = [changed[labels == k].var() / (labels == k).sum() for k in range(3)]
    error = np.sqrt(sum(variances)) / 3
    recall = bootstrap_differences(base, candidate, labels, n_classes=3)["macro_recall"]
    # 2,000 draws know a 2.5% quantile of the normal to about 0.06 errors.
    assert recall.low == pytest.approx(recall.value - 1.96 * error, abs=0.2 * error)
    assert recall.high == pytest.approx(recall.value + 1.96 * error, abs=0.2 * error)
    assert recall.lower_bound == pytest.approx(recall.value - 1.645 * error, abs=0.2 * error)


def test_duplicating_every_image_widens_with_groups_alone():
    base, candidate, labels = (np.repeat(each, 4) for each in images(4, 200, 5))
    groups = np.repeat(np.arange(200), 4)
    grouped, alone = (
        bootstrap_differences(base, candidate, labels, n_classes=5, groups=each)["macro_f1"]
        for each in (groups, None)
    )
    assert (grouped.high - grouped.low) / (alone.high - alone.low) == pytest.approx(2, rel=0.1)


@pytest.mark.parametrize("kind", ["none", "across classes"])
def test_equal_models_differ_by_nothing(kind):
    base, _, labels = images(0, 50, 5)
    groups = grouping(kind, labels)
    found = bootstrap_differences(base, base, labels, n_classes=5, groups=groups, n_resamples=20)
    for one in found.values():
        assert (one.value, one.low, one.high, one.lower_bound, one.upper_bound) == (0,) * 5


def test_ends_are_in_order_and_the_seed_decides():
    base, candidate, labels = images(0, 200, 5)
    one, again, other = (
        bootstrap_differences(base, candidate, labels, n_classes=5, seed=seed, n_resamples=200)
        for seed in (0, 0, 1)
    )
    assert one == again
    assert one != other
    for each in one.values():
        assert each.low < each.lower_bound < each.upper_bound < each.high


def test_a_class_that_vanishes_from_a_draw_is_left_out():
    # Two groups; class 1 is in the second alone, and the base never finds it.
    labels = np.array([0, 0, 0, 1])
    base, candidate = np.array([1, 0, 0, 0]), labels
    groups = np.array([0, 0, 1, 1])
    found = bootstrap_differences(
        base, candidate, labels, n_classes=2, groups=groups, n_resamples=400
    )
    recall = found["macro_recall"]
    assert (recall.base, recall.candidate) == (pytest.approx(1 / 3), 1.0)
    # Only the first group: class 0 half right, so 1/2 below, and not 1/4. Only the second: 1 and 0,
    # so 1/2 below. Both: 2/3 and 0, so 2/3 below.
    assert (recall.low, recall.high) == (0.5, pytest.approx(2 / 3))


@pytest.mark.parametrize(
    ("base", "candidate", "labels", "message"),
    [
        ([], [], [], "N >= 1"),
        ([0], [0, 1], [0, 1], "base predictions have shape"),
        ([0, 1], [0], [0, 1], "candidate predictions have shape"),
        ([0, 3], [0, 1], [0, 1], "base predictions: class 3 of image 1"),
        ([0, 1], [-1, 1], [0, 1], "candidate predictions: class -1 of image 0"),
        ([0, 1], [0, 1], [0, 9], "labels: class 9 of image 1"),
    ],
)
def test_arrays_that_do_not_fit_are_refused(base, candidate, labels, message):
    arrays = (np.array(each, dtype=np.int64) for each in (base, candidate, labels))
    with pytest.raises(ScoringError, match=message):
        bootstrap_differences(*arrays, n_classes=3)


def test_groups_that_do_not_fit_are_refused():
    zeros = np.zeros(3, dtype=np.int64)
    with pytest.raises(ScoringError, match="groups have shape"):
        bootstrap_differences(zeros, zeros, zeros, n_classes=1, groups=np.arange(2))


def test_no_resamples_are_refused():
    zeros = np.zeros(3, dtype=np.int64)
    with pytest.raises(ScoringError, match="0 resamples"):
        bootstrap_differences(zeros, zeros, zeros, n_classes=1, n_resamples=0)
