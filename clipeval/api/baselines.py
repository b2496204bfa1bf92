"""Accepted runs: where they are, how they are read, and how a run becomes one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from clipeval.api.finished_runs import predictions_of
from clipeval.comparison import cell_outcomes
from clipeval.errors import StoreError
from clipeval.records import (
    Baseline,
    BaselineCell,
    Notice,
    Predictions,
    RunRecord,
    SuiteSpec,
)
from clipeval.store import is_baseline, read_baseline, read_run, write_baseline
from clipeval.store.atomic import reporting_os_errors
from clipeval.store.names import RUN_JSON

BASELINES_FOLDER = Path("baselines")
_SNIFFED_BYTES = 4096


@dataclass(frozen=True, slots=True, kw_only=True)
class AcceptedBaseline:
    """What became of accepting a run."""

    file: Path
    suite: str
    n_cells: int
    size_bytes: int
    replaced: bool
    """An earlier baseline was there."""
    notices: tuple[Notice, ...]


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


def check_baselines(suites: Sequence[SuiteSpec], folders: Sequence[Path]) -> None:
    """Refuse baselines that cannot be read, before anything is evaluated.

    Args:
        suites: that are going to be run.
        folders: the run folder of each.
    Raises:
        StoreError: the one that was named is not there, one is unreadable or was changed, or the run
            would replace it.
    """
    for suite, folder in zip(suites, folders, strict=True):
        refuse_own_folder(suite, folder)
        if (path := find_baseline(suite)) is not None:
            open_baseline(path)


def refuse_own_folder(suite: SuiteSpec, folder: Path) -> None:
    """Refuse a baseline that is the run folder about to be written.

    Raises:
        StoreError: it is; it would be gone before it is compared with.
    """
    path = find_baseline(suite)
    if path is None:
        return
    run = path.parent if path.name == RUN_JSON else path
    if run.resolve() == folder.resolve():
        raise StoreError(
            f"{path}: is the run folder that this run replaces, so that there would be nothing left to "
            "compare with; accept it first (clipeval baseline accept RUN), or write this run elsewhere"
        )


def open_baseline(path: Path) -> Baseline:
    """Read a baseline file, or a finished run as if it had been accepted.

    Args:
        path: a baseline file, a run folder, or its run.json.
    Raises:
        StoreError: it cannot be read, or is a run that did not finish.
    """
    with reporting_os_errors(f"cannot read {path}"):
        is_there, is_file = path.exists(), path.is_file()
    if not is_there:
        raise StoreError(
            f"{path}: no such file; expected a baseline (clipeval baseline accept RUN), a run folder, "
            "or its run.json"
        )
    if is_file and is_baseline(path):
        return read_baseline(path)
    record = read_run(path)
    return baseline_of_run(record, predictions_of(path, record), source=str(path))


def baseline_of_run(
    record: RunRecord, predictions: Mapping[str, Predictions], *, source: str
) -> Baseline:
    """Turn a finished run into a baseline.

    Cells that tests in Python asked for as guests of the suite are left out: the suite does not have
    them, and they have no gates.

    Raises:
        StoreError: the run is partial, or has no cell.
    """
    if record.status == "partial":
        n_done, n_planned = len(record.cells), len(record.planned_cells)
        raise StoreError(
            f"{source}: is a partial run ({n_done} of {n_planned} cells); "
            "expected a complete one: run the suite to its end"
        )
    guests = set(record.guest_cells)
    cells = {
        cell.id: BaselineCell(
            outcomes=cell_outcomes(cell, predictions[cell.id]), metrics=cell.metrics
        )
        for cell in record.cells
        if cell.id not in guests
    }
    if not cells:
        raise StoreError(f"{source}: has no cells of the suite '{record.suite}' itself")
    return Baseline(
        source=source,
        suite=record.suite,
        accepted=record.created,
        environment=record.environment,
        cells=cells,
    )


def accept(run: Path, *, file: Path | None = None) -> AcceptedBaseline:
    """Make a finished run the baseline of its suite.

    Args:
        run: a run folder, or its run.json.
        file: where to write; over the nearest baselines/SUITE.json, or in the current folder, if None.
    Raises:
        StoreError: the run is partial or cannot be read, or the file cannot be written.
    """
    record = read_run(run)
    if Path(record.suite).name != record.suite:
        raise StoreError(f"{run}: the suite '{record.suite}' has a name that no file can have")
    found = baseline_of_run(record, predictions_of(run, record), source=str(run))
    target = file or baseline_of(record.suite)
    replaced = _is_replaceable(target)
    now = datetime.now(UTC).isoformat(timespec="seconds")
    write_baseline(
        target,
        Baseline(
            source=str(target),
            suite=found.suite,
            accepted=now,
            environment=found.environment,
            cells=found.cells,
        ),
    )
    return AcceptedBaseline(
        file=target,
        suite=record.suite,
        n_cells=len(found.cells),
        size_bytes=target.stat().st_size,
        replaced=replaced,
        notices=_doubts(record, run),
    )


def list_baselines(paths: tuple[Path, ...] = ()) -> tuple[Baseline, ...]:
    """Read baselines; all of ./baselines if none is named.

    Args:
        paths: baseline files, runs, or names of suites that have one in ./baselines.
    Raises:
        StoreError: there is none, or one cannot be read.
    """
    named = [_by_suite(path) for path in paths]
    files = named or sorted(BASELINES_FOLDER.glob("*.json"))
    if not files:
        raise StoreError(
            f"no baseline named, and there is none in {BASELINES_FOLDER}/; "
            "make one of a run: clipeval baseline accept RUN"
        )
    return tuple(open_baseline(file) for file in files)


def baseline_of(suite: str) -> Path:
    """Return the file of a suite's baseline: the nearest one, or where a first one belongs."""
    return _nearest(suite, Path.cwd()) or BASELINES_FOLDER / f"{suite}.json"


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


def _is_replaceable(target: Path) -> bool:
    """Say whether an earlier baseline, whole or not, is there.

    Raises:
        StoreError: the file is another one: a wrong name shall not cost a run, or a thesis.
    """
    with reporting_os_errors(f"cannot write {target}"):
        if not target.exists():
            return False
        with target.open("rb") as file:
            start = file.read(_SNIFFED_BYTES)
    if start.strip() and b'"baseline_version"' not in start:
        raise StoreError(
            f"{target}: is there, and is not a baseline; choose another name, or remove it first"
        )
    return True


def _by_suite(path: Path) -> Path:
    candidate = baseline_of(str(path))
    return candidate if not path.exists() and candidate.is_file() else path


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


def _doubts(record: RunRecord, run: Path) -> tuple[Notice, ...]:
    """Say what speaks against a run as a baseline."""
    notices = []
    if record.environment.git_dirty:
        notices.append(
            Notice(
                "dirty-tree",
                f"{run}: was made with uncommitted changes, so that nobody can make it again; commit, "
                "run once more, and accept that run.",
            )
        )
    # Gates against the baseline that is being replaced say nothing about the new one.
    missed = [
        f"{cell.id}: {gate.message}"
        for cell in record.cells
        for gate in cell.gates
        if gate.state in {"fail", "error"} and gate.against != "baseline"
    ]
    if missed:
        more = f" (and {len(missed) - 1} more)" if len(missed) > 1 else ""
        notices.append(
            Notice(
                "accepted-not-passed",
                f"{run}: was accepted although a gate is not kept: {missed[0]}{more}.",
            )
        )
    if random := sorted({c.model.id for c in record.cells if c.model.random_weights}):
        notices.append(
            Notice(
                "accepted-random-weights",
                f"{run}: {', '.join(random)} has random weights; its accuracy means nothing.",
            )
        )
    return tuple(notices)
