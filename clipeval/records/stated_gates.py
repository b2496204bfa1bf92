"""What was decided, gathered into the gates that a suite states: the one way to count them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from clipeval.wording import count

if TYPE_CHECKING:  # for annotations alone: `--help` does without
    from clipeval.records.results import GateKind, GateResult, RunRecord, Verdict

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

    A gate of the suite may state several limits, each of its kind. That classes keep one is a single
    result for all of them.
    """
    gathered: dict[tuple[int, GateKind], list[GateResult]] = {}
    for result in results:
        gathered.setdefault((result.gate, result.kind), []).append(result)
    return tuple(StatedGate(results=tuple(of_gate)) for of_gate in gathered.values())


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
