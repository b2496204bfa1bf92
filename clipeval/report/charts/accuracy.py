"""Templates side by side, as dots with intervals."""

from __future__ import annotations

from collections.abc import Sequence

from clipeval.records import CellResult
from clipeval.report.charts.drawing import WIDTH, Chart, draw, told_apart
from clipeval.wording import count

MAX_TEMPLATES = 40
"""Rows of a chart: the table has all."""
_ROW_PX, _SETTING_PX = 22, 14


def template_chart(
    cells: Sequence[CellResult], settings: Sequence[str], *, reference: str | None
) -> Chart | None:
    """Draw top-1 of every template of a data set, the reference dashed; None for less than two cells.

    Args:
        cells: of one data set.
        settings: what each ran on, aligned with the cells.
        reference: id of the template that the others are compared with, if there is one.
    """
    templates = list(dict.fromkeys(cell.template.id for cell in cells))[:MAX_TEMPLATES]
    values = [
        {
            "template": cell.template.id,
            "name": setting,
            "top1": found.value,
            "low": found.value if found.low is None else found.low,
            "high": found.value if found.high is None else found.high,
        }
        for cell, setting in zip(cells, settings, strict=True)
        if cell.template.id in templates and (found := cell.metrics.get("top1"))
    ]
    if len(values) < 2:  # noqa: PLR2004 (a comparison takes two)
        return None
    names = list(dict.fromkeys(str(one["name"]) for one in values))
    axis = {"format": "%", "tickCount": 6}
    x = {
        "type": "quantitative",
        "title": "top-1",
        "axis": axis,
        "scale": {"zero": False, "nice": True},
    }
    apart = (
        {} if len(names) == 1 else {"yOffset": {"field": "name", "type": "nominal", "sort": names}}
    )
    spec = {
        "width": WIDTH,
        "height": {"step": _ROW_PX if len(names) == 1 else _SETTING_PX},
        "data": {"values": values},
        "encoding": {
            "y": {
                "field": "template", "type": "nominal", "sort": templates, "title": None,
                "axis": {"grid": True, "tickBand": "extent"},
            },
            **apart,
        },
        "layer": [
            {
                "data": {"values": [one for one in values if one["template"] == reference]},
                "mark": {"type": "rule", "strokeDash": [4, 3]},
                "encoding": {
                    "x": {**x, "field": "top1"}, "y": None, "yOffset": None,
                    "color": told_apart(names)["color"],
                },
            },
            {
                "mark": {"type": "rule", "strokeWidth": 2},
                "encoding": {
                    "x": {**x, "field": "low"}, "x2": {"field": "high"}, "color": told_apart(names)["color"],
                },
            },
            {
                "mark": {"type": "point", "filled": True, "size": 70, "opacity": 1},
                "encoding": {"x": {**x, "field": "top1"}, **told_apart(names)},
            },
        ],
    }  # fmt: skip
    n_templates = len({cell.template.id for cell in cells})
    left_out = "" if n_templates <= MAX_TEMPLATES else (
        f"; the first {MAX_TEMPLATES} of {count(n_templates, 'template')}"
    )  # fmt: skip
    dashed = "" if reference is None else f"; dashed: the reference, {reference}"
    return draw(spec, title="Top-1 by template", summary=f"Lines: 95% intervals{dashed}{left_out}")
