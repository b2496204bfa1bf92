"""What to look at first: the templates of one data set, side by side."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from clipeval.records import CellResult, Comparison, RunRecord
from clipeval.records.comparisons import Conclusion
from clipeval.report import format as fmt
from clipeval.report.charts import Chart, template_chart
from clipeval.report.views.answers import template_answer
from clipeval.report.views.grouping import (
    anchors_of,
    comparison_anchor,
    datasets_of,
    setting_of,
)
from clipeval.report.views.models_side_by_side import SideBySide, side_by_side
from clipeval.report.views.moved import MARKS, WORDS
from clipeval.report.views.numbers import Metric, Number, difference, integer, metric, number
from clipeval.wording import count, probability

Compared = Mapping[tuple[str, str], tuple[int, Comparison]]
"""(base, candidate) -> position in the run, and the comparison."""

COLUMNS = ("top5", "mean_per_class_recall", "macro_f1", "nll", "ece")
"""What stands beside top-1, where at least one cell of the data set has it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TemplateDifference:
    """Top-1 less the reference template's, in points."""

    number: Number
    interval: str
    """Empty without a comparison."""
    conclusion: Conclusion | None
    """None without a comparison."""
    mark: str
    words: str
    anchor: str
    """The comparison's rows; empty without one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TemplateRow:
    """One template, as one model saw it."""

    template: str
    anchor: str
    is_reference: bool
    n_prompts: Number
    top1: Metric | None
    difference: TemplateDifference | None
    """None for the reference or without one."""
    others: tuple[Number, ...]
    """Aligned with the columns of the table."""


@dataclass(frozen=True, slots=True)
class TemplateGroup:
    """The rows of one model, device and precision."""

    setting: str
    answer: str
    """What its templates come to, in a sentence; empty for one template."""
    rows: tuple[TemplateRow, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class TemplateTable:
    """One data set."""

    anchor: str
    dataset: str
    account: str
    columns: tuple[str, ...]
    has_difference: bool
    difference_unit: str
    groups: tuple[TemplateGroup, ...]
    chart: Chart | None
    side_by_side: SideBySide | None


def template_tables(record: RunRecord) -> tuple[TemplateTable, ...]:
    """Compare the templates of every data set, in the order of the run."""
    anchors = anchors_of(record.cells)
    return tuple(
        _table(i, cells, record.reference_templates.get(key), anchors, _compared(record, key))
        for i, (key, cells) in enumerate(datasets_of(record.cells).items())
    )


def _compared(record: RunRecord, dataset: str) -> Compared:
    return {
        (one.base, one.candidate): (i, one)
        for i, one in enumerate(record.comparisons)
        if one.kind == "template" and one.dataset == dataset
    }


def _table(
    position: int,
    cells: Sequence[CellResult],
    reference: str | None,
    anchors: Mapping[str, str],
    compared: Compared,
) -> TemplateTable:
    keys = tuple(key for key in COLUMNS if any(key in cell.metrics for cell in cells))
    by_setting: dict[str, list[CellResult]] = {}
    for cell in cells:
        by_setting.setdefault(setting_of(cell), []).append(cell)
    groups = tuple(
        TemplateGroup(
            setting,
            _answer(of_setting, reference, compared),
            _rows(of_setting, reference, keys, anchors, compared),
        )
        for setting, of_setting in by_setting.items()
    )
    differences = [row.difference for group in groups for row in group.rows if row.difference]
    is_tested = any(one.conclusion for one in differences)
    dataset = cells[0].dataset
    images = count(dataset.n_images, "image")
    classes = count(len(dataset.class_names), "class", "classes")
    account = [f"{images} in {classes}"]
    return TemplateTable(
        anchor=f"data-{position + 1}",
        dataset=dataset.key,
        account=", ".join(account if len(groups) > 1 else [*account, groups[0].setting]),
        columns=tuple(fmt.metric_name(key) for key in keys),
        has_difference=bool(differences),
        difference_unit="points, 95% interval" if is_tested else "points, no test",
        groups=groups,
        chart=template_chart(cells, [setting_of(cell) for cell in cells], reference=reference),
        side_by_side=side_by_side(cells, anchors),
    )


def _rows(
    cells: Sequence[CellResult],
    reference: str | None,
    keys: Sequence[str],
    anchors: Mapping[str, str],
    compared: Compared,
) -> tuple[TemplateRow, ...]:
    of_reference = next((cell for cell in cells if cell.template.id == reference), None)
    return tuple(
        TemplateRow(
            template=cell.template.id,
            anchor=anchors[cell.id],
            is_reference=cell is of_reference,
            n_prompts=integer(len(cell.template.prompts)),
            top1=metric("top1", cell.metrics["top1"]) if "top1" in cell.metrics else None,
            difference=_difference(cell, of_reference, compared),
            others=tuple(_number(cell, key) for key in keys),
        )
        for cell in cells
    )


def _number(cell: CellResult, key: str) -> Number:
    found = cell.metrics.get(key)
    return number(key, None if found is None else found.value)


def _difference(
    cell: CellResult, reference: CellResult | None, compared: Compared
) -> TemplateDifference | None:
    if reference is None or cell is reference:
        return None
    if (reference.id, cell.id) in compared:
        return _tested(*compared[reference.id, cell.id])
    if "top1" not in cell.metrics or "top1" not in reference.metrics:
        return None
    return TemplateDifference(
        number=difference(cell.metrics["top1"].value - reference.metrics["top1"].value),
        interval="",
        conclusion=None,
        mark="",
        words="no test" if compared else "",
        anchor="",
    )


def _tested(position: int, comparison: Comparison) -> TemplateDifference:
    words = WORDS[comparison.conclusion]
    if comparison.conclusion == "inconclusive":
        words = f"{words}, could see {fmt.points_apart(comparison.detectable)}"
    elif comparison.q_value is not None and comparison.conclusion != "same":
        words = f"{words}, q {probability(comparison.q_value)}"
    top1 = comparison.top1
    return TemplateDifference(
        number=difference(top1.value),
        interval=fmt.points_interval(top1.low, top1.high),
        conclusion=comparison.conclusion,
        mark=MARKS[comparison.conclusion],
        words=words,
        anchor=comparison_anchor(position),
    )


def _answer(cells: Sequence[CellResult], reference: str | None, compared: Compared) -> str:
    ids = {cell.id for cell in cells}
    own = [one for (_, candidate), (_, one) in compared.items() if candidate in ids]
    return template_answer(cells, reference, own)
