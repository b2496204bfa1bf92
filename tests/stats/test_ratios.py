"""Ratios of paired timings: by hand, and by simulation of machines that are not quiet."""

import dataclasses
import math

import numpy as np
import pytest

from clipeval.stats.ratios import (
    Ratio,
    abba_log_ratio,
    noise_floor,
    process_noise,
    ratio_of_blocks,
    ratio_to_one_process,
    ratio_verdict,
)

MARGIN = 0.10


def noisy_log_ratios(random, *, n_blocks, slowdown, noise=0.02):
    """Blocks A, B, B, A of a machine with heavy tails, a drift, and steps between two speeds.

    Each number stands for the median of a process's calls, whose noise is what is left of theirs.
    """
    speed, log_ratios = 0.0, []
    drift = random.normal(0, 0.002)
    for _ in range(n_blocks):
        four = []
        for is_b in (False, True, True, False):
            if random.random() < 0.05:  # another clock speed from here on
                speed = random.choice([0.0, 0.06])
            speed += drift
            process = noise * random.standard_t(df=3)
            four.append(math.exp(speed + process) * (1 + slowdown if is_b else 1))
        log_ratios.append(abba_log_ratio(*four))
    return log_ratios


def verdicts(*, slowdown, n_blocks=8, n_runs=400):
    random = np.random.default_rng(7)
    return [
        ratio_verdict(
            ratio_of_blocks(noisy_log_ratios(random, n_blocks=n_blocks, slowdown=slowdown)),
            margin=MARGIN,
        )
        for _ in range(n_runs)
    ]


class TestBlock:
    def test_is_b_over_a(self):
        assert abba_log_ratio(1.0, 1.2, 1.2, 1.0) == pytest.approx(math.log(1.2))

    def test_a_steady_slowing_of_the_machine_cancels(self):
        slowing = [1.0, 1.1, 1.1**2, 1.1**3]
        assert abba_log_ratio(*slowing) == pytest.approx(0.0)
        assert math.log(slowing[1] / slowing[0]) == pytest.approx(
            math.log(1.1)
        )  # A, B alone would not


class TestRatio:
    def test_of_blocks_that_agree(self):
        ratio = ratio_of_blocks([math.log(1.1)] * 6)
        assert ratio.value == pytest.approx(1.1)
        assert (ratio.low, ratio.high) == pytest.approx((1.1, 1.1))
        assert ratio.n_blocks == 6

    def test_is_a_median(self):
        ratio = ratio_of_blocks([0.0] * 4 + [0.01] * 3 + [5.0])
        assert ratio.value == pytest.approx(math.exp(0.005))

    def test_needs_six_blocks(self):
        with pytest.raises(ValueError, match="5 blocks; expected at least 6"):
            ratio_of_blocks([0.0] * 5)

    def test_interval_holds_the_truth_as_often_as_it_says(self):
        random = np.random.default_rng(3)
        hits = 0
        for _ in range(400):
            ratio = ratio_of_blocks(noisy_log_ratios(random, n_blocks=8, slowdown=0.2))
            hits += ratio.low <= 1.2 <= ratio.high
        assert hits / 400 >= 0.94


class TestVerdict:
    @pytest.mark.parametrize(
        ("low", "high", "verdict"),
        [
            (0.97, 1.03, "pass"), (1.02, 1.10, "pass"), (1.05, 1.12, "inconclusive"),
            (1.10, 1.30, "inconclusive"), (1.11, 1.30, "fail"), (0.5, 2.0, "inconclusive"),
        ],
    )  # fmt: skip
    def test_hangs_on_the_interval(self, low, high, verdict):
        ratio = Ratio(value=(low + high) / 2, low=low, high=high, n_blocks=8)
        assert ratio_verdict(ratio, margin=MARGIN) == verdict

    def test_the_same_model_never_fails(self):
        found = verdicts(slowdown=0.0)
        assert found.count("fail") / len(found) <= 0.01
        assert found.count("pass") / len(found) >= 0.80

    def test_at_the_margin_it_fails_at_most_as_often_as_stated(self):
        assert verdicts(slowdown=MARGIN).count("fail") / 400 <= 0.05
        assert verdicts(slowdown=MARGIN).count("pass") / 400 <= 0.05

    def test_twice_the_margin_is_found(self):
        assert verdicts(slowdown=0.20).count("fail") / 400 >= 0.80


class TestStatedRates:
    """What docs/latency.md states of a margin of 5%: level 5%, power 80% for 10% slower."""

    def fails(self, *, slowdown, noise, n_blocks):
        random = np.random.default_rng(7)
        found = [
            ratio_verdict(
                ratio_of_blocks(
                    noisy_log_ratios(random, n_blocks=n_blocks, slowdown=slowdown, noise=noise)
                ),
                margin=0.05,
            )
            for _ in range(100)
        ]
        return found.count("fail") / len(found)

    @pytest.mark.parametrize(("noise", "n_blocks"), [(0.005, 8), (0.01, 8), (0.02, 16)])
    def test_ten_per_cent_slower_is_found_and_the_same_model_is_not(self, noise, n_blocks):
        setting = {"noise": noise, "n_blocks": n_blocks}
        assert self.fails(slowdown=0.10, **setting) >= 0.80
        assert self.fails(slowdown=0.0, **setting) <= 0.05
        assert self.fails(slowdown=0.05, **setting) <= 0.05  # just at the margin


class TestNoiseFloor:
    def test_is_what_an_a_a_comparison_cannot_tell_from_nothing(self):
        assert noise_floor(Ratio(value=1, low=0.98, high=1.05, n_blocks=6)) == pytest.approx(0.05)
        assert noise_floor(Ratio(value=1, low=0.8, high=1.05, n_blocks=6)) == pytest.approx(0.25)


class TestOneProcessThen:
    """One process was stored; several are of today. What one comes to differs from the next."""

    NOISE = 0.03

    def trial(self, random, true, n):
        before = math.exp(self.NOISE * random.standard_normal())
        now = true * np.exp(self.NOISE * random.standard_normal(n))
        return ratio_to_one_process(before, now)

    @pytest.mark.parametrize("n", [40, 48, 80, 240])
    def test_interval_holds_the_truth_as_often_as_it_says_however_many_processes(self, n):
        random = np.random.default_rng(n)
        held = [
            ratio.low <= 1.1 <= ratio.high
            for ratio in (self.trial(random, 1.1, n) for _ in range(4000))
        ]
        # (K + 1 - 2 ranks) / (K + 1): 95.1, 95.9, 95.1 and 95.9%; 4,000 trials scatter by 0.35
        assert 0.94 <= np.mean(held) <= 0.97

    def test_more_processes_do_not_make_it_sure_of_what_one_cannot_tell(self):
        random = np.random.default_rng(3)
        verdicts = [ratio_verdict(self.trial(random, 1.10, 240), margin=0.10) for _ in range(300)]
        assert verdicts.count("fail") <= 15
        assert verdicts.count("pass") <= 15

    def test_by_hand(self):
        ratio = ratio_to_one_process(2.0, [2.0 * f for f in np.linspace(0.9, 1.1, 41)])
        assert (ratio.low, ratio.value, ratio.high) == pytest.approx((0.9, 1.0, 1.1))
        assert process_noise([2.0 * f for f in np.linspace(0.9, 1.1, 41)]) == pytest.approx(
            1 / 0.9 - 1
        )

    def test_needs_forty_processes(self):
        with pytest.raises(ValueError, match="39 processes; expected at least 40"):
            ratio_to_one_process(1.0, [1.0] * 39)


class TestDoubt:
    """Timings that were never steady pass only with room to spare; beyond the margin they fail all the same."""

    @pytest.mark.parametrize(
        ("low", "high", "verdict"),
        [
            (0.98, 1.04, "pass"),
            (0.98, 1.06, "inconclusive"),
            (0.98, 1.2, "inconclusive"),
            (1.12, 1.2, "fail"),
        ],
    )
    def test_half_of_the_margin_has_to_be_kept(self, low, high, verdict):
        ratio = Ratio(value=(low + high) / 2, low=low, high=high, n_blocks=8)
        doubtful = dataclasses.replace(ratio, doubt="17 of 32 processes", is_doubtful=True)
        assert ratio_verdict(doubtful, margin=0.10) == verdict
        assert ratio_verdict(ratio, margin=0.10) == ("pass" if high == 1.06 else verdict)
