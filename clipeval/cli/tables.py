"""Records as terminal tables."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from rich import box
from rich.table import Table

from clipeval import records
from clipeval.cli.console import plain
from clipeval.cli.exits import VERDICT_COLOURS
from clipeval.records.shared_causes import ToldGates, told_once
from clipeval.records.stated_gates import gate_account

if TYPE_CHECKING:  # for annotations alone: `--help` does without
    from clipeval.records import CellResult, MetricValue, RunRecord


def cells_table(record: RunRecord) -> Table:
    """One row a cell: where, the main metrics, how many images."""
    table = Table(box=box.SIMPLE_HEAD, title=f"suite {plain(record.suite)}", title_justify="left")
    for name in ("data set", "model", "template"):
        table.add_column(name, overflow="fold")
    for name in ("top-1 [95%]", "top-5", "macro F1", "images"):
        table.add_column(name, justify="right", no_wrap=True)
    settings = {_setting(cell) for cell in record.cells}
    if len(settings) > 1:
        table.add_column("device")
    for cell in record.cells:
        row = [
            plain(cell.dataset.key),
            plain(cell.model.id)
            + (" [red](random weights)[/]" if cell.model.random_weights else ""),
            plain(cell.template.id),
            _with_interval(cell.metrics.get("top1")),
            _percent(cell, "top5"),
            _percent(cell, "macro_f1"),
            _n_images(cell),
        ]
        table.add_row(*row, *([_setting(cell)] if len(settings) > 1 else []))
    return table


def gates_table(record: RunRecord) -> Table:
    """One row a gate, and for a limit on classes one a class that did not pass; the title counts gates.

    Gates of a cell that cannot be decided for the same cause share a row.
    """
    rows = [(cell.id, gates) for cell in record.cells for gates in told_once(cell.gates)]
    return gate_rows_table(rows, title=gate_account(record))


def gate_rows_table(rows: Iterable[tuple[str, ToldGates]], *, title: str) -> Table:
    """One row a gate, or gates that share a cause: state, cell, and what was found."""
    table = Table(box=box.SIMPLE_HEAD, title=title, title_justify="left")
    for name in ("", "cell", "gate"):
        table.add_column(name, overflow="fold")
    for cell, gates in rows:
        state = gates.state
        coloured = f"[{VERDICT_COLOURS[state]}]{state.upper()}[/]"
        table.add_row(coloured, plain(cell), "\n".join(map(plain, gates.lines)))
    return table


def _setting(cell: CellResult) -> str:
    backend = "" if cell.backend == records.DEFAULT_BACKEND else f" {cell.backend}"
    return f"{cell.device} {cell.precision}{backend}"


def _percent(cell: CellResult, metric: str) -> str:
    value = cell.metrics.get(metric)
    return f"{value.value:.1%}" if value is not None else "-"


def _with_interval(metric: MetricValue | None) -> str:
    if metric is None:
        return "-"
    if metric.low is None or metric.high is None:
        return f"{metric.value:.1%}"
    return f"{metric.value:.1%} \\[{metric.low:.1%}, {metric.high:.1%}]"


def _n_images(cell: CellResult) -> str:
    failed = cell.dataset.n_failed
    return f"{cell.dataset.n_images:,}" + (f" (+{failed} failed)" if failed else "")
