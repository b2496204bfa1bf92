"""Compares the cells of a finished run: with their references, and with the baseline."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from clipeval.api.baselines import find_baseline, open_baseline
from clipeval.api.judging import allows_other_model, compares_with_baseline
from clipeval.comparison import (
    adjust,
    cell_outcomes,
    compare,
    confirm_winner,
    environment_changes,
    find_counterpart,
    find_renamed,
)
from clipeval.errors import ComparisonError, ScoringError, StoreError
from clipeval.gates import worst
from clipeval.plan import build_plan
from clipeval.records import (
    Baseline,
    BaselineUse,
    CellOutcomes,
    Comparison,
    Holdout,
    Notice,
    Predictions,
    RunRecord,
    SuiteSpec,
)
from clipeval.records.comparisons import ComparisonKind

MAX_FLIPS = 100
"""Newly right and newly wrong images that run.json lists for each comparison; all are in the table."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ComparisonRequest:
    """What a suite wants its cells to be compared with; plain values, so that processes can hand it on."""

    reference_templates: Mapping[str, str] = field(default_factory=dict)
    """Data-set key -> template id."""
    reference_model: str | None = None
    baseline: str | None = None
    """Path, as it is shown."""
    folder: str = ""
    """That it is relative to, whatever the current folder is by the time it is read again."""
    has_baseline_gates: bool = False
    """Cells that the baseline has and the suite does not are a failure then."""
    any_model: bool = False
    """The baseline's model may have another name."""
    suite_cells: tuple[str, ...] | None = None
    """Ids of all cells that the suite has; None if the command line replaced them."""
    holdout: float | None = None

    @classmethod
    def of(cls, suite: SuiteSpec) -> ComparisonRequest:
        """Read it off a suite.

        Raises:
            StoreError: the baseline that was named is not there.
        """
        path = find_baseline(suite)
        return cls(
            reference_templates=dict(suite.reference_templates),
            reference_model=suite.reference_model,
            baseline=str(path) if path else None,
            folder=str(Path.cwd()),
            has_baseline_gates=compares_with_baseline(suite.gates),
            any_model=allows_other_model(suite),
            suite_cells=tuple(cell.id for cell in build_plan(suite).cells)
            if suite.is_whole
            else None,
            holdout=suite.holdout,
        )


def with_comparisons(
    record: RunRecord, predictions: Mapping[str, Predictions], request: ComparisonRequest
) -> RunRecord:
    """Return a run with everything compared that was asked for.

    What cannot be compared is told in a notice. Cells of the baseline that the suite has lost make the
    verdict `fail`, where gates rely on the baseline.

    Args:
        record: complete or partial, with its cells' own gates decided.
        predictions: of its cells, by id.
        request: what to compare with.
    """
    cells = [cell_outcomes(cell, predictions[cell.id]) for cell in record.cells]
    comparer = _Comparer(request)
    comparisons = [*comparer.templates(cells), *comparer.models(cells)]
    holdouts = comparer.holdouts(cells)
    use: BaselineUse | None = None
    baseline = comparer.open_baseline(record.suite)
    if baseline is not None:
        comparisons += comparer.with_baseline(cells, baseline)
        use = _use_of(baseline, record, cells, request)
    states = [record.verdict]
    if use and use.is_gated and (use.missing_cells or use.renamed_cells):
        states.append("fail")
    if comparer.is_baseline_lost:
        states.append("error")
    return replace(
        record,
        verdict=worst(states),
        reference_model=request.reference_model,
        comparisons=tuple(listing_at_most(one, MAX_FLIPS) for one in comparisons),
        holdouts=tuple(
            replace(one, confirmation=listing_at_most(one.confirmation, MAX_FLIPS))
            for one in holdouts
        ),
        baseline=use,
        notices=(*record.notices, *dict.fromkeys(comparer.notices)),
    )


def listing_at_most(comparison: Comparison, n_flips: int) -> Comparison:
    """Return a comparison that names fewer images; its counts stay those of all."""
    return replace(
        comparison,
        newly_right=comparison.newly_right[:n_flips],
        newly_wrong=comparison.newly_wrong[:n_flips],
    )


@dataclass(slots=True)
class _Comparer:
    request: ComparisonRequest
    notices: list[Notice] = field(default_factory=list)
    is_baseline_lost: bool = False

    def templates(self, cells: Sequence[CellOutcomes]) -> list[Comparison]:
        """Compare every template with the reference template of its data set."""
        found: list[Comparison] = []
        for family in _families(cells, lambda c: (c.dataset, c.model.id, _setting(c))):
            wanted = self.request.reference_templates.get(family[0].dataset)
            reference = next((cell for cell in family if cell.template == wanted), None)
            found += self._family(family, "template", reference)
        return found

    def models(self, cells: Sequence[CellOutcomes]) -> list[Comparison]:
        """Compare every model with the reference model."""
        found: list[Comparison] = []
        wanted = self.request.reference_model
        for family in _families(cells, lambda c: (c.dataset, c.template, _setting(c))):
            reference = next((cell for cell in family if cell.model.id == wanted), None)
            found += self._family(family, "model", reference)
        return found

    def with_baseline(self, cells: Sequence[CellOutcomes], baseline: Baseline) -> list[Comparison]:
        """Compare every cell with what it was."""
        then = [one.outcomes for one in baseline.cells.values()]
        pairs = [
            (find_counterpart(then, now, any_model=self.request.any_model), now) for now in cells
        ]
        compared = [self._compare(was, now, "baseline") for was, now in pairs if was is not None]
        return [one for one in compared if one is not None]

    def holdouts(self, cells: Sequence[CellOutcomes]) -> list[Holdout]:
        """Confirm the best template of each data set and model on images it was not chosen on."""
        if self.request.holdout is None:
            return []
        found: list[Holdout] = []
        for family in _families(cells, lambda c: (c.dataset, c.model.id, _setting(c))):
            try:
                found.append(
                    confirm_winner(
                        family,
                        reference=self.request.reference_templates.get(family[0].dataset),
                        fraction=self.request.holdout,
                        setting=f"{family[0].device} {family[0].precision}",
                    )
                )
            except (ComparisonError, ScoringError) as error:
                self._say("no-holdout", str(error))
        return found

    def open_baseline(self, suite: str) -> Baseline | None:
        """Read the baseline; one that is gone or broken by now is told of."""
        if self.request.baseline is None:
            return None
        try:
            baseline = open_baseline(Path(self.request.folder, self.request.baseline))
        except StoreError as error:
            self._say("baseline-lost", str(error))
            self.is_baseline_lost = True
            return None
        if baseline.suite != suite:
            return None
        return replace(baseline, source=self.request.baseline)

    def _family(
        self, family: Sequence[CellOutcomes], kind: ComparisonKind, reference: CellOutcomes | None
    ) -> tuple[Comparison, ...]:
        if reference is None:
            return ()
        compared = [
            self._compare(reference, cell, kind) for cell in family if cell is not reference
        ]
        return adjust([one for one in compared if one is not None])

    def _compare(
        self, base: CellOutcomes, candidate: CellOutcomes, kind: ComparisonKind
    ) -> Comparison | None:
        try:
            return compare(base, candidate, kind=kind)
        except (ComparisonError, ScoringError) as error:
            self._say("not-compared", str(error))
            return None

    def _say(self, code: str, message: str) -> None:
        self.notices.append(Notice(code, message))


def _use_of(
    baseline: Baseline,
    record: RunRecord,
    cells: Sequence[CellOutcomes],
    request: ComparisonRequest,
) -> BaselineUse:
    """Account for every cell of the baseline and of the run."""
    then = [one.outcomes for one in baseline.cells.values()]
    guests = set(record.guest_cells)
    counterparts = {
        now.cell: find_counterpart(then, now, any_model=request.any_model) for now in cells
    }
    matched = {was.cell for was in counterparts.values() if was is not None}
    left = [was for was in then if was.cell not in matched]
    new = [now for now in cells if counterparts[now.cell] is None and now.cell not in guests]
    renamed = {was.cell: now.cell for now in new if (was := find_renamed(left, now)) is not None}

    def is_known(cell: str) -> bool:
        return request.suite_cells is None or cell in request.suite_cells

    gone = [was.cell for was in left if not is_known(was.cell)]
    return BaselineUse(
        source=baseline.source,
        accepted=baseline.accepted,
        is_gated=request.has_baseline_gates,
        missing_cells=tuple(cell for cell in gone if cell not in renamed),
        renamed_cells=tuple((was, now) for was, now in renamed.items() if was in gone),
        skipped_cells=tuple(
            was.cell for was in left if is_known(was.cell) and was.cell not in record.planned_cells
        ),
        new_cells=tuple(now.cell for now in new if now.cell not in renamed.values()),
        changes=environment_changes(baseline.environment, record.environment),
    )


def _families(
    cells: Iterable[CellOutcomes], key: Callable[[CellOutcomes], tuple[str, ...]]
) -> list[list[CellOutcomes]]:
    """Group cells, in the order in which each group first occurs."""
    families: dict[tuple[str, ...], list[CellOutcomes]] = {}
    for cell in cells:
        families.setdefault(key(cell), []).append(cell)
    return list(families.values())


def _setting(cell: CellOutcomes) -> str:
    return f"{cell.device} {cell.precision}"
