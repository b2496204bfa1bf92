"""All gates of one cell."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Protocol, get_args

from clipeval.comparison import compare, pair_images
from clipeval.comparison.binary import newly_wrong_clustering
from clipeval.errors import ComparisonError, ConfigError, ScoringError
from clipeval.gates.absolute import decide_limits
from clipeval.gates.class_drops import decide_class_drops
from clipeval.gates.per_class import decide_class_limits
from clipeval.gates.relative import decide_drop, decide_flip_rate, kept_open, undecided
from clipeval.gates.states import enforced
from clipeval.records import (
    Against,
    CellOutcomes,
    CellResult,
    Comparison,
    GateResult,
    GateSpec,
    Verdict,
)
from clipeval.records.comparisons import ComparisonKind
from clipeval.records.results import GateKind
from clipeval.records.specs import OnInconclusive


@dataclass(frozen=True, slots=True)
class Absent:
    """There is nothing to compare a cell with."""

    message: str
    state: Verdict = "error"


@dataclass(frozen=True, slots=True)
class Itself:
    """The cell is the reference that others are compared with."""


Counterpart = Callable[[Against], CellOutcomes | Absent | Itself]
"""Finds what a cell is compared with."""


class ComparePair(Protocol):
    """Compares two cells, as clipeval.comparison.compare does."""

    def __call__(
        self, base: CellOutcomes, candidate: CellOutcomes, *, kind: ComparisonKind
    ) -> Comparison:
        """Return what comparing them comes to. Raises: ComparisonError, ScoringError."""


_ALL_KINDS: tuple[GateKind, ...] = get_args(GateKind)
_RELATIVE_KINDS: tuple[GateKind, ...] = ("max_drop", "max_negative_flip_rate")
_KINDS: dict[Against, ComparisonKind] = {
    "baseline": "baseline",
    "reference_template": "template",
    "reference_model": "model",
}


def decide(
    gates: Sequence[GateSpec],
    result: CellResult,
    cell: CellOutcomes,
    counterpart: Counterpart,
    *,
    compare_pair: ComparePair = compare,
) -> tuple[GateResult, ...]:
    """Decide the gates of a cell, in their order; all of them, whatever the first ones say.

    Args:
        gates: those that apply.
        result: the cell as it was measured.
        cell: the same, image by image.
        counterpart: finds the baseline, the reference template's or the reference model's cell.
        compare_pair: compares two cells, each time anew or by what it remembers.
    Raises:
        ConfigError: a gate has no limit, and so would always pass.
    """
    decider = _Decider(result, cell, counterpart, compare_pair)
    return tuple(
        replace(enforced(decided, gate), gate=position)
        for position, gate in enumerate(gates)
        for decided in decider.decide(gate)
    )


def judge_drop(
    comparison: Comparison, *, margin: float, on_inconclusive: OnInconclusive
) -> GateResult:
    """Decide whether top-1 dropped by no more than a margin, outside of any suite."""
    gate = GateSpec(metric="top1", max_drop=margin, on_inconclusive=on_inconclusive)
    return enforced(decide_drop("top1", margin, comparison, against=comparison.base), gate)


@dataclass(frozen=True, slots=True)
class _Decider:
    result: CellResult
    cell: CellOutcomes
    counterpart: Counterpart
    compare_pair: ComparePair

    def decide(self, gate: GateSpec) -> list[GateResult]:
        if not _limits_of(gate, *_ALL_KINDS):
            place = f"{gate.where}: " if gate.where else ""
            raise ConfigError(
                f"{place}gate on '{gate.metric}' has no limit; "
                "give min, max, max_drop or max_negative_flip_rate"
            )
        results, gate = _without_broken_limits(gate)
        if gate.classes:
            results += self._class_limits(gate)
        else:
            results += decide_limits(gate, self.result.metrics)
        if gate.max_drop is not None or gate.max_negative_flip_rate is not None:
            results += self._relative(gate)
        return results

    def _class_limits(self, gate: GateSpec) -> Sequence[GateResult]:
        try:
            return decide_class_limits(gate, self.cell)
        except ScoringError as error:
            return _undecided(gate, ("min", "max"), str(error), "error")

    def _relative(self, gate: GateSpec) -> list[GateResult]:
        base = self.counterpart(gate.against)
        if isinstance(base, Itself):
            return []
        if isinstance(base, Absent):
            return _undecided(gate, _RELATIVE_KINDS, base.message, base.state)
        against = base.cell if gate.against != "baseline" else "baseline"
        try:
            comparison = self.compare_pair(base, self.cell, kind=_KINDS[gate.against])
            return self._decide_relative(gate, base, comparison, against)
        except (ComparisonError, ScoringError) as error:
            return _undecided(gate, _RELATIVE_KINDS, str(error), "error")

    def _decide_relative(
        self, gate: GateSpec, base: CellOutcomes, comparison: Comparison, against: str
    ) -> list[GateResult]:
        results: list[GateResult] = []
        if gate.max_drop is not None and gate.classes:
            results += decide_class_drops(
                gate, gate.max_drop, base, self.cell, comparison, against=against
            )
        elif gate.max_drop is not None:
            results.append(decide_drop(gate.metric, gate.max_drop, comparison, against=against))
        if gate.max_negative_flip_rate is not None:
            clustering = newly_wrong_clustering(pair_images(base, self.cell))
            results.append(
                decide_flip_rate(
                    gate.max_negative_flip_rate, comparison, against=against, clustering=clustering
                )
            )
        return results


def _limits_of(gate: GateSpec, *kinds: GateKind) -> dict[GateKind, float]:
    limits: dict[GateKind, float | None] = {
        "min": gate.min,
        "max": gate.max,
        "max_drop": gate.max_drop,
        "max_negative_flip_rate": gate.max_negative_flip_rate,
    }
    return {kind: limit for kind in kinds if (limit := limits[kind]) is not None}


def _without_broken_limits(gate: GateSpec) -> tuple[list[GateResult], GateSpec]:
    """Return errors for limits that are no numbers to compare with, and the gate without those."""
    broken = {
        kind: limit
        for kind, limit in _limits_of(gate, *_ALL_KINDS).items()
        if not math.isfinite(limit)
    }
    errors = [
        undecided(
            gate.metric,
            kind,
            limit,
            f"{gate.metric} {kind} has the limit {limit}; expected a finite number",
        )
        for kind, limit in broken.items()
    ]
    return errors, replace(
        gate,
        min=None if "min" in broken else gate.min,
        max=None if "max" in broken else gate.max,
        max_drop=None if "max_drop" in broken else gate.max_drop,
        max_negative_flip_rate=None
        if "max_negative_flip_rate" in broken
        else gate.max_negative_flip_rate,
    )


def _undecided(
    gate: GateSpec, kinds: Sequence[GateKind], cause: str, state: Verdict
) -> list[GateResult]:
    return [
        kept_open(
            gate.metric,
            kind,
            limit,
            cause,
            against=gate.against if kind in _RELATIVE_KINDS else None,
            state=state,
        )
        for kind, limit in _limits_of(gate, *kinds).items()
    ]
