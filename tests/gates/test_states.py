from __future__ import annotations

import itertools

import pytest

from clipeval.gates import worst
from clipeval.gates.states import enforced
from clipeval.records import GateResult, GateSpec

ORDER = ["pass", "inconclusive", "fail", "error"]


def result(state):
    return GateResult(
        metric="top1",
        kind="max_drop",
        limit=0.01,
        value=-0.01,
        low=-0.03,
        high=0.01,
        state=state,
        message="open",
        n_to_settle=400,
    )


@pytest.mark.parametrize(("left", "right"), list(itertools.product(ORDER, ORDER)))
def test_worst_of_two_states(left, right):
    assert worst([left, right]) == ORDER[max(ORDER.index(left), ORDER.index(right))]


def test_worst_of_nothing_is_pass():
    assert worst([]) == "pass"


def test_worst_takes_what_can_be_read_once():
    assert worst(state for state in ("pass", "fail", "inconclusive")) == "fail"


def test_inconclusive_fails_where_the_gate_asks_for_certainty():
    gate = GateSpec(metric="top1", max_drop=0.01, on_inconclusive="fail")
    found = enforced(result("inconclusive"), gate)
    assert (found.state, found.n_to_settle) == ("fail", 400)
    assert found.message == "open; on_inconclusive is fail, so this fails"


@pytest.mark.parametrize("state", ORDER)
def test_warn_changes_nothing(state):
    assert enforced(result(state), GateSpec(metric="top1", max_drop=0.01)) == result(state)


@pytest.mark.parametrize("state", ["pass", "fail", "error"])
def test_what_is_decided_stays_decided(state):
    gate = GateSpec(metric="top1", max_drop=0.01, on_inconclusive="fail")
    assert enforced(result(state), gate) == result(state)
