"""Compares the cells of a whole run: with their references, and with the baseline."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from clipeval.api.comparer import MAX_FLIPS, Comparer, listing_at_most
from clipeval.comparison import (
    adjust,
    cell_outcomes,
    confirm_winner,
    environment_changes,
    find_renamed,
)
from clipeval.errors import ComparisonError, ScoringError, StoreError
from clipeval.gates import worst
from clipeval.records import (
    DEFAULT_BACKEND,
    BaselineUse,
    CellOutcomes,
    Comparison,
    Holdout,
    Notice,
    Predictions,
    RunRecord,
    Verdict,
)
from clipeval.records.comparisons import ComparisonKind


def with_comparisons(
    record: RunRecord, predictions: Mapping[str, Predictions], comparer: Comparer
) -> RunRecord:
    """Return a run with everything compared that was asked for.

    What cannot be compared is told in a notice. Cells of the baseline that the suite has lost make the
    verdict `fail`, where gates rely on the baseline; a baseline that is gone by now makes it `error`, and
    so does a holdout that was asked for and cannot be made.

    Args:
        record: complete or partial, with its cells' own gates decided.
        predictions: of its cells, by id.
        comparer: the one that its gates were decided with, if that was in this process.
    """
    cells = [cell_outcomes(cell, predictions[cell.id]) for cell in record.cells]
    run = _WholeRun(record, cells, comparer)
    run.open_baseline()
    comparisons = [*run.templates(), *run.models(), *run.with_baseline()]
    holdouts, use = run.holdouts(), run.baseline_use()
    states: list[Verdict] = [record.verdict, *run.states]
    if use and use.is_gated and (use.missing_cells or use.renamed_cells):
        states.append("fail")
    return replace(
        record,
        verdict=worst(states),
        reference_model=comparer.request.reference_model,
        comparisons=tuple(comparisons),
        holdouts=tuple(holdouts),
        baseline=use,
        notices=(*record.notices, *dict.fromkeys(run.notices)),
    )


@dataclass(slots=True)
class _WholeRun:
    record: RunRecord
    cells: Sequence[CellOutcomes]
    comparer: Comparer
    notices: list[Notice] = field(default_factory=list)
    states: list[Verdict] = field(default_factory=list)
    """What could not be done of what was asked for."""

    def open_baseline(self) -> None:
        """Read the baseline, if another process opened it; one that is gone by now is told of."""
        try:
            self.comparer.open_baseline()
        except StoreError as error:
            self._say("baseline-lost", str(error))
            self.states.append("error")

    def templates(self) -> list[Comparison]:
        """Compare every template with the reference template of its data set."""
        found: list[Comparison] = []
        for family in _families(self.cells, _choice):
            wanted = self.comparer.request.reference_templates.get(family[0].dataset)
            reference = next((cell for cell in family if cell.template == wanted), None)
            found += self._family(family, "template", reference)
        return found

    def models(self) -> list[Comparison]:
        """Compare every model with the reference model."""
        found: list[Comparison] = []
        wanted = self.comparer.request.reference_model
        for family in _families(self.cells, lambda c: (c.dataset, c.template, _setting(c))):
            reference = next((cell for cell in family if cell.model.id == wanted), None)
            found += self._family(family, "model", reference)
        return found

    def with_baseline(self) -> list[Comparison]:
        """Compare every cell with what it was; cells that cannot be for one cause are told of together."""
        compared: list[Comparison] = []
        not_compared: dict[str, list[str]] = {}
        for now in self.cells:
            was = self.comparer.in_baseline(now)
            if was is None:
                continue
            try:
                compared.append(self.comparer.compare(was, now, kind="baseline"))
            except (ComparisonError, ScoringError) as error:
                cause = error.cause if isinstance(error, ComparisonError) else str(error)
                not_compared.setdefault(cause, []).append(now.cell)
        for cause, cells in not_compared.items():
            named = cells[0] if len(cells) == 1 else f"{cells[0]} and {len(cells) - 1:,} more"
            source = self.comparer.request.baseline
            self._say("not-compared", f"{named}, with the baseline {source}: {cause}")
        return compared

    def holdouts(self) -> list[Holdout]:
        """Confirm the best template of each data set and model on images it was not chosen on."""
        request = self.comparer.request
        if request.holdout is None:
            return []
        found: list[Holdout] = []
        guests = set(self.record.guest_cells)
        for family in _families(self.cells, _choice):
            if guests.issuperset(cell.cell for cell in family):
                continue  # nobody asked which of these is best
            try:
                made = confirm_winner(
                    family,
                    reference=request.reference_templates.get(family[0].dataset),
                    fraction=request.holdout,
                    setting=_setting(family[0]),
                )
            except (ComparisonError, ScoringError) as error:
                partial = "; the run is partial" if self.record.status == "partial" else ""
                self._say("no-holdout", f"{error}{partial}")
                self.states.append("error")
            else:
                few = listing_at_most(made.confirmation, MAX_FLIPS)
                found.append(replace(made, confirmation=few))
        return found

    def baseline_use(self) -> BaselineUse | None:
        """Account for every cell of the baseline and of the run."""
        baseline, request = self.comparer.baseline, self.comparer.request
        if baseline is None:
            return None
        then, guests = self.comparer.baseline_cells(), set(self.record.guest_cells)
        counterparts = {now.cell: self.comparer.in_baseline(now) for now in self.cells}
        matched = {was.cell for was in counterparts.values() if was is not None}
        left = [was for was in then if was.cell not in matched]
        new = [
            now for now in self.cells if counterparts[now.cell] is None and now.cell not in guests
        ]
        is_in_suite = self.comparer.is_in_suite
        gone = [was for was in left if not is_in_suite(was.cell)]
        renamed = {
            was.cell: now.cell for now in new if (was := find_renamed(gone, now)) is not None
        }
        return BaselineUse(
            source=baseline.source,
            accepted=baseline.accepted,
            is_gated=request.has_baseline_gates,
            missing_cells=tuple(was.cell for was in gone if was.cell not in renamed),
            renamed_cells=tuple(renamed.items()),
            skipped_cells=tuple(
                was.cell
                for was in left
                if is_in_suite(was.cell) and was.cell not in self.record.planned_cells
            ),
            new_cells=tuple(now.cell for now in new if now.cell not in renamed.values()),
            changes=environment_changes(baseline.environment, self.record.environment),
        )

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
            return self.comparer.compare(base, candidate, kind=kind)
        except (ComparisonError, ScoringError) as error:
            self._say("not-compared", str(error))
            return None

    def _say(self, code: str, message: str) -> None:
        self.notices.append(Notice(code, message))


def _families(
    cells: Iterable[CellOutcomes], key: Callable[[CellOutcomes], tuple[str, ...]]
) -> list[list[CellOutcomes]]:
    """Group cells, in the order in which each group first occurs."""
    families: dict[tuple[str, ...], list[CellOutcomes]] = {}
    for cell in cells:
        families.setdefault(key(cell), []).append(cell)
    return list(families.values())


def _choice(cell: CellOutcomes) -> tuple[str, str, str]:
    """Return what cells have in common of which the best template is to be chosen."""
    return cell.dataset, cell.model.id, _setting(cell)


def _setting(cell: CellOutcomes) -> str:
    backend = "" if cell.backend == DEFAULT_BACKEND else f" {cell.backend}"
    return f"{cell.device} {cell.precision}{backend}"
