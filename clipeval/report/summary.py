"""summary.md: the run in a few lines, for a pull request or a terminal."""

from __future__ import annotations

import re

from clipeval.records import CellResult, GateResult, RunRecord
from clipeval.report import format as fmt
from clipeval.report.views.gates import limit_text
from clipeval.report.views.verdict import gate_account, missing_cells, n_images

_COLUMNS = ("top1", "top5", "mean_per_class_recall", "macro_f1", "nll", "ece")
_INERT = re.compile(r"[^\W_](?:[^\W_]|[ ./+-]|(?<=[^\W_])[_@](?=[^\W_]))*")
"""Text that means the same with and without markdown; an @ inside a word mentions nobody."""
_WORD_JOINER = "\N{WORD JOINER}"
_WHITESPACE = re.compile(r"\s+")


def render_summary(record: RunRecord) -> str:
    """Render a run as GitHub-flavoured markdown; the same input gives the same text."""
    blocks = [_headline(record), *_warnings(record)]
    if record.cells:
        blocks.append(_cell_table(record.cells))
    missed = [(cell, gate) for cell in record.cells for gate in cell.gates if gate.state != "pass"]
    if missed:
        blocks.append("Gates that did not pass:\n\n" + _gate_table(missed))
    if record.errors:
        lines = [f"- {escape(error.id)}: {escape(error.message)}" for error in record.errors]
        blocks.append("Cells that could not be evaluated:\n\n" + "\n".join(lines))
    return "\n\n".join(blocks) + "\n"


def escape(text: str) -> str:
    """Make text inert in one line of markdown or one cell of a table.

    Plain names stay as they are; anything else becomes a code span, the only place where GitHub
    reads neither markup, HTML, links nor mentions.
    """
    flat = _WHITESPACE.sub(" ", fmt.visible(text)).strip()
    if _INERT.fullmatch(flat) and "www." not in flat.lower():
        return flat
    runs = [len(run) for run in re.findall("`+", flat)]
    fence = "`" * (max(runs, default=0) + 1)
    # a backslash before a pipe would escape the pipe's own escape and end the table cell
    in_cell = flat.replace("\\|", f"\\{_WORD_JOINER}|").replace("|", "\\|")
    return f"{fence} {in_cell} {fence}" if runs or not flat else f"`{in_cell}`"


def _headline(record: RunRecord) -> str:
    counts = (
        fmt.count(len(record.cells), "cell"),
        fmt.count(n_images(record), "image"),
        gate_account(record),
    )
    return f"**{record.verdict.upper()}** {escape(record.suite)}: {', '.join(counts)}"


def _warnings(record: RunRecord) -> list[str]:
    found = []
    missing = missing_cells(record)
    if missing or record.status == "partial":
        names = ", ".join(escape(cell) for cell in missing)
        account = f"{len(missing)} of {fmt.count(len(record.planned_cells), 'cell')} missing"
        found.append(f"**Partial run**: {account}{': ' + names if names else ''}.")
    random_models = dict.fromkeys(c.model.id for c in record.cells if c.model.random_weights)
    if random_models:
        names = ", ".join(escape(model) for model in random_models)
        found.append(f"**Random weights: accuracy here means nothing** ({names}).")
    failed = {c.dataset.key: c.dataset for c in record.cells if c.dataset.n_failed}
    found += [
        f"**Images left out** of {escape(key)}: "
        f"{fmt.count(one.n_failed)} of {fmt.count(one.n_expected)}."
        for key, one in failed.items()
    ]
    return found


def _cell_table(cells: tuple[CellResult, ...]) -> str:
    keys = [key for key in _COLUMNS if any(key in cell.metrics for cell in cells)]
    rows = [
        [escape(cell.id), *(_metric(cell, key) for key in keys), str(cell.dataset.n_images)]
        for cell in cells
    ]
    return _table(["Cell", *(fmt.metric_name(key) for key in keys), "Images"], rows, n_text=1)


def _metric(cell: CellResult, key: str) -> str:
    found = cell.metrics.get(key)
    if found is None:
        return fmt.DASH
    span = fmt.interval(key, found.low, found.high) if key == "top1" else ""
    return f"{fmt.metric_number(key, found.value)} {span}".rstrip()


def _gate_table(missed: list[tuple[CellResult, GateResult]]) -> str:
    rows = [
        [
            escape(cell.id),
            escape(fmt.metric_name(gate.metric)),
            gate.state,
            fmt.DASH if gate.value is None else fmt.metric_number(gate.metric, gate.value),
            fmt.interval(gate.metric, gate.low, gate.high) or fmt.DASH,
            limit_text(gate),
        ]
        for cell, gate in missed
    ]
    header = ["Cell", "Metric", "State", "Value", "95% interval", "Limit"]
    return _table(header, rows, n_text=3)


def _table(header: list[str], rows: list[list[str]], *, n_text: int) -> str:
    """Lay out a table; columns after the first `n_text` hold numbers and align right."""
    rule = ["---"] * n_text + ["---:"] * (len(header) - n_text)
    return "\n".join("| " + " | ".join(row) + " |" for row in (header, rule, *rows))
