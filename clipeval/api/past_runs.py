"""The runs of a folder over time, and the page about them."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from clipeval.api.comparison_page import check_page_file
from clipeval.api.rendering import read_timings
from clipeval.errors import StoreError
from clipeval.records import CellResult, Notice, RunRecord
from clipeval.records.history import History, PastCell, PastRun, PastTiming, SuiteHistory
from clipeval.records.latency import BenchmarkRecord
from clipeval.records.latency_gates import LatencyPoint
from clipeval.report import render_history
from clipeval.store import read_run
from clipeval.store.atomic import reporting_os_errors, write_bytes
from clipeval.store.names import REPORT_HTML, RUN_JSON, encodable

_FAILED = ("fail", "error")


def gather_history(folder: Path) -> History:
    """Read every run at or below a folder.

    Raises:
        StoreError: the folder is not there, or has no run that can be read.
    """
    with reporting_os_errors(f"cannot read {folder}"):
        if not folder.is_dir():
            raise StoreError(f"{folder}: no such folder; expected one that has run folders in it")
        files = sorted(folder.rglob(RUN_JSON))
    runs: dict[str, list[PastRun]] = {}
    notices = []
    for file in files:
        try:
            record, timings = read_run(file.parent), read_timings(file.parent)
        except StoreError as error:
            notices.append(Notice("run-not-read", str(error)))
            continue
        name = str(file.parent.relative_to(folder))
        has_report = (file.parent / REPORT_HTML).is_file()
        past = _past_run(name, record, timings, has_report=has_report)
        runs.setdefault(record.suite, []).append(past)
    if not runs:
        told = "".join(f"\n  {one.message}" for one in notices)
        raise StoreError(f"{folder}: has no run of clipeval in it that can be read{told}")
    return History(
        suites=tuple(
            SuiteHistory(
                suite=suite, runs=tuple(sorted(found, key=lambda one: (one.created, one.folder)))
            )
            for suite, found in sorted(runs.items())
        ),
        notices=tuple(notices),
    )


def write_history(history: History, file: Path, *, folder: Path) -> None:
    """Write the page, whole or not at all.

    Args:
        history: of the runs below a folder.
        file: where to write.
        folder: the one that the history was gathered in: links to its reports are relative to the page.
    Raises:
        StoreError: it cannot be written, or is the file of a run.
    """
    check_page_file(file, option="--out")
    try:
        root = Path(os.path.relpath(folder.resolve(), file.parent.resolve())).as_posix()
    except ValueError:  # another drive of Windows
        root = folder.resolve().as_posix()
    page = render_history(history, root=root)
    write_bytes(file, encodable(page).encode("utf-8"))


def _past_run(
    folder: str, record: RunRecord, timings: BenchmarkRecord | None, *, has_report: bool
) -> PastRun:
    worse = {
        one.candidate
        for one in record.comparisons
        if one.kind == "baseline" and one.conclusion == "worse"
    }
    return PastRun(
        folder=folder,
        has_report=has_report,
        created=record.created,
        verdict=record.verdict,
        is_partial=record.status == "partial",
        git_commit=record.environment.git_commit,
        accepted=None if record.baseline is None else record.baseline.accepted,
        cells=tuple(
            _past_cell(cell, is_worse=cell.id in worse)
            for cell in record.cells
            if "top1" in cell.metrics
        ),
        timings=() if timings is None else tuple(_past_timings(record, timings)),
    )


def _past_cell(cell: CellResult, *, is_worse: bool) -> PastCell:
    top1 = cell.metrics["top1"]
    has_failed = any(
        gate.state in _FAILED and gate.against == "baseline" and gate.value is not None
        for gate in cell.gates
    )
    return PastCell(
        cell=cell.id,
        dataset=cell.dataset.key,
        top1=top1.value,
        low=top1.low,
        high=top1.high,
        n_images=top1.n,
        samples_sha256=cell.dataset.samples_sha256,
        is_regression=is_worse or has_failed,
    )


def _past_timings(record: RunRecord, timings: BenchmarkRecord) -> Iterator[PastTiming]:
    gates = () if record.latency is None else record.latency.gates
    failed = {(gate.model, gate.point) for gate in gates if gate.state == "fail"}
    for one in timings.profiles:
        if one.summary is None:
            continue
        yield PastTiming(
            stage=one.stage,
            setting=one.setting,
            median_s=one.summary.median_s,
            low_s=one.summary.low_s,
            high_s=one.summary.high_s,
            fingerprint=timings.fingerprint,
            is_regression=(one.setting.model, LatencyPoint.of(one.stage, one.setting)) in failed,
        )
