"""Latency in summary.md: limits that were not kept, and the timings as a table."""

from __future__ import annotations

from clipeval.records import RunRecord
from clipeval.records.latency import BenchmarkRecord, StageProfile
from clipeval.report import format as fmt
from clipeval.report.fitting import Section
from clipeval.report.markdown import (
    DETAILS_END,
    details_start,
    escape,
    escape_sentence,
    table_head,
    table_row,
)
from clipeval.wording import count

_MARKS = {"fail": "**fail**", "error": "**error**", "inconclusive": "inconclusive"}


def limits_on_latency(record: RunRecord) -> Section:
    """List the limits that were not kept, and what could not be timed; count the rest."""
    latency = record.latency
    if latency is None:
        return Section(lines=(), nouns=("limit", "limits"))
    lines = [f"- **error** {escape_sentence(problem)}" for problem in latency.problems]
    lines += [
        f"- {_MARKS[gate.state]} {escape_sentence(gate.message)}"
        for gate in latency.gates
        if gate.state != "pass"
    ]
    n_kept = sum(gate.state == "pass" for gate in latency.gates)
    if n_kept:
        lines.append(f"- {count(n_kept, 'limit')} on latency kept")
    return Section(
        opening="Latency:\n\n", lines=tuple(lines), nouns=("limit on latency", "limits on latency")
    )


def timings(benchmark: BenchmarkRecord | None) -> Section:
    """Fold away the median of every stage that was timed."""
    nouns = ("timing", "timings")
    if benchmark is None:
        return Section(lines=(), nouns=nouns)
    header = ["Model", "On", "Batch", "Stage", "Median", "95% interval", "p95", "Items/s"]
    return Section(
        opening=details_start("Latency") + table_head(header, numeric=range(4, 8)),
        lines=tuple(table_row(_row(one)) for one in benchmark.profiles),
        nouns=nouns,
        closing=DETAILS_END,
    )


def _row(one: StageProfile) -> list[str]:
    setting, summary = one.setting, one.summary
    where = f"{setting.device} {setting.precision} {setting.backend}, {count(setting.n_threads, 'thread')}"
    start = [escape(setting.model), escape(where), str(setting.batch_size), one.stage]
    if summary is None:
        return [*start, escape_sentence(one.problem), fmt.DASH, fmt.DASH, fmt.DASH]
    interval = (
        f"[{fmt.latency(summary.low_s)}, {fmt.latency(summary.high_s)}]"
        if summary.low_s is not None and summary.high_s is not None
        else fmt.DASH
    )
    doubt = f" ({', '.join(one.doubts)})" if one.doubts else ""
    return [
        *start,
        fmt.latency(summary.median_s) + doubt,
        interval,
        fmt.DASH if summary.p95_s is None else fmt.latency(summary.p95_s),
        fmt.DASH if one.items_per_s is None else f"{one.items_per_s:,.1f}",
    ]
