"""Which folders clipeval may write a run to, and which files in them are its own."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

from clipeval.errors import StoreError
from clipeval.store.atomic import TEMP_SUFFIX, reporting_os_errors
from clipeval.store.names import (
    BENCHMARK_JSON,
    CHARTS,
    CONFUSION,
    DOCUMENTS,
    LOCK,
    PARTS,
    PREDICTIONS,
    RUN_JSON,
    THUMBNAILS,
)

ELSEWHERE = "choose another folder with --out"


def check_writable(path: Path) -> None:
    """Refuse a place where no run folder may or can be, without changing anything.

    Raises:
        StoreError: a file is in the way, the folder holds something else, or is not writable.
    """
    with reporting_os_errors(f"{path}: cannot be used as a run folder"):
        existing = path
        while not existing.exists() and not existing.is_symlink() and existing != existing.parent:
            existing = existing.parent
        if not existing.is_dir():
            raise StoreError(f"{path}: {existing} is not a folder; remove it or {ELSEWHERE}")
        if not os.access(existing, os.W_OK | os.X_OK):
            raise StoreError(f"{path}: no permission to write in {existing}; {ELSEWHERE}")
        if existing == path and not _is_ours(path):
            raise StoreError(
                f"{path}: has files in it, but no run of clipeval; nothing was touched: "
                f"{ELSEWHERE}, or empty it"
            )


def remove_earlier_run(path: Path) -> None:
    """Delete what an earlier run wrote, and nothing else.

    run.json goes first: a process killed on the way leaves no record of files that are gone.

    Raises:
        StoreError: a file cannot be deleted.
    """
    with reporting_os_errors(f"{path}: cannot remove the earlier run"):
        for name in (RUN_JSON, PREDICTIONS, THUMBNAILS, BENCHMARK_JSON, *DOCUMENTS):
            (path / name).unlink(missing_ok=True)
        remove_parts(path)
        _remove_files(path / CONFUSION, "*.csv")
        _remove_files(path / CHARTS, "*.svg")
        for left_over in path.glob(f".*{TEMP_SUFFIX}"):
            left_over.unlink(missing_ok=True)


def remove_parts(path: Path) -> None:
    """Delete the finished cells of a run that has ended, or never will."""
    parts = path / PARTS
    if parts.is_symlink():
        parts.unlink()
    elif parts.exists():
        shutil.rmtree(parts)


def _remove_files(folder: Path, pattern: str) -> None:
    if folder.is_symlink():
        folder.unlink()
    elif folder.is_dir():
        for file in (*folder.glob(pattern), *folder.glob(f".*{TEMP_SUFFIX}")):
            file.unlink(missing_ok=True)
        if not any(folder.iterdir()):
            folder.rmdir()


def _is_ours(path: Path) -> bool:
    """Say whether a folder is empty, or a run of clipeval was begun in it."""
    if (path / LOCK).exists() or (path / PARTS).is_dir():
        return True
    if not any(path.iterdir()):
        return True
    try:
        record = json.loads((path / RUN_JSON).read_bytes())
    except (OSError, ValueError, RecursionError):
        return False
    return (
        isinstance(record, dict) and {"schema_version", "suite", "planned_cells"} <= record.keys()
    )
