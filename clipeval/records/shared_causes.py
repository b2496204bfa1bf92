"""Why gates could not be decided, said once for all gates of a cell that one cause keeps open."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # for annotations alone: `--help` does without
    from clipeval.records.results import GateKind, GateResult
from clipeval.records.verdicts import Verdict


@dataclass(frozen=True, slots=True, kw_only=True)
class ToldGates:
    """Gates of one cell about which one thing is to be said."""

    results: tuple[GateResult, ...]
    """One that was decided; or all that share a cause, a state and what they are held against."""

    @property
    def state(self) -> Verdict:
        """Of each of them."""
        return self.results[0].state

    @property
    def lines(self) -> tuple[str, ...]:
        """What to print: the message of a single one; else the cause, and which gates it concerns."""
        first = self.results[0]
        if len(self.results) == 1:
            return (first.message,)
        names = dict.fromkeys(gate_text(one.metric, one.kind, one.limit) for one in self.results)
        return (first.cause or first.message, f"gates: {', '.join(names)}")


def told_once(results: Iterable[GateResult]) -> tuple[ToldGates, ...]:
    """Put those gates of a cell together that one cause keeps from being decided.

    Args:
        results: of one cell.
    Returns:
        In the order in which each cause is met first.
    """
    told: dict[object, list[GateResult]] = {}
    for position, one in enumerate(results):
        key = position if one.cause is None else (one.state, one.against, one.cause)
        told.setdefault(key, []).append(one)
    return tuple(ToldGates(results=tuple(gates)) for gates in told.values())


def gate_text(metric: str, kind: GateKind, limit: float) -> str:
    """Name a gate as the suite spells it: `top1 max_drop 0.01`."""
    return f"{metric} {kind} {limit:g}"
