"""Records as terminal tables."""

from __future__ import annotations

from collections.abc import Iterable

from rich import box
from rich.table import Table

from clipeval.cli.console import plain
from clipeval.cli.exits import VERDICT_COLOURS
from clipeval.records import CellResult, GateResult, MetricValue, RunRecord


def cells_table(record: RunRecord) -> Table:
    """One row a cell: where, the main metrics, how many images."""
    table = Table(box=box.SIMPLE_HEAD, title=f"suite {plain(record.suite)}", title_justify="left")
    for name in ("data set", "model", "template"):
        table.add_column(name, overflow="fold")
    for name in ("top-1 [95%]", "top-5", "macro F1", "images"):
        table.add_column(name, justify="right", no_wrap=True)
    settings = {(cell.device, cell.precision) for cell in record.cells}
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
        table.add_row(*row, *([f"{cell.device} {cell.precision}"] if len(settings) > 1 else []))
    return table


def gates_table(record: RunRecord) -> Table:
    """One row a gate that was decided."""
    rows = [(cell.id, gate) for cell in record.cells for gate in cell.gates]
    return gate_rows_table(rows, title="gates")


def gate_rows_table(rows: Iterable[tuple[str, GateResult]], *, title: str) -> Table:
    """One row a gate: state, cell, and what was found."""
    table = Table(box=box.SIMPLE_HEAD, title=title, title_justify="left")
    for name in ("", "cell", "gate"):
        table.add_column(name, overflow="fold")
    for cell, gate in rows:
        state = f"[{VERDICT_COLOURS[gate.state]}]{gate.state.upper()}[/]"
        table.add_row(state, plain(cell), plain(gate.message))
    return table


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
