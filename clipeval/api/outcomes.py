"""What was found out about a suite, handed from process to process and into a run folder."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, TypedDict

from clipeval.api.comparer import Comparer, ComparisonRequest
from clipeval.api.meanings import Meanings
from clipeval.api.recording import completed_record, finish_folder, planned_record
from clipeval.api.suite_latency import SuiteLatency
from clipeval.api.suites import run_folders
from clipeval.errors import ConfigError, StoreError
from clipeval.records import Baseline, CellError, Environment, EvaluatedCell, Notice, RunRecord
from clipeval.store import (
    RunFolder,
    read_part_predictions,
    read_part_thumbnails,
    read_parts,
    read_run,
)


@dataclass(slots=True, kw_only=True)
class SuiteOutcome:
    """The cells of one suite so far: planned, evaluated, failed."""

    suite: str
    environment: Environment
    comparer: Comparer = field(default_factory=Comparer)
    """What its cells are compared with; nothing, as long as only guests have asked for the suite."""
    planned: dict[str, None] = field(default_factory=dict)
    """Cell ids, in order."""
    evaluated: dict[str, EvaluatedCell] = field(default_factory=dict)
    errors: dict[str, CellError] = field(default_factory=dict)
    notices: tuple[Notice, ...] = ()
    """What the suite itself has to say."""
    latency: SuiteLatency | None = None
    """What timing its models found; workers, which share the machine, time nothing."""
    clashes: dict[str, None] = field(default_factory=dict)
    """Why cells of other processes were refused."""
    guests: dict[str, None] = field(default_factory=dict)
    """Ids of cells that tests in Python added to it."""
    asked_at: dict[str, int] = field(default_factory=dict)
    """Place among the tests of the one that asked for a cell; cells of the suite's own file have none."""
    kept_in: list[Path] = field(default_factory=list)
    """Temporary folders that hold cells of this until its run folder is written."""

    def add(self, other: SuiteOutcome, meanings: Meanings) -> None:
        """Take over what another process found out about the same suite.

        A cell with a name that means something else here is refused, and told of in `clashes`.
        """
        self.asked_at = {**other.asked_at, **self.asked_at}
        # As one process would have come upon them: other processes have theirs in any order.
        in_any_order = {**self.planned, **other.planned}
        self.planned = dict.fromkeys(
            sorted(in_any_order, key=lambda id_: self.asked_at.get(id_, -1))
        )
        self.guests.update(other.guests)
        if self.comparer.request == ComparisonRequest():
            self.comparer = other.comparer
        self.kept_in += other.kept_in
        self.latency = self.latency or other.latency
        self.notices = tuple(dict.fromkeys((*self.notices, *other.notices)))
        found = {**self.errors, **other.errors}
        for id_, one in other.evaluated.items():
            try:
                meanings.claim_result(one.result)
            except ConfigError as error:
                self.clashes[str(error)] = None
                found[id_] = CellError(id=id_, message=str(error))
            else:
                self.evaluated[id_] = one
        # A cell that failed in one process and was evaluated in another is there.
        self.errors = {id_: one for id_, one in found.items() if id_ not in self.evaluated}

    @property
    def record(self) -> RunRecord:
        """The run as it was planned."""
        record = planned_record(
            self.suite,
            tuple(self.planned),
            self.environment,
            reference_templates=self.comparer.request.reference_templates,
            guest_cells=tuple(self.guests),
        )
        return replace(record, notices=self.notices)


class ExportedOutcome(TypedDict):
    """An outcome as plain values, for another process on this machine."""

    folder: str
    errors: dict[str, str]
    request: dict[str, Any]
    asked_at: dict[str, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class FinishedRun:
    """What became of one suite."""

    record: RunRecord
    folder: Path | None
    """The run folder; a temporary one if it could not be written; None if nothing was."""
    problems: tuple[str, ...] = ()
    """Why the run folder could not be written, and which cells were refused."""


def export_outcomes(outcomes: Iterable[SuiteOutcome]) -> list[ExportedOutcome]:
    """Write outcomes into temporary folders; return plain values that say where.

    Raises:
        StoreError: a temporary folder cannot be written.
    """
    exported: list[ExportedOutcome] = []
    for outcome in outcomes:
        folder = _temporary_folder()
        with RunFolder.begin(folder, outcome.record) as opened:
            _add_cells(opened, outcome)
        errors = {error.id: error.message for error in outcome.errors.values()}
        request = asdict(outcome.comparer.request)
        exported.append(
            {
                "folder": str(folder),
                "errors": errors,
                "request": request,
                "asked_at": outcome.asked_at,
            }
        )
    return exported


def import_outcome(
    exported: ExportedOutcome, *, baselines: Mapping[str, Baseline] | None = None
) -> SuiteOutcome:
    """Read what another process exported; its folder stays until finish_outcomes has written a run.

    Args:
        exported: by export_outcomes.
        baselines: that were opened in this process, by suite; others are when they are needed.
    Raises:
        StoreError: it cannot be read.
    """
    folder = Path(exported["folder"])
    record = read_run(folder)
    evaluated = {
        cell.id: EvaluatedCell(
            cell, read_part_predictions(folder, cell.id), read_part_thumbnails(folder, cell.id)
        )
        for cell in read_parts(folder)
    }
    return SuiteOutcome(
        suite=record.suite,
        environment=record.environment,
        comparer=Comparer(
            ComparisonRequest(**exported["request"]), (baselines or {}).get(record.suite)
        ),
        guests=dict.fromkeys(record.guest_cells),
        asked_at=dict(exported["asked_at"]),
        planned=dict.fromkeys(record.planned_cells),
        evaluated=evaluated,
        errors={id_: CellError(id=id_, message=text) for id_, text in exported["errors"].items()},
        notices=record.notices,
        kept_in=[folder],
    )


def merge_outcomes(outcomes: Iterable[SuiteOutcome]) -> tuple[SuiteOutcome, ...]:
    """Join the outcomes of each suite."""
    merged: dict[str, SuiteOutcome] = {}
    meanings: dict[str, Meanings] = {}
    for outcome in outcomes:
        if outcome.suite not in merged:
            meanings[outcome.suite] = Meanings(outcome.suite)
            merged[outcome.suite] = SuiteOutcome(
                suite=outcome.suite,
                environment=outcome.environment,
            )
        merged[outcome.suite].add(outcome, meanings[outcome.suite])
    return tuple(merged.values())


def check_folders(suites: Sequence[str], out: Path | None, *, base: Path) -> None:
    """Refuse run folders that cannot be written, before there is anything to lose.

    Args:
        suites: names of those that will be run; if there are none yet, `out` has to be a place that
            can hold a run folder, whatever is in it.
        out: as in finish_outcomes.
        base: as in finish_outcomes.
    Raises:
        StoreError: a folder is in use for something else, or is not writable.
    """
    for folder in run_folders(suites or ["SUITE", "SUITE"], out):
        RunFolder.check(base / folder)


def finish_outcomes(
    outcomes: Sequence[SuiteOutcome], out: Path | None, *, base: Path
) -> tuple[FinishedRun, ...]:
    """Write one run folder for every suite of which a cell was evaluated.

    Where a folder cannot be written, the run goes into a temporary one and says so; the others are
    written. What other processes exported is removed once it is in a run folder, and named if not.

    Args:
        outcomes: one for each suite.
        out: the run folder for one suite, OUT/SUITE for several; reports/SUITE if None.
        base: folder that relative ones are relative to.
    """
    folders = run_folders([outcome.suite for outcome in outcomes], out)
    return tuple(
        _finish(outcome, base / folder) for outcome, folder in zip(outcomes, folders, strict=True)
    )


def _finish(outcome: SuiteOutcome, folder: Path) -> FinishedRun:
    told = tuple(outcome.clashes)
    if not outcome.evaluated:
        _remove_kept(outcome)
        return FinishedRun(record=_completed(outcome), folder=None, problems=told)
    try:
        record = _write(outcome, folder)
    except StoreError as error:
        return _rescue(outcome, str(error))
    _remove_kept(outcome)
    return FinishedRun(record=record, folder=folder, problems=told)


def _rescue(outcome: SuiteOutcome, why: str) -> FinishedRun:
    """Write a run into a temporary folder, since it cannot be written where it belongs."""
    try:
        folder = _temporary_folder()
        record = _write(outcome, folder)
    except StoreError as error:
        problems = [*outcome.clashes, why, str(error)]
        if outcome.kept_in:
            kept = ", ".join(map(str, outcome.kept_in))
            problems.append(f"suite '{outcome.suite}': what its workers evaluated is in {kept}")
        return FinishedRun(record=_completed(outcome), folder=None, problems=tuple(problems))
    _remove_kept(outcome)
    kept_text = f"{why}; the run was written to {folder}: move it to where you want it"
    return FinishedRun(record=record, folder=folder, problems=(*outcome.clashes, kept_text))


def _write(outcome: SuiteOutcome, folder: Path) -> RunRecord:
    with RunFolder.begin(folder, outcome.record) as opened:
        _add_cells(opened, outcome)
        errors = tuple(outcome.errors.values())
        return finish_folder(opened, outcome.record, errors, outcome.comparer, outcome.latency)


def _completed(outcome: SuiteOutcome) -> RunRecord:
    cells = [one.result for one in outcome.evaluated.values()]
    return completed_record(outcome.record, cells, tuple(outcome.errors.values()))


def _add_cells(opened: RunFolder, outcome: SuiteOutcome) -> None:
    for one in outcome.evaluated.values():
        opened.add_cell(one.result, one.predictions, one.thumbnails)


def _temporary_folder() -> Path:
    try:
        return Path(tempfile.mkdtemp(prefix="clipeval-"))
    except OSError as error:
        raise StoreError(f"cannot make a temporary folder: {error}") from error


def _remove_kept(outcome: SuiteOutcome) -> None:
    for folder in outcome.kept_in:
        shutil.rmtree(folder, ignore_errors=True)
