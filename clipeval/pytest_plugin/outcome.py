"""What a cell's result means to pytest."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    from clipeval.api import FinishedRun
    from clipeval.records import CellResult


class GateFailure(Exception):  # noqa: N818 (a failed test, not an error)
    """Gates of a cell did not pass; the text is all there is to say."""


def check_gates(result: CellResult) -> None:
    """Fail with every gate of a cell that did not pass.

    Raises:
        GateFailure: at least one gate failed or could not be decided.
    """
    failed = [gate for gate in result.gates if gate.state in {"fail", "error"}]
    if failed:
        lines = [f"{result.id}: {len(failed)} of {len(result.gates)} gates failed"]
        lines += [f"  {gate.state.upper()}  {gate.message}" for gate in failed]
        raise GateFailure("\n".join(lines))


def metric_properties(result: CellResult) -> list[tuple[str, object]]:
    """Return a cell's metrics as properties for junit and other reporters."""
    properties: list[tuple[str, object]] = [("clipeval_cell", result.id)]
    for name, metric in result.metrics.items():
        properties.append((name, metric.value))
        if metric.low is not None and metric.high is not None:
            properties += [(f"{name}_low", metric.low), (f"{name}_high", metric.high)]
    return properties


def summary_lines(run: FinishedRun, *, base: Path) -> list[str]:
    """Return the lines of the terminal summary: a cell each, notices, verdict and report.

    Args:
        run: one suite's.
        base: paths are shown relative to it.
    """
    record = run.record
    width = max((len(cell.id) for cell in record.cells), default=0)
    lines = [f"{cell.id:<{width}}  {_top1(cell)}" for cell in record.cells]
    partial = ""
    if record.status == "partial":
        partial = f", partial: {len(record.cells)} of {len(record.planned_cells)} cells evaluated"
    report = "no report written"
    if run.folder is not None:
        folder = run.folder.relative_to(base) if run.folder.is_relative_to(base) else run.folder
        report = f"report: {folder / 'report.html'}"
    said = dict.fromkeys([*record.notices, *(n for cell in record.cells for n in cell.notices)])
    notes = [f"note {notice.code}: {notice.message}" for notice in said]
    return [*lines, *notes, f"{record.suite}: {record.verdict}{partial}; {report}"]


def _top1(cell: CellResult) -> str:
    top1 = cell.metrics.get("top1")
    if top1 is None:
        return "no top-1: one class"
    interval = ""
    if top1.low is not None and top1.high is not None:
        interval = f" [{top1.low:.1%}, {top1.high:.1%}]"
    random = " (random weights)" if cell.model.random_weights else ""
    return f"top-1 {top1.value:.1%}{interval} n={top1.n}{random}"
