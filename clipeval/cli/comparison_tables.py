"""Comparisons as terminal tables."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from rich import box
from rich.table import Table

from clipeval.cli.console import plain
from clipeval.wording import p_text, points, points_interval, probability

if TYPE_CHECKING:  # for annotations alone: `--help` does without
    from clipeval.records import Baseline, Comparison, Difference

N_CLASSES = 3
N_IMAGES = 5
_WORDS = {
    "better": "[green]better[/]",
    "worse": "[red]worse[/]",
    "inconclusive": "[yellow]inconclusive[/]",
    "same": "[green]same[/]",
}
_TITLES = {
    "template": "templates against the reference",
    "model": "models against the reference",
    "baseline": "against the baseline",
    "run": "candidate against base",
}


def comparisons_table(comparisons: Sequence[Comparison]) -> Table:
    """One row a comparison of one kind: difference, chance, flips, and what could have been seen."""
    table = Table(box=box.SIMPLE_HEAD, title=_TITLES[comparisons[0].kind], title_justify="left")
    is_within_run = comparisons[0].kind in {"template", "model"}
    table.add_column("cell", overflow="fold")
    if is_within_run:
        table.add_column("against", overflow="fold", min_width=len("against"))
    for name in ("points [95%]", "p", "newly\nwrong", "newly\nright", "detectable"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("", no_wrap=True)
    for one in comparisons:
        row = [
            difference_text(one.top1),
            _chance(one),
            f"{one.n_newly_wrong:,}",
            f"{one.n_newly_right:,}",
            f"{100 * one.detectable:.1f}" if one.reproduction is None else "-",
            _WORDS[one.conclusion],
        ]
        against = [plain(_without_shared_start(one.base, one.candidate))] if is_within_run else []
        table.add_row(plain(one.candidate), *against, *row)
    return table


def details(comparison: Comparison) -> list[str]:
    """Return what stands behind a difference: classes that changed, images that are newly wrong."""
    lines = [f"{comparison.candidate}: {comparison.message}"]
    ranked = sorted(comparison.per_class, key=lambda one: (one.adjusted_p, one.difference))
    changed = [one for one in ranked if one.n_newly_wrong or one.n_newly_right][:N_CLASSES]
    lines += [
        f"  class {one.name}: recall {one.base_recall:.1%} -> {one.candidate_recall:.1%} "
        f"({one.n_newly_wrong:,} newly wrong, {one.n_newly_right:,} newly right of {one.n:,}; "
        f"{p_text(one.adjusted_p)} by Holm)"
        for one in changed
    ]
    lines += [
        f"  newly wrong: {flip.path or flip.sample_id}: {flip.label}, now taken for {flip.candidate}"
        for flip in comparison.newly_wrong[:N_IMAGES]
    ]
    if (more := comparison.n_newly_wrong - N_IMAGES) > 0:
        lines.append(f"  and {more:,} more")
    return lines


def baseline_table(baseline: Baseline) -> Table:
    """One row a cell of a baseline."""
    table = Table(box=box.SIMPLE_HEAD)
    for name in ("cell", "top-1 [95%]", "macro F1", "images", "weights", "prompts"):
        table.add_column(name, justify="right" if name not in {"cell", "weights"} else "left")
    for id_, cell in baseline.cells.items():
        top1, macro_f1 = cell.metrics.get("top1"), cell.metrics.get("macro_f1")
        interval = ""
        if top1 is not None and top1.low is not None and top1.high is not None:
            interval = f" \\[{top1.low:.1%}, {top1.high:.1%}]"
        table.add_row(
            plain(id_),
            f"{top1.value:.1%}{interval}" if top1 is not None else "-",
            f"{macro_f1.value:.1%}" if macro_f1 is not None else "-",
            f"{len(cell.outcomes.sample_ids):,}",
            cell.outcomes.model.weights_sha256[:12],
            cell.outcomes.prompts_sha256[:12],
        )
    return table


def _without_shared_start(cell: str, other: str) -> str:
    """Return a cell id without the parts that it begins with like the other: `photo`."""
    parts, others = cell.split("/"), other.split("/")
    while len(parts) > 1 and others and parts[0] == others[0]:
        parts, others = parts[1:], others[1:]
    return "/".join(parts)


def difference_text(found: Difference) -> str:
    """Format a difference in percentage points with its 95% interval, brackets escaped."""
    return f"{points(found.value)} \\{points_interval(found.low, found.high)}"


def _chance(comparison: Comparison) -> str:
    """Format the p value, adjusted where it was; a reproduction has none."""
    adjusted = _adjusted(comparison)
    return "-" if adjusted is None else probability(adjusted)


def _adjusted(comparison: Comparison) -> float | None:
    return comparison.q_value if comparison.q_value is not None else comparison.p_value
