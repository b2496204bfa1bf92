"""summary.md: the run in a few lines, for a pull request or a terminal."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

from clipeval.records import CellResult, GateResult, RunRecord
from clipeval.records.cell_changes import change_lines
from clipeval.records.gate_images import images_account
from clipeval.records.latency import BenchmarkRecord
from clipeval.records.precision_costs import cost_lines
from clipeval.records.stated_gates import GATE_NOT_APPLIED, verdict_word
from clipeval.report import format as fmt
from clipeval.report.fitting import Section, fit
from clipeval.report.gate_text import gate_name, interval_text, limit_text, value_text, why
from clipeval.report.latency_summary import limits_on_latency, timings
from clipeval.report.markdown import (
    DETAILS_END,
    code_html,
    details_start,
    escape,
    escape_sentence,
    table_head,
    table_row,
)
from clipeval.report.open_gates import open_gate_lines
from clipeval.report.static_charts import StaticChart
from clipeval.report.views.baseline import cell_lists, holdout_sentences
from clipeval.report.views.moved import moves, unmoved
from clipeval.report.views.verdict import ENDED_EARLY, missing_cells, n_images, reason
from clipeval.wording import count

MAX_BYTES = 65_000
"""A comment on GitHub holds 65,536 characters, a step summary 1 MiB."""
MAX_IMAGES = 20
MAX_MOVES = 30
MAX_NAMED = 20
"""Cells or models that one line names."""
MAX_OPEN = 3
"""Inconclusive gates that have rows of their own; more are told cell by cell."""
_SHARING = 5
"""Gates named in the title of the images behind them."""
_COLUMNS = ("top1", "top5", "mean_per_class_recall", "macro_f1", "nll", "ece")
_Gates = Sequence[tuple[CellResult, GateResult]]


def render_summary(
    record: RunRecord,
    benchmark: BenchmarkRecord | None = None,
    charts: Sequence[StaticChart] = (),
) -> str:
    """Render a run as GitHub-flavoured markdown; the same input gives the same text.

    The verdict comes first, then what moved; what did not is counted and folded away.

    Args:
        record: the run.
        benchmark: timings of the run's models, if they were timed.
        charts: that lie beside it; a text that goes elsewhere has none.
    Returns:
        At most MAX_BYTES in UTF-8: where a run has more to say, what matters least is left out, and
        the text says so.
    """
    gates = [(cell, gate) for cell in record.cells for gate in cell.gates]
    failed = [pair for pair in gates if pair[1].state in ("fail", "error")]
    open_ = [pair for pair in gates if pair[1].state == "inconclusive"]
    in_rows = [*failed, *(open_ if len(open_) <= MAX_OPEN else [])]
    moved = _moved(record)
    has_news = bool(moved.lines or failed or open_ or record.verdict != "pass")
    is_folded = bool(record.comparisons or failed or open_)
    sections = (
        Section(lines=tuple(_warnings(record)), nouns=("warning", "warnings"), between="\n\n"),
        _gate_table(in_rows),
        limits_on_latency(record),
        _open_gates(record if len(open_) > MAX_OPEN else None),
        _unjudged_gates(record),
        _errors(record),
        moved,
        Section(
            lines=tuple(
                f"{line}." for line in (*unmoved(record), *holdout_sentences(record, quote=escape))
            ),
            nouns=("sentence", "sentences"),
            between="\n\n",
        ),
        _baseline(record, has_news=has_news),
        _images_behind(in_rows),
        Section(
            lines=cost_lines(record.cells, quote=escape),
            nouns=("cost of a precision or backend", "costs of precisions and backends"),
            between="\n\n",
        ),
        timings(benchmark),
        _cell_table(record.cells, is_folded=is_folded),
        _charts(charts),
    )
    return fit(_headline(record), sections, max_bytes=MAX_BYTES)


def _headline(record: RunRecord) -> str:
    counts = (
        count(len(record.cells), "cell"),
        count(n_images(record), "image"),
        reason(record),
    )
    return f"**{verdict_word(record)}** {escape(record.suite)}: {', '.join(counts)}"


def _warnings(record: RunRecord) -> list[str]:
    found = []
    missing = missing_cells(record)
    if missing:
        account = f"{len(missing)} of {count(len(record.planned_cells), 'cell')} missing"
        found.append(f"**Partial run**: {account}: {_listed(map(escape, missing))}.")
    elif record.status == "partial":
        found.append(f"**Partial run**: {ENDED_EARLY}.")
    random_models = dict.fromkeys(c.model.id for c in record.cells if c.model.random_weights)
    if random_models:
        names = _listed(map(escape, random_models))
        found.append(f"**Random weights: accuracy here means nothing** ({names}).")
    failed = {c.dataset.key: c.dataset for c in record.cells if c.dataset.n_failed}
    found += [
        f"**Images left out** of {escape(key)}: {count(one.n_failed)} of {count(one.n_expected)}."
        for key, one in failed.items()
    ]
    not_compared = [one.message for one in record.notices if one.code == "not-compared"]
    if not_compared:
        more = f" ({count(len(not_compared) - 1)} more in run.json)" if not_compared[1:] else ""
        found.append(f"**Not compared**: {escape_sentence(not_compared[0])}{more}.")
    return found


def _gate_table(gates: _Gates) -> Section:
    """List gates with what was found, those that failed first."""
    header = ["Cell", "Gate", "State", "Value", "Interval", "Limit", "Why"]
    rows = [
        [
            escape(cell.id),
            _gate(gate),
            gate.state,
            value_text(gate),
            interval_text(gate) or fmt.DASH,
            limit_text(gate),
            escape_sentence(why(gate)) if why(gate) else fmt.DASH,
        ]
        for cell, gate in gates
    ]
    return Section(
        opening="Gates that did not pass:\n\n" + table_head(header, numeric=range(3, 6)),
        lines=tuple(map(table_row, rows)),
        nouns=("gate that did not pass", "gates that did not pass"),
    )


def _gate(gate: GateResult) -> str:
    name = escape(gate_name(gate))
    return name if gate.against is None else f"{name} against {escape(gate.against)}"


def _open_gates(record: RunRecord | None) -> Section:
    lines = [] if record is None else open_gate_lines(record.cells, quote=escape)
    return Section(
        opening="Inconclusive, each with its numbers in report.html:\n\n",
        lines=tuple(f"- {line}" for line in lines),
        nouns=("inconclusive gate", "inconclusive gates"),
    )


def _unjudged_gates(record: RunRecord) -> Section:
    messages = [one.message for one in record.notices if one.code == GATE_NOT_APPLIED]
    return Section(
        opening="Gates of the suite that judge no cell of this run:\n\n",
        lines=tuple(f"- {escape_sentence(message)}" for message in dict.fromkeys(messages)),
        nouns=("gate that judges no cell", "gates that judge no cell"),
        most=MAX_NAMED,
    )


def _images_behind(gates: _Gates) -> Section:
    """Fold away the images behind gates that have a row; gates of a cell with the same ones share a fold."""
    behind: dict[tuple[str, tuple[str, ...], int | None], list[GateResult]] = {}
    for cell, gate in gates:
        if gate.images:
            behind.setdefault((cell.id, gate.images, gate.n_behind), []).append(gate)
    folds = [_images(cell, images, of) for (cell, images, _), of in behind.items()]
    return Section(
        lines=tuple(folds),
        nouns=("list of images behind gates", "lists of images behind gates"),
        between="\n\n",
    )


def _images(cell: str, images: tuple[str, ...], gates: list[GateResult]) -> str:
    names = ", ".join(code_html(gate_name(gate)) for gate in gates[:_SHARING])
    if len(gates) > _SHARING:
        names += f" and {count(len(gates) - _SHARING, 'more gate')}"
    title = f"{images_account(gates[0])} behind {code_html(cell)} {names}"
    shown = ", ".join(escape(image) for image in images[:MAX_IMAGES])
    n_behind = max(len(images), gates[0].n_behind or 0)
    more = ", …" if n_behind > MAX_IMAGES else ""
    return f"{details_start(title)}Sample ids: {shown}{more}{DETAILS_END}"


def _errors(record: RunRecord) -> Section:
    return Section(
        opening="Cells that could not be evaluated:\n\n",
        lines=tuple(
            f"- {escape(error.id)}: {escape_sentence(error.message)}" for error in record.errors
        ),
        nouns=("cell that could not be evaluated", "cells that could not be evaluated"),
    )


def _moved(record: RunRecord) -> Section:
    return Section(
        opening="What moved:\n\n",
        lines=tuple(f"- {one.mark} {one.text}" for one in moves(record, quote=escape)),
        nouns=("comparison that moved", "comparisons that moved"),
        most=MAX_MOVES,
    )


def _baseline(record: RunRecord, *, has_news: bool) -> Section:
    """Name the cells that only one side has, and what changed; the environment only if something moved."""
    baseline = record.baseline
    if baseline is None:
        return Section(lines=(), nouns=("line", "lines"))
    lines = [
        f"- {'**' + one.title + '**' if one.is_failure else one.title}: {_listed(one.cells)}"
        for one in cell_lists(baseline, quote=escape)
    ]
    lines += [f"- {line}" for line in change_lines(record.comparisons, quote=escape)]
    if has_news:
        lines += [f"- Changed since: {escape_sentence(change)}" for change in baseline.changes]
    accepted = escape_sentence(fmt.timestamp(baseline.accepted))
    return Section(
        opening=f"Baseline {escape(baseline.source)}, accepted {accepted}:\n\n",
        lines=tuple(lines),
        nouns=("line on the baseline", "lines on the baseline"),
    )


def _cell_table(cells: tuple[CellResult, ...], *, is_folded: bool) -> Section:
    keys = [key for key in _COLUMNS if any(key in cell.metrics for cell in cells)]
    rows = [
        [escape(cell.id), *(_metric(cell, key) for key in keys), str(cell.dataset.n_images)]
        for cell in cells
    ]
    header = ["Cell", *(fmt.metric_name(key) for key in keys), "Images"]
    section = Section(
        opening=table_head(header, numeric=range(1, len(header))),
        lines=tuple(map(table_row, rows)),
        nouns=("cell", "cells"),
    )
    if not is_folded:
        return section
    return replace(
        section, opening=details_start("All cells") + section.opening, closing=DETAILS_END
    )


def _metric(cell: CellResult, key: str) -> str:
    found = cell.metrics.get(key)
    if found is None:
        return fmt.DASH
    span = fmt.interval(key, found.low, found.high) if key == "top1" else ""
    return f"{fmt.metric_number(key, found.value)} {span}".rstrip()


def _charts(charts: Sequence[StaticChart]) -> Section:
    return Section(
        opening=details_start("Charts"),
        lines=tuple(f"![{escape(one.title)}]({one.file})" for one in charts),
        nouns=("chart", "charts"),
        between="\n\n",
        closing=DETAILS_END,
    )


def _listed(names: Iterable[str]) -> str:
    """Join names; the first of many, and how many more there are."""
    every = list(names)
    more = len(every) - MAX_NAMED
    shown = ", ".join(every[:MAX_NAMED])
    return f"{shown} and {count(more)} more" if more > 0 else shown
