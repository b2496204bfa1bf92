from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clipeval.gates.absolute import decide_limits
from clipeval.records import GateSpec, MetricValue
from tests.gates.conftest import METRICS

FINITE = st.floats(-10, 10)


def only(gate, metrics=None):
    (result,) = decide_limits(gate, METRICS if metrics is None else metrics)
    return result


def test_value_below_the_minimum_fails():
    result = only(GateSpec(metric="top1", min=0.8))
    assert result.state == "fail"
    assert result.message == "top1 0.412 [0.380, 0.445] is below the minimum 0.800"
    assert (result.metric, result.kind, result.limit) == ("top1", "min", 0.8)
    assert (result.value, result.low, result.high) == (0.412, 0.380, 0.445)


def test_value_above_the_minimum_passes():
    result = only(GateSpec(metric="top1", min=0.4))
    assert result.state == "pass"
    assert result.message == "top1 0.412 [0.380, 0.445] keeps the minimum 0.400"


def test_value_above_the_maximum_fails_and_has_no_interval():
    result = only(GateSpec(metric="ece", max=0.05))
    assert result.state == "fail"
    assert result.message == "ece 0.080 is above the maximum 0.050"
    assert (result.kind, result.low, result.high) == ("max", None, None)


def test_value_below_the_maximum_passes():
    result = only(GateSpec(metric="ece", max=0.1))
    assert (result.state, result.message) == ("pass", "ece 0.080 keeps the maximum 0.100")


@pytest.mark.parametrize("kind", ["min", "max"])
def test_value_on_the_limit_passes(kind):
    assert only(GateSpec(metric="top1", **{kind: 0.412})).state == "pass"


def test_the_value_is_held_against_the_limit_and_not_its_interval():
    assert only(GateSpec(metric="top1", min=0.411)).state == "pass"
    assert only(GateSpec(metric="top1", min=0.413)).state == "fail"


def test_both_limits_are_decided_apart():
    low, high = decide_limits(GateSpec(metric="top1", min=0.5, max=0.9), METRICS)
    assert [(low.kind, low.state), (high.kind, high.state)] == [("min", "fail"), ("max", "pass")]


def test_limit_of_zero_is_a_limit():
    assert only(GateSpec(metric="ece", max=0.0)).state == "fail"


def test_message_has_enough_digits_to_tell_value_from_limit():
    metrics = {"top1": MetricValue(value=0.79996, n=10)}
    result = only(GateSpec(metric="top1", min=0.8), metrics)
    assert result.message == "top1 0.79996 is below the minimum 0.80000"


def test_absent_metric_is_an_error_and_never_a_pass():
    result = only(GateSpec(metric="top5", min=0.0))
    assert (result.state, result.value) == ("error", None)
    assert "top5 was not measured" in result.message
    assert "measured: top1, ece" in result.message
    assert "\n" not in result.message


def test_misspelt_metric_names_its_neighbour():
    assert "did you mean 'top1'" in only(GateSpec(metric="topp1", min=0.1)).message


def test_cell_without_metrics_is_an_error():
    result = only(GateSpec(metric="top1", min=0.1), {})
    assert (result.state, result.value) == ("error", None)
    assert "two classes" in result.message


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
@pytest.mark.parametrize("kind", ["min", "max"])
def test_value_that_is_not_finite_is_an_error(kind, value):
    metrics = {"nll": MetricValue(value=value, n=1)}
    result = only(GateSpec(metric="nll", **{kind: 0.5}), metrics)
    assert (result.state, result.value) == ("error", None)
    assert str(value) in result.message


@pytest.mark.parametrize("limit", [float("nan"), float("-inf")])
def test_limit_that_is_not_finite_is_an_error(limit):
    assert only(GateSpec(metric="top1", min=limit)).state == "error"


def test_a_gate_without_absolute_limits_decides_none_here():
    assert decide_limits(GateSpec(metric="top1", max_drop=0.1), METRICS) == ()


@given(FINITE, FINITE)
def test_a_gate_passes_exactly_when_the_value_keeps_the_limit(value, limit):
    metrics = {"nll": MetricValue(value=value, n=1)}
    low, high = decide_limits(GateSpec(metric="nll", min=limit, max=limit), metrics)
    assert (low.state == "pass") == (value >= limit)
    assert (high.state == "pass") == (value <= limit)
    assert {low.state, high.state} <= {"pass", "fail"}
