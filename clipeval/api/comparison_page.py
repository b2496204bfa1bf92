"""The page about two runs."""

from __future__ import annotations

from pathlib import Path

from clipeval.errors import StoreError
from clipeval.records import Thumbnail
from clipeval.records.run_comparisons import RunComparison
from clipeval.report import render_comparison
from clipeval.store import read_thumbnails
from clipeval.store.atomic import write_bytes
from clipeval.store.names import THUMBNAILS, encodable


def write_comparison_page(found: RunComparison, *, base: Path, candidate: Path, file: Path) -> None:
    """Write the page about two runs, whole or not at all.

    Args:
        found: what comparing them said.
        base: the run it was compared with; a baseline file has no images to show.
        candidate: likewise.
        file: where to write.
    Raises:
        StoreError: thumbnails cannot be read, or the file cannot be written.
    """
    if file.is_dir() or not file.parent.is_dir():
        raise StoreError(f"--html {file}: expected a file to write, in a folder that is there")
    thumbnails = [one for run in (candidate, base) for one in _thumbnails(run)]
    page = render_comparison(found, thumbnails)
    write_bytes(file, encodable(page).encode("utf-8"))


def _thumbnails(run: Path) -> tuple[Thumbnail, ...]:
    folder = run if run.is_dir() else run.parent
    has_images = (folder / THUMBNAILS).is_file() and (run.is_dir() or run.name == "run.json")
    return read_thumbnails(folder) if has_images else ()
