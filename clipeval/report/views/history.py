"""The page about runs over time, as one frozen value."""

from __future__ import annotations

from dataclasses import dataclass

from clipeval.records import Notice, Verdict
from clipeval.records.history import History, PastRun, SuiteHistory
from clipeval.report import format as fmt
from clipeval.report.charts import Chart, accuracy_chart, latency_chart
from clipeval.report.views.gates import MARKS
from clipeval.report.views.numbers import Number, exact
from clipeval.wording import count

MAX_CELLS = 60
"""Cells that a row names; the page would be of no use with thousands."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HistoryCell:
    """One cell in one run."""

    cell: str
    top1: Number
    interval: str
    change: Number | None
    """Points since the run before that has the cell; None for the first."""
    is_regression: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class HistoryRow:
    """One run."""

    created: str
    folder: str
    href: str
    """Of its report, relative to the page."""
    verdict: Verdict
    mark: str
    commit: str
    note: str
    cells: tuple[HistoryCell, ...]
    n_more: int


@dataclass(frozen=True, slots=True, kw_only=True)
class HistorySection:
    """One suite, its newest run first."""

    anchor: str
    suite: str
    account: str
    rows: tuple[HistoryRow, ...]
    charts: tuple[Chart, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class HistoryPage:
    """Everything that history.html says."""

    account: str
    sections: tuple[HistorySection, ...]
    notices: tuple[Notice, ...]


def build_history(history: History) -> HistoryPage:
    """Turn runs over time into what the page shows."""
    n_runs = sum(len(one.runs) for one in history.suites)
    return HistoryPage(
        account=f"{count(n_runs, 'run')} of {count(len(history.suites), 'suite')}",
        sections=tuple(_section(i, one) for i, one in enumerate(history.suites)),
        notices=history.notices,
    )


def _section(position: int, history: SuiteHistory) -> HistorySection:
    before: dict[str, float] = {}
    rows = []
    for run in history.runs:
        rows.append(_row(run, before))
        before |= {cell.cell: cell.top1 for cell in run.cells}
    n_regressions = sum(cell.is_regression for run in history.runs for cell in run.cells)
    n_regressions += sum(one.is_regression for run in history.runs for one in run.timings)
    account = count(len(history.runs), "run")
    if n_regressions:
        account += f", {count(n_regressions, 'regression')}"
    charts = (accuracy_chart(history), latency_chart(history))
    return HistorySection(
        anchor=f"suite-{position}",
        suite=history.suite,
        account=account,
        rows=tuple(reversed(rows)),
        charts=tuple(chart for chart in charts if chart is not None),
    )


def _row(run: PastRun, before: dict[str, float]) -> HistoryRow:
    cells = tuple(
        HistoryCell(
            cell=cell.cell,
            top1=Number(fmt.percent(cell.top1), exact(cell.top1)),
            interval=fmt.interval("top1", cell.low, cell.high),
            change=_points(cell.top1 - before[cell.cell]) if cell.cell in before else None,
            is_regression=cell.is_regression,
        )
        for cell in run.cells
    )
    return HistoryRow(
        created=fmt.timestamp(run.created),
        folder=run.folder,
        href=f"{fmt.url_path(run.folder)}/report.html",
        verdict=run.verdict,
        mark=MARKS[run.verdict],
        commit=(run.git_commit or "")[:10],
        note="partial" if run.is_partial else "",
        cells=cells[:MAX_CELLS],
        n_more=max(0, len(cells) - MAX_CELLS),
    )


def _points(difference: float) -> Number:
    return Number(fmt.points(difference), exact(difference))
