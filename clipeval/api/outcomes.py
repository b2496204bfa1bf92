"""What was found out about a suite, handed from process to process and into a run folder."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypedDict

from clipeval.api.recording import completed_record, finish_folder, planned_record
from clipeval.api.suites import run_folders
from clipeval.errors import StoreError
from clipeval.records import CellError, Environment, EvaluatedCell, RunRecord
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
    reference_templates: Mapping[str, str]
    planned: dict[str, None] = field(default_factory=dict)
    """Cell ids, in order."""
    evaluated: dict[str, EvaluatedCell] = field(default_factory=dict)
    errors: dict[str, CellError] = field(default_factory=dict)

    def add(self, other: SuiteOutcome) -> None:
        """Take over what another process found out about the same suite."""
        self.planned.update(other.planned)
        self.evaluated.update(other.evaluated)
        found = {**self.errors, **other.errors}
        # A cell that failed in one process and was evaluated in another is there.
        self.errors = {id_: one for id_, one in found.items() if id_ not in self.evaluated}

    @property
    def record(self) -> RunRecord:
        """The run as it was planned."""
        return planned_record(
            self.suite,
            tuple(self.planned),
            self.environment,
            reference_templates=self.reference_templates,
        )


class ExportedOutcome(TypedDict):
    """An outcome as plain values, for another process on this machine."""

    folder: str
    errors: dict[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class FinishedRun:
    """What became of one suite."""

    record: RunRecord
    folder: Path | None
    """The run folder; None if none was written."""
    problem: str = ""
    """Why the run folder could not be written."""


def export_outcomes(outcomes: Iterable[SuiteOutcome]) -> list[ExportedOutcome]:
    """Write outcomes into temporary folders; return plain values that say where.

    Raises:
        StoreError: a temporary folder cannot be written.
    """
    exported: list[ExportedOutcome] = []
    for outcome in outcomes:
        folder = Path(tempfile.mkdtemp(prefix="clipeval-"))
        with RunFolder.begin(folder, outcome.record) as opened:
            _add_cells(opened, outcome)
        errors = {error.id: error.message for error in outcome.errors.values()}
        exported.append({"folder": str(folder), "errors": errors})
    return exported


def import_outcome(exported: ExportedOutcome) -> SuiteOutcome:
    """Read what another process exported, and remove its temporary folder.

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
    shutil.rmtree(folder, ignore_errors=True)
    return SuiteOutcome(
        suite=record.suite,
        environment=record.environment,
        reference_templates=record.reference_templates,
        planned=dict.fromkeys(record.planned_cells),
        evaluated=evaluated,
        errors={id_: CellError(id=id_, message=text) for id_, text in exported["errors"].items()},
    )


def merge_outcomes(outcomes: Iterable[SuiteOutcome]) -> tuple[SuiteOutcome, ...]:
    """Join the outcomes of each suite."""
    merged: dict[str, SuiteOutcome] = {}
    for outcome in outcomes:
        if outcome.suite not in merged:
            merged[outcome.suite] = SuiteOutcome(
                suite=outcome.suite,
                environment=outcome.environment,
                reference_templates=outcome.reference_templates,
            )
        merged[outcome.suite].add(outcome)
    return tuple(merged.values())


def check_folders(outcomes: Sequence[SuiteOutcome], out: Path | None, *, base: Path) -> None:
    """Refuse run folders that cannot be written, before there is anything to lose.

    Args:
        outcomes: planned.
        out: as in finish_outcomes.
        base: as in finish_outcomes.
    Raises:
        StoreError: a folder is in use for something else, or is not writable.
    """
    for folder in run_folders([outcome.suite for outcome in outcomes], out):
        RunFolder.check(base / folder)


def finish_outcomes(
    outcomes: Sequence[SuiteOutcome], out: Path | None, *, base: Path
) -> tuple[FinishedRun, ...]:
    """Write one run folder for every suite of which a cell was evaluated.

    A folder that cannot be written is told of in its suite's place: the others are written.

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
    errors = tuple(outcome.errors.values())
    problem = ""
    if outcome.evaluated:
        try:
            with RunFolder.begin(folder, outcome.record) as opened:
                _add_cells(opened, outcome)
                record = finish_folder(opened, outcome.record, errors)
                return FinishedRun(record=record, folder=folder)
        except StoreError as error:
            problem = str(error)
    cells = [one.result for one in outcome.evaluated.values()]
    record = completed_record(outcome.record, cells, errors)
    return FinishedRun(record=record, folder=None, problem=problem)


def _add_cells(opened: RunFolder, outcome: SuiteOutcome) -> None:
    for one in outcome.evaluated.values():
        opened.add_cell(one.result, one.predictions, one.thumbnails)
