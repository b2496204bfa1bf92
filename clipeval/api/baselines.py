"""Accepted runs: how they are read, and how a run becomes one."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from clipeval.api.baseline_files import (
    BASELINES_FOLDER,
    baseline_of,
    find_baseline,
    latency_baseline_of,
)
from clipeval.api.finished_runs import predictions_of
from clipeval.api.rendering import read_timings
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
from clipeval.store import is_baseline, read_baseline, read_run, write_baseline, write_benchmark
from clipeval.store.atomic import reporting_os_errors
from clipeval.store.names import RUN_JSON
from clipeval.wording import count

_SNIFFED_BYTES = 4096
_N_NAMED = 10


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


def open_baselines(
    suites: Collection[SuiteSpec], folders: Sequence[Path]
) -> Mapping[str, Baseline]:
    """Open the baselines of suites, before anything is evaluated.

    Args:
        suites: that are going to be run.
        folders: the run folder of each.
    Returns:
        Suite name -> its baseline; suites that have none are left out.
    Raises:
        StoreError: as suite_baseline, or the run would replace its baseline.
    """
    opened: dict[str, Baseline] = {}
    for suite, folder in zip(suites, folders, strict=True):
        baseline = suite_baseline(suite)
        if baseline is not None:
            _refuse_own_folder(Path(baseline.source), folder)
            opened[suite.name] = baseline
    return opened


def suite_baseline(suite: SuiteSpec) -> Baseline | None:
    """Open the baseline that a suite is held against, if it has one.

    Raises:
        StoreError: the one that was named is not there, or one is unreadable, was changed, or is that of
            another suite.
    """
    path = find_baseline(suite)
    if path is None:
        return None
    baseline = open_baseline(path)
    if baseline.suite != suite.name:
        raise StoreError(
            f"{path}: is the baseline of suite '{baseline.suite}', not of '{suite.name}'; name that of "
            f"'{suite.name}' or a folder that has it, or move this one away and accept a run of "
            f"'{suite.name}': clipeval baseline accept RUN"
        )
    return baseline


def _refuse_own_folder(baseline: Path, folder: Path) -> None:
    """Refuse a baseline that is the run folder about to be written: it would be gone before the end."""
    run = baseline.parent if baseline.name == RUN_JSON else baseline
    if run.resolve() == folder.resolve():
        raise StoreError(
            f"{baseline}: is the run folder that this run replaces, so that there would be nothing left "
            "to compare with; accept it first (clipeval baseline accept RUN), or write this run elsewhere"
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
    lost = _losses(_earlier(target), found) if replaced else ()
    timings = read_timings(run if run.is_dir() else run.parent)
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
    timings_file = latency_baseline_of(target)
    if timings is not None:
        with reporting_os_errors(f"cannot write {timings_file}"):
            timings_file.parent.mkdir(parents=True, exist_ok=True)
        write_benchmark(timings, timings_file)
    elif timings_file.is_file():
        lost = (*lost, _kept_timings(run, timings_file))
    return AcceptedBaseline(
        file=target,
        suite=record.suite,
        n_cells=len(found.cells),
        size_bytes=target.stat().st_size,
        replaced=replaced,
        notices=(*_doubts(record, run), *lost),
    )


def _kept_timings(run: Path, file: Path) -> Notice:
    return Notice(
        "kept-timings",
        f"{run}: nothing was timed in it, so that the timings accepted before stay: {file}",
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


def _earlier(target: Path) -> Baseline | None:
    """Read the baseline that is about to be replaced; None if it is broken."""
    try:
        return read_baseline(target)
    except StoreError:
        return None


def _losses(then: Baseline | None, now: Baseline) -> tuple[Notice, ...]:
    """Say which cells and images of the baseline that is replaced the new one has not."""
    if then is None:
        return ()
    notices = []
    if lost := [id_ for id_ in then.cells if id_ not in now.cells]:
        more = f" and {count(len(lost) - _N_NAMED)} more" if len(lost) > _N_NAMED else ""
        notices.append(
            Notice(
                "accepted-fewer-cells",
                f"{now.source}: does not have {count(len(lost), 'cell')} of the {count(len(then.cells))} in "
                f"the baseline that it replaces: {', '.join(lost[:_N_NAMED])}{more}; if the run was of some "
                "cells only, run the whole suite and accept that.",
            )
        )
    n_then, n_now = _n_images(then), _n_images(now)
    notices += [
        Notice(
            "accepted-fewer-images",
            f"{now.source}: has {count(n_now[dataset], 'image')} of {dataset}, and the baseline that it "
            f"replaces {count(n)}; if the run was of some images only (--limit), run the whole suite "
            "and accept that.",
        )
        for dataset, n in n_then.items()
        if dataset in n_now and n_now[dataset] < n
    ]
    return tuple(notices)


def _n_images(baseline: Baseline) -> dict[str, int]:
    """Count the images of each data set; its cells have the same ones."""
    cells = [one.outcomes for one in baseline.cells.values()]
    return {cell.dataset: len(cell.sample_ids) for cell in cells}


def _by_suite(path: Path) -> Path:
    candidate = baseline_of(str(path))
    return candidate if not path.exists() and candidate.is_file() else path


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
    if record.latency is not None:
        missed += list(record.latency.problems)
        missed += [
            gate.message
            for gate in record.latency.gates
            if gate.state == "fail" or (gate.state == "error" and gate.kind != "max_slowdown")
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
