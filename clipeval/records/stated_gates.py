"""What was decided, gathered into the gates that a suite states: the one way to count them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from clipeval.records.metric_names import CLASS_METRIC_NAMES
from clipeval.wording import count

if TYPE_CHECKING:  # for annotations alone: `--help` does without
    from clipeval.records.results import GateResult, RunRecord, Verdict

FROM_BEST: tuple[Verdict, ...] = ("pass", "inconclusive", "fail", "error")
_SAID: dict[Verdict, str] = {
    "fail": "failed",
    "inconclusive": "inconclusive",
    "error": "undecided",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class StatedGate:
    """One limit of a suite on one cell."""

    results: tuple[GateResult, ...]
    """One, or for a limit on classes one for each class that did not pass."""

    @property
    def state(self) -> Verdict:
        """The worst of its results: a limit on classes passes if all its classes do."""
        return max((one.state for one in self.results), key=FROM_BEST.index)


def stated_gates(results: Iterable[GateResult]) -> tuple[StatedGate, ...]:
    """Gather the results of one cell by the limit that they are of, in their order.

    Neighbours of one limit on classes are one gate. A class limit that passes has a single result for
    all its classes, so that what follows it belongs to another.
    """
    gathered: list[list[GateResult]] = []
    for result in results:
        if gathered and _is_same_gate(gathered[-1][-1], result):
            gathered[-1].append(result)
        else:
            gathered.append([result])
    return tuple(StatedGate(results=tuple(of_gate)) for of_gate in gathered)


def gate_account(record: RunRecord) -> str:
    """Count the gates of a run by state: `2 of 3 gates passed, 1 failed`; `no gates set`."""
    states = Counter(gate.state for cell in record.cells for gate in stated_gates(cell.gates))
    n_gates = states.total()
    if not n_gates:
        return "no gates set"
    if states["pass"] == n_gates:
        return f"{count(n_gates, 'gate')} passed"
    rest = [f"{count(states[state])} {word}" for state, word in _SAID.items() if states[state]]
    return f"{count(states['pass'])} of {count(n_gates, 'gate')} passed, {', '.join(rest)}"


def _is_same_gate(before: GateResult, after: GateResult) -> bool:
    is_of_classes = after.metric in CLASS_METRIC_NAMES
    return is_of_classes and before.state != "pass" and _limit(before) == _limit(after)


def _limit(result: GateResult) -> tuple[str, str, float, str | None]:
    return (result.metric, result.kind, result.limit, result.against)
