from __future__ import annotations

import math
from dataclasses import replace

import pytest

from clipeval.errors import ConfigError
from clipeval.gates import Absent, Itself, decide
from clipeval.records import GateSpec, MetricValue
from tests.comparison.conftest import make_outcomes, make_table
from tests.gates.conftest import METRICS, decided, make_result

BASE, CANDIDATE = make_table(both_right=60, newly_right=2, newly_wrong=30, both_wrong=8)
OPEN_BASE, OPEN = make_table(both_right=50, newly_right=4, newly_wrong=6, both_wrong=5)


class TestAllOfThem:
    """Every gate of a cell is decided, in its order, whatever the others say."""

    def test_all_failed_gates_are_reported_together(self):
        gates = [
            GateSpec(metric="top1", min=0.8, max_drop=0.05, max_negative_flip_rate=0.02),
            GateSpec(metric="topp1", min=0.5),
            GateSpec(metric="recall", classes=("a", "zebra"), min=0.9),
            GateSpec(metric="macro_f1", max_drop=0.02),
            GateSpec(metric="ece", max=0.1),
        ]
        found = decided(gates, CANDIDATE, BASE)
        assert [(one.metric, one.kind, one.state) for one in found] == [
            ("top1", "min", "fail"),
            ("top1", "max_drop", "fail"),
            ("top1", "max_negative_flip_rate", "fail"),
            ("topp1", "min", "error"),
            ("recall", "min", "error"),
            ("recall", "min", "fail"),
            ("macro_f1", "max_drop", "fail"),
            ("ece", "max", "pass"),
        ]
        assert all(one.message for one in found)
        assert len(found[1].images) == 20
        assert [one.gate for one in found] == [0, 0, 0, 1, 2, 2, 3, 4]

    def test_equal_limits_on_single_classes_stay_gates_of_their_own(self):
        gates = [GateSpec(metric="recall", classes=(name,), min=0.9) for name in "ab"]
        found = decided(gates, CANDIDATE)
        assert [(one.gate, one.class_name) for one in found] == [(0, "A"), (1, "B")]

    def test_no_gates_decide_nothing(self):
        assert decided([]) == ()

    def test_a_gate_without_a_limit_is_refused(self):
        with pytest.raises(ConfigError, match=r"food\.yaml:7: gate on 'top1' has no limit"):
            decided([GateSpec(metric="top1", where="food.yaml:7")])

    @pytest.mark.parametrize(
        ("against", "told"),
        [
            ("baseline", "baseline"),
            ("reference_template", "pets/tiny/photo"),
            ("reference_model", "pets/tiny/photo"),
        ],
    )
    def test_results_name_what_they_were_compared_with(self, against, told):
        asked = []

        def counterpart(wanted):
            asked.append(wanted)
            return BASE

        gate = GateSpec(metric="top1", max_drop=0.05, against=against)
        (found,) = decide([gate], make_result(), CANDIDATE, counterpart)
        assert (asked, found.against) == ([against], told)

    def test_absolute_gates_ask_for_nothing_to_compare_with(self):
        def counterpart(against):
            raise AssertionError(against)

        (found,) = decide([GateSpec(metric="top1", min=0.4)], make_result(), CANDIDATE, counterpart)
        assert found.state == "pass"

    def test_gates_against_other_cells_are_not_mixed_up(self):
        others = {
            "baseline": BASE,
            "reference_template": replace(CANDIDATE, cell="pets/tiny/plate", prompts_sha256="p"),
        }
        gates = [
            GateSpec(metric="top1", max_drop=0.05),
            GateSpec(metric="top1", max_drop=0.05, against="reference_template"),
            GateSpec(metric="macro_recall", max_drop=0.05),
        ]
        found = decide(gates, make_result(), CANDIDATE, others.__getitem__)
        assert [one.state for one in found] == ["fail", "pass", "fail"]
        assert [one.value == 0 for one in found] == [False, True, False]

    def test_classes_with_max_drop_are_decided_class_by_class(self):
        (found,) = decided(
            [GateSpec(metric="recall", classes=("b",), max_drop=0.05)], CANDIDATE, BASE
        )
        assert (found.class_name, found.kind, found.state) == ("B", "max_drop", "fail")


class TestOnInconclusive:
    """An open question is a warning, or a failure where the gate says so."""

    @pytest.mark.parametrize(("on", "state"), [("warn", "inconclusive"), ("fail", "fail")])
    @pytest.mark.parametrize(
        "limits",
        [
            {"metric": "top1", "max_drop": 0.05},
            {"metric": "top1", "max_negative_flip_rate": 0.1},
            {"metric": "recall", "max_drop": 0.05, "classes": ("a",)},
            {"metric": "recall", "min": 0.9, "classes": ("a",)},
            {"metric": "macro_recall", "max_drop": 0.05},
        ],
    )
    def test_what_is_open_follows_the_gate(self, limits, on, state):
        (found,) = decided([GateSpec(**limits, on_inconclusive=on)], OPEN, OPEN_BASE)
        assert found.state == state
        assert found.n_to_settle > 0
        assert ("on_inconclusive is fail" in found.message) == (on == "fail")

    def test_each_gate_has_its_own_say(self):
        gates = [
            GateSpec(metric="top1", max_drop=0.05, on_inconclusive=on) for on in ("fail", "warn")
        ]
        assert [one.state for one in decided(gates, OPEN, OPEN_BASE)] == ["fail", "inconclusive"]


BOTH = GateSpec(metric="top1", max_drop=0.05, max_negative_flip_rate=0.02)


class TestNothingToCompareWith:
    """Missing or incomparable is an error, or what its finder says; never a pass."""

    @pytest.mark.parametrize("state", ["error", "fail", "inconclusive"])
    def test_absent_gives_its_state_to_every_comparison(self, state):
        gate = replace(BOTH, min=0.4)
        found = decide([gate], make_result(), CANDIDATE, lambda _: Absent("no such cell", state))
        assert [(one.kind, one.state) for one in found] == [
            ("min", "pass"),
            ("max_drop", state),
            ("max_negative_flip_rate", state),
        ]
        assert found[1].message == "top1 max_drop 0.05: no such cell"
        assert (found[1].value, found[1].against) == (None, "baseline")

    def test_absent_is_an_error_unless_it_says_otherwise(self):
        assert Absent("gone").state == "error"

    def test_the_reference_itself_has_no_result_but_keeps_absolute_limits(self):
        result = make_result()
        assert decide([BOTH], result, CANDIDATE, lambda _: Itself()) == ()
        (found,) = decide([replace(BOTH, min=0.9)], result, CANDIDATE, lambda _: Itself())
        assert (found.kind, found.state) == ("min", "fail")

    @pytest.mark.parametrize(
        "gate",
        [
            BOTH,
            GateSpec(metric="macro_f1", max_drop=0.9),
            GateSpec(metric="recall", max_drop=0.9, classes="all"),
            replace(BOTH, on_inconclusive="fail"),
        ],
    )
    def test_cells_that_cannot_be_paired_are_an_error(self, gate):
        other = make_outcomes("ab", "ab", classes="ab", ids=["p", "q"])
        found = decided([gate], CANDIDATE, other)
        assert {one.state for one in found} == {"error"}
        assert all("0 images in common" in one.message for one in found)

    def test_a_single_class_is_an_error(self):
        cell = make_outcomes("aa", "aa", classes="a")
        found = decided([BOTH], cell, replace(cell, prompts_sha256="other"))
        assert [one.state for one in found] == ["error", "error"]

    def test_images_of_a_single_group_are_an_error_in_every_gate_that_counts_groups(self):
        grouped = replace(CANDIDATE, groups=("burst",) * 100)
        gates = [
            replace(BOTH, min=0.4),
            GateSpec(metric="recall", classes="all", min=0.1, max=0.9, max_drop=0.5),
        ]
        found = decided(gates, grouped, BASE)
        assert [(one.kind, one.state) for one in found] == [
            ("min", "pass"),
            ("max_drop", "error"),
            ("max_negative_flip_rate", "error"),
            ("min", "error"),
            ("max", "error"),
            ("max_drop", "error"),
        ]
        assert all("of one group, 'burst'" in one.message for one in found[1:])


class TestNotFinite:
    """NaN and infinity are errors, never passes."""

    @pytest.mark.parametrize("limit", [math.nan, math.inf, -math.inf])
    @pytest.mark.parametrize(
        "gate",
        [
            {"metric": "top1", "kind": "min"},
            {"metric": "top1", "kind": "max"},
            {"metric": "top1", "kind": "max_drop"},
            {"metric": "top1", "kind": "max_negative_flip_rate"},
            {"metric": "recall", "kind": "min", "classes": "all"},
            {"metric": "recall", "kind": "max", "classes": "all"},
            {"metric": "recall", "kind": "max_drop", "classes": ("a",)},
        ],
    )
    def test_a_limit_that_is_not_finite_is_an_error(self, gate, limit):
        gate = dict(gate)
        kind = gate.pop("kind")
        (found,) = decided([GateSpec(**gate, **{kind: limit})], CANDIDATE, BASE)
        assert (found.state, found.kind, found.value) == ("error", kind, None)
        assert f"has the limit {limit}; expected a finite number" in found.message

    def test_a_broken_limit_hides_no_other_limit_of_its_gate(self):
        gate = GateSpec(metric="top1", min=math.nan, max=0.2)
        broken, kept = decided([gate], CANDIDATE, BASE)
        assert [(broken.kind, broken.state), (kept.kind, kept.state)] == [
            ("min", "error"),
            ("max", "fail"),
        ]

    def test_a_value_that_is_not_finite_is_an_error(self):
        metrics = {"top1": MetricValue(value=math.nan, n=4)}
        (found,) = decided([GateSpec(metric="top1", min=0.0)], metrics=metrics)
        assert found.state == "error"


class TestGroups:
    """Flips that come in bursts are less evidence than their number."""

    def test_the_flip_rate_knows_how_its_own_flips_hang_together(self):
        # In 2 of 20 groups of 4 images, 2 are newly right and 2 newly wrong: the difference does not
        # vary from group to group, but newly wrong images come in pairs.
        kinds = "++--" * 2 + "=" * 72
        labels = "ab" * 40
        other = {"a": "b", "b": "a"}
        pairs = list(zip(labels, kinds, strict=True))
        groups = tuple(f"g{index // 4:02d}" for index in range(80))
        base = make_outcomes(labels, [k if c != "+" else other[k] for k, c in pairs], classes="ab")
        now = make_outcomes(
            labels, [k if c != "-" else other[k] for k, c in pairs], classes="ab", weights="new"
        )
        gate = GateSpec(metric="top1", max_negative_flip_rate=0.11)
        (plain,) = decided([gate], now, base)
        (found,) = decided([gate], replace(now, groups=groups), base)
        assert (plain.state, found.state) == ("pass", "inconclusive")
        assert found.high > plain.high
        assert found.value == plain.value == 0.05


def test_metrics_of_the_cell_are_the_ones_measured():
    (found,) = decided([GateSpec(metric="top1", min=0.41)])
    assert found.value == METRICS["top1"].value
