"""What keeps several gates of a cell from being decided is said once, with their names."""

from dataclasses import replace

from clipeval.records import GateResult
from clipeval.records.shared_causes import gate_text, told_once

NO_BASELINE = "there is no baseline; accept a run"


def gate(metric, kind, limit, *, cause=None, state="fail", against="baseline"):
    return GateResult(
        metric=metric,
        kind=kind,
        limit=limit,
        value=None if cause else 0.5,
        low=None,
        high=None,
        state=state,
        message=f"{gate_text(metric, kind, limit)}: {cause}" if cause else f"{metric} is 0.5",
        against=against,
        cause=cause,
    )


DROP = gate("top1", "max_drop", 0.01, cause=NO_BASELINE)
FLIPS = gate("top1", "max_negative_flip_rate", 0.02, cause=NO_BASELINE)
CLASSES = gate("recall", "max_drop", 0.1, cause=NO_BASELINE)
DECIDED = gate("top1", "min", 0.9, against=None)


def told(*results):
    return [one.lines for one in told_once(results)]


def test_a_shared_cause_is_said_once_where_it_comes_first():
    assert told(DECIDED, DROP, DECIDED, FLIPS, CLASSES) == [
        ("top1 is 0.5",),
        (
            "there is no baseline; accept a run",
            "gates: top1 max_drop 0.01, top1 max_negative_flip_rate 0.02, recall max_drop 0.1",
        ),
        ("top1 is 0.5",),
    ]


def test_all_results_are_there_whatever_is_said():
    assert [one.results for one in told_once([DROP, FLIPS, FLIPS])] == [(DROP, FLIPS, FLIPS)]
    assert told(FLIPS, FLIPS) == [(NO_BASELINE, "gates: top1 max_negative_flip_rate 0.02")]


def test_a_cause_of_one_gate_stays_its_message():
    assert told(DROP) == [("top1 max_drop 0.01: there is no baseline; accept a run",)]


def test_other_states_and_other_things_compared_with_are_told_apart():
    others = (DROP, replace(FLIPS, state="error"), replace(CLASSES, against="food/m/photo"))
    assert told(*others) == [(one.message,) for one in others]


def test_gates_that_were_decided_are_never_put_together():
    assert told(DECIDED, DECIDED) == [("top1 is 0.5",)] * 2
