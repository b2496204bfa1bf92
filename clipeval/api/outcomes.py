"""What was found out about a suite, handed from process to process and into a run folder."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypedDict

from clipeval.api.recording import finish_folder, planned_record
from clipeval.api.suites import run_folders
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
        self.errors.update(other.errors)

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


@dataclass(frozen=True, slots=True)
class FinishedRun:
    """A run folder that was written."""

    folder: Path
    record: RunRecord


def export_outcomes(outcomes: Iterable[SuiteOutcome], *, name: str) -> list[ExportedOutcome]:
    """Write outcomes into a temporary folder; return plain values that say where.

    Args:
        outcomes: of this process.
        name: of this process.
    Raises:
        StoreError: the temporary folder cannot be written.
    """
    root = Path(tempfile.mkdtemp(prefix=f"clipeval-{name}-"))
    exported: list[ExportedOutcome] = []
    for number, outcome in enumerate(outcomes):
        folder = root / str(number)
        with RunFolder.begin(folder, outcome.record) as opened:
            _add_cells(opened, outcome)
        errors = {error.id: error.message for error in outcome.errors.values()}
        exported.append({"folder": str(folder), "errors": errors})
    return exported


def import_outcome(exported: ExportedOutcome) -> SuiteOutcome:
    """Read what another process exported.

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
        reference_templates=record.reference_templates,
        planned=dict.fromkeys(record.planned_cells),
        evaluated=evaluated,
        errors={id_: CellError(id=id_, message=text) for id_, text in exported["errors"].items()},
    )


def merge_outcomes(outcomes: Sequence[SuiteOutcome]) -> Mapping[str, SuiteOutcome]:
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
    return merged


def finish_outcomes(
    outcomes: Mapping[str, SuiteOutcome], out: Path | None
) -> tuple[FinishedRun, ...]:
    """Write one run folder for every suite of which a cell was evaluated.

    Args:
        outcomes: by suite.
        out: the run folder for one suite, OUT/SUITE for several; reports/SUITE if None.
    Raises:
        StoreError: a folder cannot be written.
    """
    some = [outcome for outcome in outcomes.values() if outcome.evaluated]
    folders = run_folders([outcome.suite for outcome in some], out)
    return tuple(
        FinishedRun(folder, _write_run(folder, outcome))
        for outcome, folder in zip(some, folders, strict=True)
    )


def _write_run(folder: Path, outcome: SuiteOutcome) -> RunRecord:
    with RunFolder.begin(folder, outcome.record) as opened:
        _add_cells(opened, outcome)
        return finish_folder(opened, outcome.record, tuple(outcome.errors.values()))


def _add_cells(opened: RunFolder, outcome: SuiteOutcome) -> None:
    for one in outcome.evaluated.values():
        opened.add_cell(one.result, one.predictions, one.thumbnails)
