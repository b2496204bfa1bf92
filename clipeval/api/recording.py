"""From evaluated cells to the record and documents of a run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime

from clipeval.api.comparer import Comparer
from clipeval.api.comparing import with_comparisons
from clipeval.api.documents import render_documents
from clipeval.api.suite_latency import SuiteLatency
from clipeval.gates import worst
from clipeval.records import (
    CellError,
    CellResult,
    Environment,
    LatencyOutcome,
    RunRecord,
    Verdict,
)
from clipeval.store import RunFolder


def planned_record(
    suite: str,
    planned_cells: Sequence[str],
    environment: Environment,
    *,
    reference_templates: Mapping[str, str],
    guest_cells: Sequence[str] = (),
) -> RunRecord:
    """Return the record of a run that has not begun."""
    return RunRecord(
        schema_version=1,
        suite=suite,
        status="partial",
        verdict="error",
        created=datetime.now(UTC).isoformat(timespec="seconds"),
        environment=environment,
        reference_templates=reference_templates,
        planned_cells=tuple(planned_cells),
        guest_cells=tuple(guest_cells),
        cells=(),
    )


def completed_record(
    record: RunRecord,
    cells: Sequence[CellResult],
    errors: Sequence[CellError],
    latency: LatencyOutcome | None = None,
) -> RunRecord:
    """Return a record with its cells in planned order, its status and its verdict.

    It is complete when every planned cell was scored; one that could not be makes the verdict `error`, and
    so does a model that could not be timed.
    """
    by_id = {cell.id: cell for cell in cells}
    ordered = tuple(by_id[id_] for id_ in record.planned_cells if id_ in by_id)
    is_complete = len(ordered) == len(record.planned_cells)
    states: list[Verdict] = [gate.state for cell in ordered for gate in cell.gates]
    if latency is not None:
        states += [gate.state for gate in latency.gates]
    if errors or not is_complete or (latency is not None and latency.problems):
        states.append("error")
    return replace(
        record,
        status="complete" if is_complete else "partial",
        verdict=worst(states),
        cells=ordered,
        errors=tuple(errors),
        latency=latency,
    )


def finish_folder(
    folder: RunFolder,
    planned: RunRecord,
    errors: Sequence[CellError],
    comparer: Comparer,
    latency: SuiteLatency | None = None,
) -> RunRecord:
    """Complete a run folder from the cells added to it; return the record that run.json now holds.

    Args:
        folder: with the cells.
        planned: the run as it was planned.
        errors: cells that could not be evaluated.
        comparer: what the cells are compared with, and have been.
        latency: what timing the models found.
    Raises:
        StoreError: a file cannot be written; run.json then still says partial.
    """
    outcome, benchmark = (None, None) if latency is None else (latency.outcome, latency.record)
    completed = completed_record(planned, folder.cells, errors, outcome)
    if latency is not None:
        completed = replace(completed, notices=(*completed.notices, *latency.notices))
    predictions = {cell.id: folder.predictions(cell.id) for cell in completed.cells}
    record = with_comparisons(completed, predictions, comparer)
    documents = render_documents(record, predictions, folder.thumbnails(), benchmark)
    folder.finish(record, documents=documents, benchmark=benchmark)
    return record
