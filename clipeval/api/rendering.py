"""Render the documents of a run again, from its folder alone and without torch."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from clipeval.api.documents import render_documents
from clipeval.api.finished_runs import check_predictions, predictions_of
from clipeval.records import Notice, Predictions, RunRecord, Thumbnail
from clipeval.records.latency import BenchmarkRecord
from clipeval.store import (
    has_part,
    read_benchmark,
    read_part_predictions,
    read_part_thumbnails,
    read_run,
    read_thumbnails,
    write_documents,
)
from clipeval.store.names import BENCHMARK_JSON, PREDICTIONS, THUMBNAILS


@dataclass(frozen=True, slots=True)
class RenderedRun:
    """The files written, and what they had to do without."""

    files: tuple[Path, ...]
    notices: tuple[Notice, ...]


def render_report(run: Path) -> RenderedRun:
    """Write report.html, summary.md and junit.xml of a run again, beside its run.json.

    A run that was cut short is rendered from the cells that it had finished; a run.json alone is
    rendered without images.

    Args:
        run: a run folder, or its run.json.
    Raises:
        StoreError: the run cannot be read or contradicts itself, or a file cannot be written.
    """
    record = read_run(run)
    folder = run if run.is_dir() else run.parent
    predictions, thumbnails = _tables(folder, record)
    notices: tuple[Notice, ...] = ()
    if record.cells and not predictions:
        message = f"{folder / PREDICTIONS} is not there: the report shows no single images"
        notices = (Notice("no-predictions", message),)
    documents = render_documents(record, predictions, thumbnails, read_timings(folder))
    return RenderedRun(write_documents(folder, documents), notices)


def read_timings(folder: Path) -> BenchmarkRecord | None:
    """Read what was timed in a run; None if nothing was. Raises: StoreError."""
    file = folder / BENCHMARK_JSON
    return read_benchmark(file) if file.exists() else None


def _tables(
    folder: Path, record: RunRecord
) -> tuple[dict[str, Predictions], tuple[Thumbnail, ...]]:
    unfinished = [cell for cell in record.cells if has_part(folder, cell.id)]
    if unfinished:
        predictions = {cell.id: read_part_predictions(folder, cell.id) for cell in unfinished}
        for cell in unfinished:
            check_predictions(folder, cell, predictions[cell.id])
        thumbnails = [one for cell in unfinished for one in read_part_thumbnails(folder, cell.id)]
        return predictions, tuple(thumbnails)
    has_predictions = (folder / PREDICTIONS).exists()
    predictions = predictions_of(folder, record) if has_predictions else {}
    return predictions, read_thumbnails(folder) if (folder / THUMBNAILS).exists() else ()
