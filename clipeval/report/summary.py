"""summary.md: the run in a few lines, for a pull request or a terminal."""

from __future__ import annotations

from clipeval.records import BaselineUse, CellResult, GateResult, RunRecord
from clipeval.report import format as fmt
from clipeval.report.gate_text import gate_name, interval_text, limit_text, value_text, why
from clipeval.report.markdown import code_html, details, escape, escape_sentence, flatten, table
from clipeval.report.views.baseline import cell_lists, holdout_sentences
from clipeval.report.views.moved import Move, moves, unmoved
from clipeval.report.views.verdict import missing_cells, n_images, reason

MAX_IMAGES = 20
MAX_GATES = 50
MAX_MOVES = 30
"""A comment on GitHub holds 65,536 characters; the page has the rest."""
_MAX_MESSAGE = 240
_COLUMNS = ("top1", "top5", "mean_per_class_recall", "macro_f1", "nll", "ece")
_Missed = list[tuple[CellResult, GateResult]]


def render_summary(record: RunRecord) -> str:
    """Render a run as GitHub-flavoured markdown; the same input gives the same text.

    The verdict comes first, then what moved; what did not is counted and folded away.
    """
    missed = [(cell, gate) for cell in record.cells for gate in cell.gates if gate.state != "pass"]
    moved = moves(record, quote=escape)
    blocks = [_headline(record), *_warnings(record), *_gates(missed)]
    if record.errors:
        lines = [
            f"- {escape(error.id)}: {escape_sentence(error.message)}" for error in record.errors
        ]
        blocks.append("Cells that could not be evaluated:\n\n" + "\n".join(lines))
    blocks += _moved(moved)
    counted = [*unmoved(record), *holdout_sentences(record, quote=escape)]
    blocks += [f"{line}." for line in counted]
    if record.baseline is not None:
        has_news = bool(moved or missed or record.verdict != "pass")
        blocks += _baseline(record.baseline, has_news=has_news)
    if record.cells:
        cells = _cell_table(record.cells)
        is_folded = bool(record.comparisons or missed)
        blocks.append(details("All cells", cells) if is_folded else cells)
    return "\n\n".join(blocks) + "\n"


def _headline(record: RunRecord) -> str:
    counts = (
        fmt.count(len(record.cells), "cell"),
        fmt.count(n_images(record), "image"),
        reason(record),
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


def _gates(missed: _Missed) -> list[str]:
    """List gates that did not pass, then the images behind each, folded away."""
    if not missed:
        return []
    shown = missed[:MAX_GATES]
    header = ["Cell", "Gate", "State", "Value", "Interval", "Limit", "Why"]
    rows = [
        [
            escape(cell.id),
            _gate(gate),
            gate.state,
            value_text(gate),
            interval_text(gate) or fmt.DASH,
            limit_text(gate),
            escape_sentence(_shortened(why(gate))) if why(gate) else fmt.DASH,
        ]
        for cell, gate in shown
    ]
    blocks = ["Gates that did not pass:\n\n" + table(header, rows, numeric=range(3, 6))]
    if len(missed) > len(shown):
        blocks.append(f"{fmt.count(len(missed) - len(shown), 'more gate')} in report.html.")
    behind: dict[tuple[str, tuple[str, ...]], list[GateResult]] = {}
    for cell, gate in shown:
        if gate.images:
            behind.setdefault((cell.id, gate.images), []).append(gate)
    return blocks + [_images(cell, images, gates) for (cell, images), gates in behind.items()]


def _gate(gate: GateResult) -> str:
    name = escape(gate_name(gate))
    return name if gate.against is None else f"{name} against {escape(gate.against)}"


def _images(cell: str, images: tuple[str, ...], gates: list[GateResult]) -> str:
    """Fold away the images behind one or more gates of a cell."""
    shown = images[:MAX_IMAGES]
    names = ", ".join(code_html(gate_name(gate)) for gate in gates)
    title = f"{fmt.count(len(images), 'image')} behind {code_html(cell)} {names}"
    body = "Sample ids: " + ", ".join(escape(image) for image in shown)
    return details(title, body + (", …" if len(images) > len(shown) else ""))


def _shortened(message: str) -> str:
    flat = flatten(message)
    return flat if len(flat) <= _MAX_MESSAGE else flat[: _MAX_MESSAGE - 1].rstrip() + "…"


def _moved(found: tuple[Move, ...]) -> list[str]:
    if not found:
        return []
    lines = [f"- {one.mark} {one.text}" for one in found[:MAX_MOVES]]
    if len(found) > MAX_MOVES:
        lines.append(f"- and {len(found) - MAX_MOVES} more in report.html")
    return ["What moved:\n\n" + "\n".join(lines)]


def _baseline(baseline: BaselineUse, *, has_news: bool) -> list[str]:
    """Name the cells that only one side has; the environment matters only if something moved."""
    lines = [
        f"- {'**' + one.title + '**' if one.is_failure else one.title}: {', '.join(one.cells)}"
        for one in cell_lists(baseline, quote=escape)
    ]
    if has_news:
        lines += [f"- Changed since: {escape_sentence(change)}" for change in baseline.changes]
    if not lines:
        return []
    accepted = fmt.timestamp(baseline.accepted)
    title = f"Baseline {escape(baseline.source)}, accepted {escape_sentence(accepted)}:"
    return [title + "\n\n" + "\n".join(lines)]


def _cell_table(cells: tuple[CellResult, ...]) -> str:
    keys = [key for key in _COLUMNS if any(key in cell.metrics for cell in cells)]
    rows = [
        [escape(cell.id), *(_metric(cell, key) for key in keys), str(cell.dataset.n_images)]
        for cell in cells
    ]
    header = ["Cell", *(fmt.metric_name(key) for key in keys), "Images"]
    return table(header, rows, numeric=range(1, len(header)))


def _metric(cell: CellResult, key: str) -> str:
    found = cell.metrics.get(key)
    if found is None:
        return fmt.DASH
    span = fmt.interval(key, found.low, found.high) if key == "top1" else ""
    return f"{fmt.metric_number(key, found.value)} {span}".rstrip()
