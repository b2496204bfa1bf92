"""The page about runs over time, as one frozen value."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from posixpath import normpath

from clipeval.records import Notice, Verdict
from clipeval.records.history import History, PastCell, PastRun, PastTiming, SuiteHistory
from clipeval.report import format as fmt
from clipeval.report.charts import Chart, accuracy_chart, latency_chart, setting_name
from clipeval.report.views.gates import MARKS
from clipeval.report.views.numbers import Number, exact, integer
from clipeval.wording import count

MAX_TIMINGS = 200
MAX_CELLS = 60
"""Cells that a row names; the page would be of no use with thousands."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HistoryCell:
    """One cell in one run."""

    cell: str
    top1: Number
    interval: str
    n_images: Number
    change: Number | None
    """Points since the run before that has the cell; None for the first, or on other images."""
    is_regression: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class HistoryRow:
    """One run."""

    created: str
    folder: str
    href: str
    """Of its report, relative to the page; empty if there is none."""
    verdict: Verdict
    mark: str
    commit: str
    note: str
    cells: tuple[HistoryCell, ...]
    n_more: int


@dataclass(frozen=True, slots=True, kw_only=True)
class TimingRow:
    """One stage of one model in the newest run that timed it."""

    stage: str
    setting: str
    machine: str
    created: str
    median: Number
    interval: str
    change: str
    """Since the run before on the same machine, such as `+3.1%`; empty for the first."""
    n_regressions: str
    """Runs in which it was beyond a limit; empty if in none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HistorySection:
    """One suite, its newest run first."""

    anchor: str
    suite: str
    account: str
    rows: tuple[HistoryRow, ...]
    timings: tuple[TimingRow, ...]
    n_more_timings: int
    charts: tuple[Chart, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class HistoryPage:
    """Everything that history.html says."""

    account: str
    sections: tuple[HistorySection, ...]
    notices: tuple[Notice, ...]


def build_history(history: History, *, root: str = ".") -> HistoryPage:
    """Turn runs over time into what the page shows.

    Args:
        history: the runs.
        root: the folder that they were gathered in, relative to the page.
    """
    n_runs = sum(len(one.runs) for one in history.suites)
    return HistoryPage(
        account=f"{count(n_runs, 'run')} of {count(len(history.suites), 'suite')}",
        sections=tuple(_section(i, one, root) for i, one in enumerate(history.suites)),
        notices=history.notices,
    )


def _section(position: int, history: SuiteHistory, root: str) -> HistorySection:
    before: dict[str, PastCell] = {}
    rows = []
    for run in history.runs:
        rows.append(_row(run, before, root))
        before |= {cell.cell: cell for cell in run.cells}
    n_regressions = sum(cell.is_regression for run in history.runs for cell in run.cells)
    n_regressions += sum(one.is_regression for run in history.runs for one in run.timings)
    account = count(len(history.runs), "run")
    if n_regressions:
        account += f", {count(n_regressions, 'regression')}"
    timings = _timing_rows(history)
    charts = (accuracy_chart(history), latency_chart(history))
    return HistorySection(
        anchor=f"suite-{position}",
        suite=history.suite,
        account=account,
        rows=tuple(reversed(rows)),
        timings=timings[:MAX_TIMINGS],
        n_more_timings=max(0, len(timings) - MAX_TIMINGS),
        charts=tuple(chart for chart in charts if chart is not None),
    )


def _row(run: PastRun, before: Mapping[str, PastCell], root: str) -> HistoryRow:
    cells = tuple(
        HistoryCell(
            cell=cell.cell,
            top1=Number(fmt.percent(cell.top1), exact(cell.top1)),
            interval=fmt.interval("top1", cell.low, cell.high),
            n_images=integer(cell.n_images),
            change=_change(cell, before.get(cell.cell)),
            is_regression=cell.is_regression,
        )
        for cell in run.cells
    )
    return HistoryRow(
        created=fmt.timestamp(run.created),
        folder=run.folder,
        href=fmt.url_path(normpath(f"{root}/{run.folder}/report.html")) if run.has_report else "",
        verdict=run.verdict,
        mark=MARKS[run.verdict],
        commit=(run.git_commit or "")[:10],
        note=", ".join(_notes(run)),
        cells=cells[:MAX_CELLS],
        n_more=max(0, len(cells) - MAX_CELLS),
    )


def _notes(run: PastRun) -> Iterator[str]:
    if run.is_partial:
        yield "partial"
    if run.accepted:
        yield f"held against the baseline of {fmt.timestamp(run.accepted)}"


def _change(cell: PastCell, before: PastCell | None) -> Number | None:
    """Return the difference to the run before, if that was on the same images."""
    if before is None or before.samples_sha256 != cell.samples_sha256:
        return None
    return _points(cell.top1 - before.top1)


def _timing_rows(history: SuiteHistory) -> tuple[TimingRow, ...]:
    """Give each stage's newest median, beside the one before on the same machine."""
    found: dict[tuple[str, str, str], list[tuple[PastRun, PastTiming]]] = {}
    for run in history.runs:
        for one in run.timings:
            key = (setting_name(one.setting), one.stage, one.fingerprint)
            found.setdefault(key, []).append((run, one))
    rows = []
    for (setting, stage, fingerprint), timings in found.items():
        run, newest = timings[-1]
        n_regressions = sum(one.is_regression for _, one in timings)
        change = ""
        if len(timings) > 1:
            change = f"{newest.median_s / timings[-2][1].median_s - 1:+.1%}".replace("-", fmt.MINUS)
        rows.append(
            TimingRow(
                stage=stage,
                setting=setting,
                machine=fingerprint[:6],
                created=fmt.timestamp(run.created),
                median=Number(fmt.latency(newest.median_s), exact(newest.median_s)),
                interval=""
                if newest.low_s is None or newest.high_s is None
                else f"[{fmt.latency(newest.low_s)}, {fmt.latency(newest.high_s)}]",
                change=change,
                n_regressions=f"beyond a limit in {count(n_regressions, 'run')}"
                if n_regressions
                else "",
            )
        )
    return tuple(rows)


def _points(difference: float) -> Number:
    return Number(fmt.points(difference), exact(difference))
