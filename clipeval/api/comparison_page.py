"""The page about two runs."""

from __future__ import annotations

from pathlib import Path

from clipeval.api.finished_runs import predictions_of
from clipeval.errors import StoreError
from clipeval.records.run_comparisons import RunComparison, RunImages
from clipeval.report import render_comparison
from clipeval.store import is_baseline, read_run, read_thumbnails
from clipeval.store.atomic import write_bytes
from clipeval.store.names import REPORT_HTML, RUN_JSON, THUMBNAILS, encodable


def write_comparison_page(found: RunComparison, *, base: Path, candidate: Path, file: Path) -> None:
    """Write the page about two runs, whole or not at all.

    Args:
        found: what comparing them said.
        base: the run it was compared with; a baseline file has no images to show.
        candidate: likewise.
        file: where to write.
    Raises:
        StoreError: a run cannot be read, or the file cannot be written.
    """
    check_page_file(file, option="--html")
    if file.is_dir() or not file.parent.is_dir():
        raise StoreError(f"--html {file}: expected a file to write, in a folder that is there")
    page = render_comparison(found, _images_of(base), _images_of(candidate))
    write_bytes(file, encodable(page).encode("utf-8"))


def check_page_file(file: Path, *, option: str) -> None:
    """Refuse to write a page over what is none: run.json of the run, for example. Raises: StoreError."""
    if file.suffix not in (".html", ".htm"):
        raise StoreError(f"{option} {file}: expected the name of a page, such as comparison.html")
    if (file.parent / RUN_JSON).exists() and file.name == REPORT_HTML:
        raise StoreError(f"{option} {file}: is the report of a run; choose another name")


def _images_of(run: Path) -> RunImages:
    if run.is_file() and is_baseline(run):
        return RunImages(class_names={}, predictions={}, thumbnails=())
    record = read_run(run)
    folder = run if run.is_dir() else run.parent
    return RunImages(
        class_names={cell.id: cell.dataset.class_names for cell in record.cells},
        predictions=predictions_of(folder, record),
        thumbnails=read_thumbnails(folder) if (folder / THUMBNAILS).is_file() else (),
    )
