"""One gate is one limit as the suite states it, however many classes it has results of."""

from __future__ import annotations

import pytest

from clipeval.records import Notice
from clipeval.records.stated_gates import gate_account, stated_gates, verdict_word
from tests.report.conftest import make_cell, make_gate, make_run


def of_class(name, state="fail", **changes):
    return make_gate(
        **{"metric": "recall", "limit": 0.9, "class_name": name, "state": state, **changes}
    )


def shape(results):
    """Return how many results each gate has, and its state."""
    return [(len(gate.results), gate.state) for gate in stated_gates(results)]


def test_classes_of_one_limit_are_one_gate_of_the_worst_state():
    results = [of_class("one"), of_class("two", "inconclusive"), of_class("three", "error")]
    assert shape(results[:2]) == [(2, "fail")]
    assert shape(results) == [(3, "error")]


def test_order_is_kept_and_nothing_is_lost():
    results = [
        make_gate(),
        *(of_class(name, gate=1) for name in ("one", "two")),
        make_gate(kind="max", limit=1.0, gate=2),
    ]
    gates = stated_gates(results)
    assert [one for gate in gates for one in gate.results] == results
    assert [len(gate.results) for gate in gates] == [1, 2, 1]


def test_two_limits_of_one_gate_are_two():
    assert shape([of_class("one"), of_class("one", kind="max")]) == [(1, "fail"), (1, "fail")]


def test_equal_limits_on_single_classes_are_as_many_gates_whatever_comes_out():
    for states in (("fail", "pass"), ("pass", "fail"), ("fail", "fail"), ("pass", "pass")):
        results = [of_class(state, state, gate=i) for i, state in enumerate(states)]
        assert shape(results) == [(1, state) for state in states]


@pytest.mark.parametrize(
    ("gates", "account"),
    [
        ((), "no gates set"),
        ((make_gate(),), "1 gate passed"),
        ((make_gate(), of_class(None, "pass", gate=1)), "2 gates passed"),
        (
            (make_gate(), of_class("a", gate=1), of_class("b", gate=1)),
            "1 of 2 gates passed, 1 failed",
        ),
        (
            (of_class("a", "inconclusive"), make_gate(state="error", gate=1)),
            "0 of 2 gates passed, 1 inconclusive, 1 undecided",
        ),
    ],
)
def test_account_counts_limits(gates, account):
    assert gate_account(make_run([make_cell(gates=gates)])) == account


def test_account_counts_each_cell_by_itself():
    cells = [make_cell(gates=(of_class("a"),)), make_cell(template="b", gates=(of_class("a"),))]
    assert gate_account(make_run(cells)) == "0 of 2 gates passed, 2 failed"


def test_gates_that_are_about_other_cells_are_not_called_unset():
    notices = (Notice("gate-not-applied", "the gate on top1 is not decided"),)
    run = make_run([make_cell()], notices=notices)
    assert gate_account(run) == "none of the suite's gates applies to these cells"
    judged = make_run([make_cell(gates=(make_gate(),))], notices=notices)
    assert gate_account(judged) == "1 gate passed"


def test_nothing_passes_that_was_not_judged():
    assert verdict_word(make_run([make_cell()])) == "DONE"
    assert verdict_word(make_run([make_cell(gates=(make_gate(),))])) == "PASS"
    assert verdict_word(make_run([make_cell()], verdict="error")) == "ERROR"
