"""The verdicts' simulation with few runs: benchmarks/verdicts.py prints the full tables.

Tolerances are 4 Monte-Carlo standard errors, sqrt(p (1 - p) / runs): a right share misses one in
some 16,000 times, and the seed is fixed besides.
"""

from __future__ import annotations

import importlib
import math
import sys
from pathlib import Path

import numpy as np
import pytest

from clipeval.stats import macro_differences, minimum_detectable_difference
from clipeval.stats.bootstrap import bootstrap_differences

RUNS = 2000


BENCHMARKS = Path(__file__).parents[2] / "benchmarks"
MODULES = ("simulation", "macro_verdicts", "verdicts")


@pytest.fixture(scope="module")
def benchmarks():
    """The modules of the benchmark by name; they import each other, as scripts in one folder do."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(BENCHMARKS)
        yield {name: importlib.import_module(name) for name in MODULES}
        for name in MODULES:
            patch.delitem(sys.modules, name)


@pytest.fixture(scope="module")
def verdicts(benchmarks):
    return benchmarks["verdicts"]


@pytest.fixture(scope="module")
def macro(benchmarks):
    return benchmarks["macro_verdicts"]


@pytest.fixture
def rng():
    return np.random.default_rng(7)


def room(share, runs=RUNS):
    return 4 * math.sqrt(share * (1 - share) / runs)


def shares(verdicts, truth, rng, *, margin):
    counts = verdicts.draw(truth, runs=RUNS, rng=rng)
    ends = verdicts.paired_ends(counts, n=truth.n, confidence=0.9)
    return verdicts.verdict_shares(ends, margin=margin)


@pytest.mark.parametrize(("n", "rate"), [(100, 0.1), (500, 0.1), (2000, 0.02)])
def test_identical_models_fail_in_5_percent_at_most(verdicts, rng, n, rate):
    truth = verdicts.truth_at(n, rate, 0.0)
    found = shares(verdicts, truth, rng, margin=0.0)
    assert found.failed <= 0.05 + room(0.05)
    # A test that never fails would keep the limit too.
    assert found.failed >= 0.03
    assert shares(verdicts, truth, rng, margin=0.01).failed < found.failed


def test_the_margin_is_a_drop_that_is_accepted(verdicts, rng):
    # At the margin itself neither verdict is right. With the margin's sign wrong, a drop of 0.03
    # would nearly always fail, and a gain of 0.03 never pass.
    at_margin = shares(verdicts, verdicts.truth_at(2000, 0.1, -0.03), rng, margin=0.03)
    assert 0.03 <= at_margin.failed <= 0.05 + room(0.05)
    assert 0.03 <= at_margin.passed <= 0.05 + room(0.05)
    gained = shares(verdicts, verdicts.truth_at(2000, 0.1, 0.03), rng, margin=0.03)
    assert (gained.passed, gained.failed) == (1.0, 0.0)
    dropped = shares(verdicts, verdicts.truth_at(2000, 0.1, -0.07), rng, margin=0.03)
    assert dropped.failed > 0.99
    assert dropped.passed == 0.0


@pytest.mark.parametrize(("n", "rate"), [(500, 0.1), (500, 0.3)])
def test_the_detectable_drop_is_found_in_80_percent(verdicts, rng, n, rate):
    drop = minimum_detectable_difference(n=n, rate=rate)
    counts = verdicts.draw(verdicts.truth_at(n, rate, -drop), runs=RUNS, rng=rng)
    found = np.mean(verdicts.paired_ends(counts, n=n, confidence=0.95)[:, 1] < 0)
    # 0.811 and 0.802 when summed exactly.
    assert 0.80 - room(0.80) <= found <= 0.81 + room(0.80)


def test_the_paired_interval_covers_and_is_narrower_than_the_unpaired(verdicts, rng):
    truth = verdicts.truth_at(500, 0.1, -0.01)
    counts = verdicts.draw(truth, runs=RUNS, rng=rng)
    paired = verdicts.paired_ends(counts, n=500, confidence=0.95)
    unpaired = verdicts.unpaired_ends(counts, n=500)
    assert verdicts.coverage(paired, -0.01) >= 0.95 - room(0.95)
    assert verdicts.coverage(unpaired, -0.01) > 0.99
    ratio = np.mean(np.diff(unpaired)) / np.mean(np.diff(paired))
    assert ratio == pytest.approx(1.76, abs=0.05)


def test_groups_of_alike_images_fail_too_often_unless_corrected(verdicts, rng):
    runs = 1000
    values = verdicts.draw_groups(100, rate=0.2, correlation=0.9, runs=runs, rng=rng)
    counts = verdicts.counts_of_groups(values)
    naive = verdicts.paired_ends(counts, n=500, confidence=0.9)
    assert verdicts.verdict_shares(naive, margin=0.0).failed > 0.15
    corrected = verdicts.verdict_shares(verdicts.grouped_ends(values), margin=0.0)
    assert 0.02 <= corrected.failed <= 0.05 + room(0.05, runs)


MACRO_RUNS = 600
DROPS = pytest.mark.parametrize("drop", [0.0, 0.03])


def false_shares(ends):
    """(3,) shares of runs whose interval is wholly below the truth, and wholly above it."""
    return np.mean(ends[:, :, 1] < 0, axis=0), np.mean(ends[:, :, 0] > 0, axis=0)


@DROPS
@pytest.mark.parametrize("name", ["5", "one image each", "20, long tail"])
def test_macro_gates_keep_the_level_however_small_classes_are(macro, rng, name, drop):
    design = dict(macro.DESIGNS)[name](100)
    found = macro.simulate(design, drop=drop, runs=MACRO_RUNS, rng=rng)
    for shares in false_shares(macro.macro_ends(found, drop=drop)):
        assert (shares <= 0.05 + room(0.05, MACRO_RUNS)).all()
        # An interval as wide as can be would keep the level, too.
        assert (shares >= 0.005).all()


def test_small_classes_that_alone_got_worse_do_not_hide(macro, rng):
    for name, design, drops in macro.SMALL_CLASSES_WORSE[:3]:
        found = macro.simulate(design, drop=drops, runs=MACRO_RUNS, rng=rng)
        for shares in false_shares(macro.macro_ends(found, drop=drops)):
            assert (shares <= 0.05 + room(0.05, MACRO_RUNS)).all(), name


@pytest.mark.parametrize("name", ["one image each", "20, long tail"])
def test_a_bootstrap_alone_would_not_keep_it(macro, rng, name):
    design = dict(macro.DESIGNS)[name](100)
    found = macro.simulate(design, drop=0.0, runs=MACRO_RUNS, rng=rng)
    failed = 0
    for base, candidate in zip(found.base, found.candidate, strict=True):
        drawn = bootstrap_differences(
            base, candidate, design.labels, n_classes=design.n_classes, n_resamples=100
        )
        failed += drawn["macro_recall"].upper_bound < 0
    assert failed / MACRO_RUNS > 0.05 + room(0.05, MACRO_RUNS)


@pytest.mark.parametrize("name", ["20", "5, groups of 5"])
def test_intervals_that_decide_are_those_of_the_package(macro, rng, name):
    design = dict(macro.DESIGNS)[name](100)
    found = macro.simulate(design, drop=0.0, runs=40, rng=rng)
    for run, one in enumerate(macro.macro_ends(found, drop=0.0)):
        expected = macro_differences(
            found.base[run],
            found.candidate[run],
            design.labels,
            n_classes=design.n_classes,
            groups=design.groups,
            n_resamples=macro.N_RESAMPLES,
        )
        for (low, high), metric in zip(one.tolist(), macro.METRICS, strict=True):
            bounds = expected[metric]
            # The others hold the truth, and would do so with the bootstrap, which only widens.
            assert (low > 0) == (bounds.lower_bound > 0)
            assert (high < 0) == (bounds.upper_bound < 0)
            assert low >= bounds.lower_bound
            assert high <= bounds.upper_bound


@DROPS
def test_macro_models_are_drawn_with_the_difference_asked_for(macro, rng, drop):
    found = macro.simulate(macro.of_classes(20)(500), drop=drop, runs=200, rng=rng)
    then, now = (each == found.design.labels for each in (found.base, found.candidate))
    assert np.mean(now * 1.0 - then) == pytest.approx(-drop, abs=0.004)
    assert np.mean(then != now) == pytest.approx(macro.RATE, abs=0.004)
    assert np.mean(then) == pytest.approx(macro.BASE_ACCURACY, abs=0.01)


def test_groups_of_macro_models_are_mostly_alike(macro, rng):
    found = macro.simulate(macro.in_groups(500), drop=0.0, runs=100, rng=rng)
    wrong = (found.base != found.design.labels).reshape(100, -1, 5)
    pairs = np.corrcoef(wrong[..., 0].ravel(), wrong[..., 1].ravel())[0, 1]
    assert pairs == pytest.approx(0.81, abs=0.03)
    assert (np.bincount(found.design.groups) == 5).all()


@pytest.mark.parametrize("n", [100, 500, 2000])
def test_designs_have_the_images_asked_for(macro, n):
    for name, design_of in macro.DESIGNS:
        labels = design_of(n).labels
        assert len(labels) == n, name
        sizes = np.bincount(labels)
        assert sizes.min() >= (1 if name == "one image each" else 2)
    assert np.bincount(macro.long_tailed(n).labels)[0] > 0.3 * n


def test_groups_are_drawn_with_the_rate_and_correlation_asked_for(verdicts, rng):
    values = verdicts.draw_groups(400, rate=0.2, correlation=0.9, runs=50, rng=rng)
    assert np.mean(values != 0) == pytest.approx(0.2, abs=0.01)
    # Both of two images share the group's value with the chance 0.9^2.
    pairs = np.corrcoef(values[..., 0].ravel(), values[..., 1].ravel())[0, 1]
    assert pairs == pytest.approx(0.81, abs=0.03)


def test_counts_are_drawn_with_the_difference_asked_for(verdicts, rng):
    counts = verdicts.draw(verdicts.truth_at(500, 0.1, -0.03), runs=RUNS, rng=rng)
    assert np.mean(counts[:, 0] - counts[:, 1]) / 500 == pytest.approx(-0.03, abs=0.001)
    assert np.mean(counts[:, 0] + counts[:, 1]) / 500 == pytest.approx(0.1, abs=0.001)
    base_accuracy = np.mean(counts[:, 1] + counts[:, 2]) / 500
    assert base_accuracy == pytest.approx(verdicts.BASE_ACCURACY, abs=0.002)


def test_a_claim_fails_beyond_monte_carlo_error_only(verdicts):
    # sqrt(0.05 * 0.95 / 1900) = 0.005; three of them are 0.015.
    assert verdicts.is_at_most(0.0649, 0.05, 1900)
    assert not verdicts.is_at_most(0.0651, 0.05, 1900)
    assert verdicts.is_at_least(0.9351, 0.95, 1900)
    assert not verdicts.is_at_least(0.9349, 0.95, 1900)


@pytest.mark.parametrize(("claim", "expected"), [("holds", 0), ("none", 0), ("FAILS", 1)])
def test_the_exit_code_tells_whether_a_claim_fails(verdicts, monkeypatch, capsys, claim, expected):
    def simulate(*, runs, rng):
        return [verdicts.Row(("1",), claim)]

    monkeypatch.setattr(verdicts, "TABLES", (("A table", ("images",), simulate),))
    assert verdicts.main(["--runs", "10"]) == expected
    assert f"| 1 | {claim} |" in capsys.readouterr().out


def test_every_table_is_printed_and_repeats(verdicts, capsys):
    first, second = (
        (verdicts.main(["--runs", "20", "--seed", "3"]), capsys.readouterr().out) for _ in range(2)
    )
    # The last line tells the seconds.
    assert first[1].splitlines()[:-1] == second[1].splitlines()[:-1]
    assert first[1].count("\n### ") == 8
