"""Where the baselines of suites are: baselines/SUITE.json, or what was named."""

from __future__ import annotations

from pathlib import Path

from clipeval.errors import StoreError
from clipeval.records import SuiteSpec
from clipeval.store.atomic import reporting_os_errors
from clipeval.store.names import BENCHMARK_JSON, RUN_JSON

BASELINES_FOLDER = Path("baselines")
LATENCY_FOLDER = "latency"
"""In a folder of baselines: the timings that were accepted with them, under the same names."""


def find_baseline(suite: SuiteSpec) -> Path | None:
    """Return the baseline of a suite, if it has one.

    The one that was named; else the nearest baselines/SUITE.json: as `accept` and `diff` find it from the
    current folder, or if there is none, from the suite's.

    Raises:
        StoreError: the one that was named is not there.
    """
    if suite.baseline is not None:
        return _named_baseline(suite.baseline, suite.name)
    if suite.path is None:
        return None
    here = Path.cwd()
    return _nearest(suite.name, here) or _nearest(suite.name, suite.path.absolute().parent)


def baseline_of(suite: str) -> Path:
    """Return the file of a suite's baseline: the nearest one, or where a first one belongs."""
    return _nearest(suite, Path.cwd()) or BASELINES_FOLDER / f"{suite}.json"


def latency_baseline_of(baseline: Path) -> Path:
    """Return where the accepted timings are that go with a baseline, whether or not there are any.

    Args:
        baseline: a baseline file, a run folder, or its run.json.
    """
    if baseline.is_dir():
        return baseline / BENCHMARK_JSON
    if baseline.name == RUN_JSON:
        return baseline.parent / BENCHMARK_JSON
    return baseline.parent / LATENCY_FOLDER / baseline.name


def _nearest(suite: str, start: Path) -> Path | None:
    """Return baselines/SUITE.json in a folder or above it, up to the project's root (with `.git`)."""
    here, name = Path.cwd(), BASELINES_FOLDER / f"{suite}.json"
    for folder in (start, *start.parents):
        with reporting_os_errors(f"cannot read {folder / name}"):
            if (folder / name).is_file():
                found = folder / name
                return found.relative_to(here) if found.is_relative_to(here) else found
            if (folder / ".git").exists():
                return None
    return None


def _named_baseline(path: Path, suite: str) -> Path:
    with reporting_os_errors(f"cannot read {path}"):
        is_there = path.exists()
        is_folder_of_baselines = path.is_dir() and not (path / RUN_JSON).exists()
    if is_folder_of_baselines:
        file = path / f"{suite}.json"
        if not file.is_file():
            raise StoreError(
                f"{path}: has no {file.name}; expected the baseline of suite '{suite}' in this folder, a "
                "baseline file, or a run folder"
            )
        return file
    if not is_there:
        raise StoreError(
            f"{path}: no such file; expected a baseline file, a folder of baselines, or a run folder; "
            "make one of a run: clipeval baseline accept RUN"
        )
    return path
