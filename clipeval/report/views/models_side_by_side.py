"""Models, devices and precisions side by side: top-1 of every template."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from clipeval.records import CellResult
from clipeval.report import format as fmt
from clipeval.report.views.grouping import setting_of
from clipeval.report.views.numbers import Number, number


@dataclass(frozen=True, slots=True, kw_only=True)
class SideBySideCell:
    """Top-1 of one template with one model."""

    number: Number
    interval: str
    anchor: str
    is_best: bool
    """Largest of its row; not a claim that the difference is more than chance."""


@dataclass(frozen=True, slots=True)
class SideBySideRow:
    """One template."""

    template: str
    cells: tuple[SideBySideCell | None, ...]
    """Aligned with the settings; None where the template was not scored."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SideBySide:
    """One data set."""

    settings: tuple[str, ...]
    rows: tuple[SideBySideRow, ...]


def side_by_side(cells: Sequence[CellResult], anchors: Mapping[str, str]) -> SideBySide | None:
    """Show cells with a column for each model, device and precision; None if there is only one."""
    settings = tuple(dict.fromkeys(setting_of(cell) for cell in cells))
    if len(settings) == 1:
        return None
    by_template: dict[str, dict[str, CellResult]] = {}
    for cell in cells:
        by_template.setdefault(cell.template.id, {})[setting_of(cell)] = cell
    return SideBySide(
        settings=settings,
        rows=tuple(
            SideBySideRow(
                template, _row([of_setting.get(setting) for setting in settings], anchors)
            )
            for template, of_setting in by_template.items()
        ),
    )


def _row(
    cells: Sequence[CellResult | None], anchors: Mapping[str, str]
) -> tuple[SideBySideCell | None, ...]:
    known = [cell.metrics["top1"].value for cell in cells if cell and "top1" in cell.metrics]
    best = max(known) if len(known) > 1 and min(known) < max(known) else None
    return tuple(
        None if cell is None or "top1" not in cell.metrics else _cell(cell, best, anchors)
        for cell in cells
    )


def _cell(cell: CellResult, best: float | None, anchors: Mapping[str, str]) -> SideBySideCell:
    found = cell.metrics["top1"]
    return SideBySideCell(
        number=number("top1", found.value),
        interval=fmt.interval("top1", found.low, found.high),
        anchor=anchors[cell.id],
        is_best=found.value == best,
    )
