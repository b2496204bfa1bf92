"""What a cell's result means to pytest."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from clipeval.records.gate_images import images_account
from clipeval.records.holdout_lines import holdout_lines
from clipeval.records.shared_causes import told_once
from clipeval.records.stated_gates import gate_account, is_judged, stated_gates, verdict_word
from clipeval.wording import count

if TYPE_CHECKING:
    from pathlib import Path

    from clipeval.api import FinishedRun
    from clipeval.records import CellResult, Comparison, LatencyOutcome


INCONCLUSIVE = "clipeval_inconclusive"
"""Property of a test of which a gate is undecided."""
SUITE = "clipeval_suite"
"""Property that names the suite of the cell that follows."""
CELL = "clipeval_cell"
"""Property that names the cell that a test evaluated; what follows is about it."""
NOT_DONE = ("baseline-lost", "no-holdout")
"""Codes of notices that something asked for could not be done."""


_UNPRINTABLE = re.compile(
    "[\x00-\x1f\x7f-\x9f\u200e\u200f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]"
)
"""Names of classes and files may hold what drives a terminal, or ends a line."""


def one_line(text: str) -> str:
    """Return text without anything that moves the cursor, colours, reorders, or starts a new line."""
    return _UNPRINTABLE.sub("\N{REPLACEMENT CHARACTER}", text)


class GateFailure(Exception):  # noqa: N818 (a failed test, not an error)
    """Gates of a cell did not pass; the text is all there is to say."""


def check_gates(result: CellResult) -> None:
    """Fail with every gate of a cell that did not pass.

    Raises:
        GateFailure: at least one gate failed or could not be decided.
    """
    failed = [gate for gate in result.gates if gate.state in {"fail", "error"}]
    if not failed:
        return
    not_passed = [*failed, *(gate for gate in result.gates if gate.state == "inconclusive")]
    gates = stated_gates(result.gates)
    n_failed = sum(gate.state in {"fail", "error"} for gate in gates)
    lines = [f"{result.id}: {n_failed} of {count(len(gates), 'gate')} failed"]
    named: set[tuple[str, ...]] = set()
    for told in told_once(not_passed):
        gate, (message, *more) = told.results[0], told.lines
        against = f" (against {gate.against})" if gate.against else ""
        lines.append(f"  {told.state.upper()}  {message}{against}")
        lines += [f"        {line}" for line in more]
        if gate.images and gate.images not in named:
            lines.append(f"        {images_account(gate)} behind it: {', '.join(gate.images)}")
            named.add(gate.images)
    raise GateFailure("\n".join(map(one_line, lines)))


def check_latency(suite: str, found: LatencyOutcome) -> None:
    """Fail with every limit on latency that was not kept, and all that could not be timed.

    Raises:
        GateFailure: at least one.
    """
    failed = [gate for gate in found.gates if gate.state in {"fail", "error"}]
    if not failed and not found.problems:
        return
    lines = [f"{suite}: {len(failed)} of {count(len(found.gates), 'limit')} on latency failed"]
    lines += [f"  {gate.state.upper()}  {gate.message}" for gate in failed]
    lines += [f"  ERROR  not timed: {problem}" for problem in found.problems]
    raise GateFailure("\n".join(map(one_line, lines)))


def latency_properties(found: LatencyOutcome) -> list[tuple[str, object]]:
    """Return what limits on latency came to as properties for junit and other reporters."""
    properties: list[tuple[str, object]] = [
        (f"latency_{number}", f"{gate.state}: {gate.message}")
        for number, gate in enumerate(found.gates, start=1)
    ]
    properties += [
        (f"latency_{number}_{name}", value)
        for number, gate in enumerate(found.gates, start=1)
        for name, value in (
            ("limit", gate.limit), ("value", gate.value), ("low", gate.low), ("high", gate.high),
        )
        if value is not None
    ]  # fmt: skip
    open_ = [gate.message for gate in found.gates if gate.state == "inconclusive"]
    return [*properties, *([(INCONCLUSIVE, "; ".join(open_))] if open_ else [])]


def gate_properties(result: CellResult) -> list[tuple[str, object]]:
    """Return what was decided about a cell as properties for junit and other reporters."""
    properties: list[tuple[str, object]] = []
    for number, gate in enumerate(result.gates, start=1):
        properties.append((f"gate_{number}", f"{gate.state}: {gate.message}"))
        values = {"limit": gate.limit, "value": gate.value, "low": gate.low, "high": gate.high}
        properties += [
            (f"gate_{number}_{name}", value) for name, value in values.items() if value is not None
        ]
    open_ = [gate.message for gate in result.gates if gate.state == "inconclusive"]
    return [*properties, *([(INCONCLUSIVE, "; ".join(open_))] if open_ else [])]


def problems_of(run: FinishedRun) -> list[str]:
    """Return why a run fails although each of its tests may have passed."""
    problems = list(run.problems)
    problems += [one.message for one in run.record.notices if one.code in NOT_DONE]
    return problems


def place_properties(suite: str, cell: str) -> list[tuple[str, object]]:
    """Return which cell of which suite a test is about, as properties."""
    return [(SUITE, one_line(suite)), (CELL, one_line(cell))]


def metric_properties(result: CellResult, *, suite: str) -> list[tuple[str, object]]:
    """Return a cell's metrics as properties for junit and other reporters.

    Args:
        result: the cell.
        suite: name of the suite that it is of.
    """
    properties = place_properties(suite, result.id)
    for name, metric in result.metrics.items():
        properties.append((name, metric.value))
        if metric.low is not None and metric.high is not None:
            properties += [(f"{name}_low", metric.low), (f"{name}_high", metric.high)]
    return properties


def comparison_properties(comparison: Comparison, number: int) -> list[tuple[str, object]]:
    """Return what a cell was compared with, and what came of it, as properties for junit.

    Args:
        comparison: of the cell.
        number: which of the test's comparisons it is, from 1.
    """
    start = f"comparison_{number}"
    base = _named_base(comparison)
    values = {
        "against": base,
        "difference": comparison.top1.value,
        "low": comparison.top1.low,
        "high": comparison.top1.high,
        "p_value": comparison.p_value,
        "q_value": comparison.q_value,
        "newly_wrong": comparison.n_newly_wrong,
        "newly_right": comparison.n_newly_right,
    }
    return [
        (start, f"{comparison.candidate} against {base}: {comparison.message}"),
        *((f"{start}_{name}", value) for name, value in values.items() if value is not None),
    ]


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
        partial = f", partial: {len(record.cells)} of {count(len(record.planned_cells), 'cell')} evaluated"
    report = "no report written"
    if run.folder is not None:
        folder = run.folder.relative_to(base) if run.folder.is_relative_to(base) else run.folder
        report = f"report: {folder / 'report.html'}"
    lines += [
        f"INCONCLUSIVE  {cell.id}: {gate.message}"
        for cell in record.cells
        if not any(gate.state in {"fail", "error"} for gate in cell.gates)  # these said it all
        for gate in cell.gates
        if gate.state == "inconclusive"
    ]
    if record.latency is not None:
        lines += [
            f"INCONCLUSIVE  latency: {gate.message}"
            for gate in record.latency.gates
            if gate.state == "inconclusive"
        ]
    lines += [
        f"{one.candidate} against {_named_base(one)}: {one.message}"
        for one in record.comparisons
        if one.conclusion in {"better", "worse"}
    ]
    said = dict.fromkeys([*record.notices, *(n for cell in record.cells for n in cell.notices)])
    notes = [f"note {notice.code}: {notice.message}" for notice in said]
    lines += holdout_lines(record.holdouts, quote=str)
    verdict = verdict_word(record).lower()
    if not is_judged(record):
        verdict += f", {gate_account(record)}"
    said_all = [*lines, *notes, f"{record.suite}: {verdict}{partial}; {report}"]
    return [one_line(line) for line in said_all]


def _named_base(comparison: Comparison) -> str:
    return "the baseline" if comparison.kind == "baseline" else comparison.base


def _top1(cell: CellResult) -> str:
    top1 = cell.metrics.get("top1")
    if top1 is None:
        return "no top-1: one class"
    interval = ""
    if top1.low is not None and top1.high is not None:
        interval = f" [{top1.low:.1%}, {top1.high:.1%}]"
    random = " (random weights)" if cell.model.random_weights else ""
    return f"top-1 {top1.value:.1%}{interval} n={top1.n}{random}"
