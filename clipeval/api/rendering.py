"""Render the documents of a run again, from its folder alone and without torch."""

from __future__ import annotations

from pathlib import Path

from clipeval.api.recording import render_documents
from clipeval.store import read_predictions, read_run, read_thumbnails, write_documents


def render_report(run: Path) -> tuple[Path, ...]:
    """Write report.html, summary.md and junit.xml of a finished run again.

    Args:
        run: a run folder, or its run.json.
    Returns:
        The files written.
    Raises:
        StoreError: the run cannot be read, or a file cannot be written.
    """
    record = read_run(run)
    folder = run if run.is_dir() else run.parent
    predictions = {one.cell: one for one in read_predictions(folder)}
    documents = render_documents(record, predictions, read_thumbnails(folder))
    return write_documents(folder, documents)
