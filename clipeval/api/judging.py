"""Decides the gates of a suite's cells, finding what each is compared with."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace

from clipeval.api.comparer import Comparer, ComparisonRequest
from clipeval.comparison import cell_outcomes, find_renamed
from clipeval.errors import ClipEvalError, ComparisonError, ScoringError
from clipeval.gates import Absent, Itself, decide
from clipeval.plan import Cell, Plan, applies, reference_cell
from clipeval.records import (
    Against,
    Baseline,
    CellOutcomes,
    EvaluatedCell,
    SuiteSpec,
)
from clipeval.records.comparisons import ComparisonKind

MAX_FLIPPED = 24
"""Images newly wrong, and newly right, that a report shows of each cell."""
EvaluateReference = Callable[[Cell], EvaluatedCell]
KnownCell = Callable[[Cell], EvaluatedCell | None]
_REFERENCES: tuple[tuple[ComparisonKind, Against], ...] = (
    ("model", "reference_model"),
    ("template", "reference_template"),
)


@dataclass(slots=True)
class Judge:
    """Decides gates cell by cell; a cell's reference is asked for when a gate needs it."""

    plan: Plan
    comparer: Comparer
    _outcomes: dict[str, CellOutcomes] = field(default_factory=dict)
    """Of references, by cell id."""

    @classmethod
    def of(cls, plan: Plan, baseline: Baseline | None) -> Judge:
        """Prepare to decide the gates of a plan.

        Args:
            plan: a suite and its cells.
            baseline: that its cells are held against, as suite_baseline opens it.
        """
        return cls(plan, Comparer(ComparisonRequest.of(plan, baseline), baseline))

    def judge(
        self, cell: Cell, evaluated: EvaluatedCell, evaluate: EvaluateReference
    ) -> EvaluatedCell:
        """Return a cell with all of its gates decided.

        Args:
            cell: as planned.
            evaluated: the same, measured.
            evaluate: returns another cell of the plan, measured; may raise ClipEvalError.
        """
        gates = [gate for gate in self.plan.suite.gates if applies(gate, cell)]
        if not gates:
            return evaluated
        outcomes = cell_outcomes(evaluated.result, evaluated.predictions)

        def counterpart(against: Against) -> CellOutcomes | Absent | Itself:
            if against == "baseline":
                return self._in_baseline(outcomes)
            return self._reference(cell, against, evaluate)

        decided = decide(
            gates, evaluated.result, outcomes, counterpart, compare_pair=self.comparer.compare
        )
        return replace(evaluated, result=replace(evaluated.result, gates=decided))

    def images_that_flipped(
        self, cell: Cell, evaluated: EvaluatedCell, known: KnownCell
    ) -> tuple[str, ...]:
        """Return sample ids of images that a cell has wrong and what it is held against right, or reversed.

        It is held against the baseline, else against its reference model, else its reference template, as the
        report shows it. At most MAX_FLIPPED of either; none where there is nothing of the kind.

        Args:
            cell: as planned.
            evaluated: the same, measured.
            known: returns another cell of the plan if it was evaluated before.
        """
        now = cell_outcomes(evaluated.result, evaluated.predictions)
        for kind, was in self._held_against(cell, now, known):
            try:
                found = self.comparer.compare(was, now, kind=kind)
            except (ComparisonError, ScoringError):
                continue  # told of when the whole run is compared
            flips = (*found.newly_wrong[:MAX_FLIPPED], *found.newly_right[:MAX_FLIPPED])
            return tuple(flip.sample_id for flip in flips)
        return ()

    def _held_against(
        self, cell: Cell, now: CellOutcomes, known: KnownCell
    ) -> Iterator[tuple[ComparisonKind, CellOutcomes]]:
        if self.comparer.baseline is not None:
            was = self.comparer.in_baseline(now)
            if was is not None:
                yield "baseline", was
        for kind, against in _REFERENCES:
            reference = reference_cell(self.plan, cell, against)
            other = None if reference is None or reference.id == cell.id else known(reference)
            if other is not None:
                yield kind, cell_outcomes(other.result, other.predictions)

    def _in_baseline(self, outcomes: CellOutcomes) -> CellOutcomes | Absent:
        baseline = self.comparer.baseline
        if baseline is None:
            return Absent(_no_baseline(self.plan.suite), state="fail")
        found = self.comparer.in_baseline(outcomes)
        if found is not None:
            return found
        message = f"the baseline {baseline.source} has no cell '{outcomes.cell}'"
        then = self.comparer.baseline_cells()
        gone = [one for one in then if not self.comparer.is_in_suite(one.cell)]
        renamed = find_renamed(gone, outcomes)
        if renamed is not None:
            message += (
                f"; it has the same prompts and images as '{renamed.cell}', so rename it back, or"
            )
        else:
            message += ";"
        return Absent(
            f"{message} accept a run that has it: clipeval baseline accept RUN", state="fail"
        )

    def _reference(
        self, cell: Cell, against: Against, evaluate: EvaluateReference
    ) -> CellOutcomes | Absent | Itself:
        reference = reference_cell(self.plan, cell, against)
        if reference is None:
            return Absent(
                f"there is no {against.replace('_', ' ')} in this run to compare {cell.id} with; "
                "name one under `reference:` in the suite, and do not leave it out"
            )
        if reference.id == cell.id:
            return Itself()
        if reference.id not in self._outcomes:
            try:
                evaluated = evaluate(reference)
            except ClipEvalError as error:
                return Absent(f"the reference {reference.id} could not be evaluated: {error}")
            self._outcomes[reference.id] = cell_outcomes(evaluated.result, evaluated.predictions)
        return self._outcomes[reference.id]


def is_reference(plan: Plan, cell: Cell) -> bool:
    """Say whether other cells are compared with this one."""
    suite = plan.suite
    return (
        cell.template.id == suite.reference_templates.get(cell.dataset.key)
        or cell.model.id == suite.reference_model
    )


def _no_baseline(suite: SuiteSpec) -> str:
    return (
        f"suite '{suite.name}' has no baseline to compare with (looked for baselines/{suite.name}.json); "
        "make one of a run that you trust: clipeval baseline accept RUN"
    )
