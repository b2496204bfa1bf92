"""Accepted runs: where they are, how they are read, and how a run becomes one."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from clipeval.comparison import cell_outcomes
from clipeval.errors import StoreError
from clipeval.records import Baseline, BaselineCell, Notice, Predictions, RunRecord, SuiteSpec
from clipeval.store import is_baseline, read_baseline, read_predictions, read_run, write_baseline
from clipeval.store.names import RUN_JSON

BASELINES_FOLDER = Path("baselines")


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

    The one that was named; else the nearest baselines/SUITE.json, in the suite's folder, above it up to
    the project's root (the folder with `.git`), or in the current folder.

    Raises:
        StoreError: the one that was named is not there.
    """
    if suite.baseline is not None:
        return _named_baseline(suite.baseline, suite.name)
    if suite.path is None:
        return None
    name = BASELINES_FOLDER / f"{suite.name}.json"
    for folder in suite.path.absolute().parents:
        if (folder / name).is_file():
            return folder / name
        if (folder / ".git").exists():
            break
    return Path.cwd() / name if name.is_file() else None


def check_baselines(suites: Iterable[SuiteSpec]) -> None:
    """Refuse baselines that cannot be read, before anything is evaluated.

    Raises:
        StoreError: the one that was named is not there, or one is unreadable or was changed.
    """
    for suite in suites:
        if (path := find_baseline(suite)) is not None:
            open_baseline(path)


def open_baseline(path: Path) -> Baseline:
    """Read a baseline file, or a finished run as if it had been accepted.

    Args:
        path: a baseline file, a run folder, or its run.json.
    Raises:
        StoreError: it cannot be read, or is a run that did not finish.
    """
    if not path.exists():
        raise StoreError(
            f"{path}: no such file; expected a baseline (clipeval baseline accept RUN), a run folder, "
            "or its run.json"
        )
    if path.is_file() and is_baseline(path):
        return read_baseline(path)
    record = read_run(path)
    return baseline_of_run(record, _predictions(path, record), source=str(path))


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
        file: where to write; baselines/SUITE.json in the current folder if None.
    Raises:
        StoreError: the run is partial or cannot be read, or the file cannot be written.
    """
    record = read_run(run)
    found = baseline_of_run(record, _predictions(run, record), source=str(run))
    target = file or BASELINES_FOLDER / f"{record.suite}.json"
    replaced = target.exists()
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
    """Return the file of a suite's baseline in the current folder, whether or not it is there."""
    return BASELINES_FOLDER / f"{suite}.json"


def _by_suite(path: Path) -> Path:
    candidate = baseline_of(str(path))
    return candidate if not path.exists() and candidate.is_file() else path


def _named_baseline(path: Path, suite: str) -> Path:
    if path.is_dir() and not (path / RUN_JSON).exists():
        file = path / f"{suite}.json"
        if not file.is_file():
            raise StoreError(
                f"{path}: has no {file.name}; expected the baseline of suite '{suite}' in this folder, a "
                "baseline file, or a run folder"
            )
        return file
    if not path.exists():
        raise StoreError(
            f"{path}: no such file; expected a baseline file, a folder of baselines, or a run folder; "
            "make one of a run: clipeval baseline accept RUN"
        )
    return path


def _predictions(run: Path, record: RunRecord) -> dict[str, Predictions]:
    found = {one.cell: one for one in read_predictions(run)}
    missing = [cell.id for cell in record.cells if cell.id not in found]
    if missing:
        raise StoreError(
            f"{run}: predictions.parquet has no cell '{missing[0]}'; "
            "predictions.parquet and run.json are not of the same run"
        )
    for cell in record.cells:
        n_images = len(found[cell.id].sample_ids)
        if n_images != cell.dataset.n_images:
            raise StoreError(
                f"{run}: predictions.parquet has {n_images:,} images of cell '{cell.id}', run.json "
                f"{cell.dataset.n_images:,}; they are not of the same run"
            )
    return found


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
    if record.verdict != "pass":
        notices.append(
            Notice(
                "accepted-not-passed",
                f"{run}: its verdict is {record.verdict}; later runs are held against it all the same.",
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
