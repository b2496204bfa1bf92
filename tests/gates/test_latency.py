"""Limits on latency: the interval decides, noise is named, what is missing is never a pass."""

from dataclasses import replace

import pytest

from clipeval.gates.latency import (
    MeasuredRatio,
    applies_to,
    decide_limits,
    decide_slowdown,
    undecided_slowdown,
)
from clipeval.records import LatencyGateSpec
from clipeval.records.latency import LatencySummary, StageProfile
from clipeval.records.latency_gates import LatencySetting
from clipeval.stats import Ratio

SETTING = LatencySetting(
    model="m", device="cpu", precision="fp32", backend="torch", batch_size=4, n_threads=2
)
SUMMARY = LatencySummary(
    n=20, median_s=0.100, low_s=0.090, high_s=0.110, q1_s=0.09, q3_s=0.11, p90_s=None, p95_s=None, p99_s=None
)  # fmt: skip
PROFILE = StageProfile(
    stage="encode_image", setting=SETTING, samples_s=(0.1,) * 20, summary=SUMMARY
)


def gate(**limits):
    return LatencyGateSpec(stage="encode_image", **limits)


def ratio(value, low, high):
    return Ratio(value=value, low=low, high=high, n_blocks=8)


class TestLimits:
    @pytest.mark.parametrize(
        ("limit", "state"),
        [(111, "pass"), (110, "pass"), (109, "inconclusive"), (90, "inconclusive"), (89, "fail")],
    )
    def test_max_ms_is_held_against_the_interval_of_the_median(self, limit, state):
        (found,) = decide_limits(gate(max_ms=limit), PROFILE)
        assert found.state == state
        assert (found.value, found.low, found.high) == pytest.approx((100, 90, 110))
        assert found.message.startswith(
            "m, encode_image on cpu, fp32, torch, batch 4, 2 threads takes 100 ms [90, 110]; at most"
        )

    @pytest.mark.parametrize(
        ("limit", "state"), [(36, "pass"), (37, "inconclusive"), (44, "inconclusive"), (45, "fail")]
    )
    def test_min_per_s_counts_the_items_of_a_batch(self, limit, state):
        (found,) = decide_limits(gate(min_per_s=limit), PROFILE)
        assert found.state == state
        assert found.value == pytest.approx(40)
        assert (found.low, found.high) == pytest.approx((4 / 0.110, 4 / 0.090))

    def test_timings_that_never_became_steady_decide_nothing(self):
        (found,) = decide_limits(gate(max_ms=199), replace(PROFILE, is_steady=False))
        assert found.state == "inconclusive"
        assert "never became steady" in found.message

    @pytest.mark.parametrize("doubt", [{"is_steady": False}, {"drift": 0.2}])
    def test_timings_in_doubt_do_not_pass_but_fail_beyond_the_limit(self, doubt):
        doubtful = replace(PROFILE, **doubt)
        states = [decide_limits(gate(max_ms=limit), doubtful)[0].state for limit in (199, 100, 50)]
        assert states == ["inconclusive", "inconclusive", "fail"]

    @pytest.mark.parametrize("doubt", [{"is_steady": False}, {"drift": 0.2}])
    def test_a_limit_twice_what_the_slowest_call_took_is_kept_all_the_same(self, doubt):
        samples = (0.1,) * 19 + (0.3,)
        doubtful = replace(PROFILE, samples_s=samples, **doubt)
        states = [decide_limits(gate(max_ms=limit), doubtful)[0].state for limit in (600, 599)]
        assert states == ["pass", "inconclusive"]
        (kept,) = decide_limits(gate(max_ms=600), doubtful)
        assert kept.message.endswith("but the limit is 2 times the slowest call")
        assert "its timings" in kept.message
        rates = [decide_limits(gate(min_per_s=limit), doubtful)[0].state for limit in (6.66, 6.67)]
        assert rates == ["pass", "inconclusive"]

    def test_large_numbers_show_all_their_digits_before_the_point(self):
        slow = replace(SUMMARY, median_s=1.2334, low_s=1.2331, high_s=1.2339)
        (found,) = decide_limits(gate(max_ms=1233), replace(PROFILE, summary=slow))
        assert found.message.endswith("takes 1,233 ms [1,233, 1,234]; at most 1,233 ms")

    def test_where_certainty_is_asked_for_inconclusive_fails(self):
        (found,) = decide_limits(gate(max_ms=100, on_inconclusive="fail"), PROFILE)
        assert found.state == "fail"
        assert "on_inconclusive is fail" in found.message

    def test_what_could_not_be_timed_is_an_error_and_says_why(self):
        missing = replace(
            PROFILE, summary=None, samples_s=(), problem="out of memory with a batch of 4"
        )
        (found,) = decide_limits(gate(max_ms=100), missing)
        assert (found.state, found.value) == ("error", None)
        assert "out of memory with a batch of 4" in found.message

    def test_both_kinds(self):
        found = decide_limits(gate(max_ms=500, min_per_s=1), PROFILE)
        assert [one.kind for one in found] == ["max_ms", "min_per_s"]


class TestSlowdown:
    @pytest.mark.parametrize(
        ("found", "state"),
        [
            (ratio(1.00, 0.98, 1.02), "pass"),
            (ratio(1.10, 1.09, 1.101), "inconclusive"),
            (ratio(1.30, 1.25, 1.35), "fail"),
            (ratio(0.50, 0.40, 0.60), "pass"),
        ],
    )
    def test_interval_of_the_ratio_decides(self, found, state):
        measured = MeasuredRatio(ratio=found, noise_floor=0.03, against="base")
        result = decide_slowdown(gate(max_slowdown=0.10), PROFILE, measured)
        assert result.state == state
        assert result.value == pytest.approx(found.value - 1)
        assert (result.against, result.noise_floor, result.limit) == ("base", 0.03, 0.10)

    @pytest.mark.parametrize(("high", "state"), [(1.05, "pass"), (1.06, "inconclusive")])
    def test_a_ratio_in_doubt_has_to_keep_half_of_the_limit_and_says_why(self, high, state):
        doubtful = replace(ratio(1.0, 0.98, high), doubt="30 of 32 processes", is_doubtful=True)
        measured = MeasuredRatio(ratio=doubtful, noise_floor=0.03, against="base")
        result = decide_slowdown(gate(max_slowdown=0.10), PROFILE, measured)
        assert result.state == state
        assert result.message.endswith("; 30 of 32 processes")

    def test_a_limit_below_the_noise_floor_is_refused_and_the_floor_is_named(self):
        measured = MeasuredRatio(ratio=ratio(1, 0.9, 1.1), noise_floor=0.12, against="base")
        result = decide_slowdown(gate(max_slowdown=0.10), PROFILE, measured)
        assert (result.state, result.value) == ("error", None)
        assert "10.0% is below this machine's noise floor of 12.0%" in result.message

    def test_nothing_to_compare_with_is_an_error(self):
        result = undecided_slowdown(gate(max_slowdown=0.10), PROFILE, "no baseline")
        assert (result.state, result.limit) == ("error", 0.10)
        assert result.message.endswith(": no baseline")


@pytest.mark.parametrize(
    ("limits", "applies"),
    [
        ({}, True),
        ({"models": ("m",)}, True),
        ({"models": ("other",)}, False),
        ({"batch_sizes": (4, 8)}, True),
        ({"batch_sizes": (1,)}, False),
    ],
)
def test_which_timings_a_gate_is_about(limits, applies):
    assert applies_to(gate(max_ms=1, **limits), PROFILE) is applies
    assert not applies_to(gate(max_ms=1, **limits), replace(PROFILE, stage="classify"))
