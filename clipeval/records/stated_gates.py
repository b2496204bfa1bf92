"""What was decided, gathered into the gates that a suite states: the one way to count them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from clipeval.wording import count

if TYPE_CHECKING:  # for annotations alone: `--help` does without
    from clipeval.records.results import GateKind, GateResult, RunRecord
from clipeval.records.verdicts import Verdict

GATE_NOT_APPLIED = "gate-not-applied"
"""Code of the notice that a gate of the suite judges none of the cells of a run."""
NOTHING_JUDGED = "DONE"
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


def is_judged(record: RunRecord) -> bool:
    """Say whether a verdict of pass rests on any gate; another verdict always rests on something."""
    has_limits = record.latency is not None and bool(record.latency.gates)
    return record.verdict != "pass" or has_limits or any(cell.gates for cell in record.cells)


def verdict_word(record: RunRecord) -> str:
    """Return the verdict as it is shown: `PASS`; `DONE` where it is pass and nothing was judged."""
    return record.verdict.upper() if is_judged(record) else NOTHING_JUDGED


def gate_account(record: RunRecord) -> str:
    """Count the gates of a run by state: `2 of 3 gates passed, 1 failed`; `no gates set`.

    Where the suite has gates and none was about the cells of the run, that is said instead.
    """
    states = Counter(gate.state for cell in record.cells for gate in stated_gates(cell.gates))
    if record.latency is not None:
        states.update(gate.state for gate in record.latency.gates)
    n_gates = states.total()
    if not n_gates:
        has_gates = any(notice.code == GATE_NOT_APPLIED for notice in record.notices)
        return "none of the suite's gates applies to these cells" if has_gates else "no gates set"
    if states["pass"] == n_gates:
        return f"{count(n_gates, 'gate')} passed"
    rest = [f"{count(states[state])} {word}" for state, word in _SAID.items() if states[state]]
    return f"{count(states['pass'])} of {count(n_gates, 'gate')} passed, {', '.join(rest)}"
