"""Charts of runs over time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from clipeval.records.history import PastRun, SuiteHistory
from clipeval.report.charts.distribution import setting_name
from clipeval.report.charts.drawing import MS_PER_S, Chart, Spec, draw, panel_title, told_apart

MAX_SERIES = 8
"""Lines in a panel: more cannot be told apart; the table has all."""
WIDTH = 640
_X: Spec = {
    "field": "created",
    "type": "temporal",
    "title": None,
    "scale": {"type": "utc", "padding": 12},
}
_DAY_S = 86_400


def accuracy_chart(history: SuiteHistory) -> Chart | None:
    """Draw top-1 of every cell over time, a panel for each data set; None with less than two runs."""
    if len(history.runs) < 2:  # noqa: PLR2004 (a line needs two)
        return None
    datasets = dict.fromkeys(cell.dataset for run in history.runs for cell in run.cells)
    panels = [
        _panel(
            dataset,
            [
                {
                    "created": run.created,
                    "name": cell.cell.partition("/")[2] or cell.cell,
                    "value": cell.top1,
                    "low": cell.top1 if cell.low is None else cell.low,
                    "high": cell.top1 if cell.high is None else cell.high,
                    "regression": cell.is_regression,
                    "same": cell.samples_sha256,
                }
                for run in history.runs
                for cell in run.cells
                if cell.dataset == dataset
            ],
            history.runs,
            y={"title": "top-1", "axis": {"format": "%"}, "scale": {"zero": False}},
        )
        for dataset in datasets
    ]
    if not panels:
        return None
    return draw(
        {"vconcat": panels},
        title="Accuracy over time",
        summary="Upright lines are 95% intervals; ▼ is worse than the baseline; dashed is where one was "
        "accepted; other images begin a line of their own",
    )


def latency_chart(history: SuiteHistory) -> Chart | None:
    """Draw the median of every stage over time, a panel for each setting and machine; None below two runs."""
    if len([run for run in history.runs if run.timings]) < 2:  # noqa: PLR2004
        return None
    panels: dict[str, list[Mapping[str, Any]]] = {}
    for run in history.runs:
        for one in run.timings:
            key = f"{setting_name(one.setting)}, machine {one.fingerprint[:6]}"
            panels.setdefault(key, []).append(
                {
                    "created": run.created,
                    "name": one.stage,
                    "value": MS_PER_S * one.median_s,
                    "low": MS_PER_S * (one.median_s if one.low_s is None else one.low_s),
                    "high": MS_PER_S * (one.median_s if one.high_s is None else one.high_s),
                    "regression": one.is_regression,
                    "same": one.fingerprint,
                }
            )
    y = {"title": "milliseconds (log scale)", "scale": {"type": "log"}}
    return draw(
        {"vconcat": [_panel(name, rows, history.runs, y=y) for name, rows in panels.items()]},
        title="Latency over time",
        summary="Medians with 95% intervals; ▼ is beyond a limit; machines are kept apart",
    )


def _panel(
    name: str, rows: Sequence[Mapping[str, Any]], runs: Sequence[PastRun], *, y: Spec
) -> Spec:
    names = list(dict.fromkeys(str(row["name"]) for row in rows))[:MAX_SERIES]
    values = [row for row in rows if row["name"] in names]
    times = {str(row["created"]) for row in rows}
    first, last = min(times), max(times)
    accepted = sorted(
        {run.accepted for run in runs if run.accepted and first <= run.accepted <= last}
    )
    left_out = len({str(row["name"]) for row in rows}) - len(names)
    x = {**_X, "axis": {"format": _time_format(first, last), "tickCount": 5, "labelOverlap": True}}
    title = f"{name} ({left_out} more in the table)" if left_out else name
    value = {"field": "value", "type": "quantitative", **y}
    return {
        "title": panel_title(title),
        "width": WIDTH,
        "height": 180,
        "layer": [
            {
                "data": {"values": [{"created": one} for one in accepted]},
                "mark": {"type": "rule", "strokeDash": [4, 3], "color": "var(--strong-rule)"},
                "encoding": {"x": x},
            },
            {
                "data": {"values": values},
                "mark": {"type": "rule", "color": "var(--strong-rule)"},
                "encoding": {"x": x, "y": {**value, "field": "low"}, "y2": {"field": "high"}},
            },
            {
                "data": {"values": values},
                "mark": {"type": "line", "strokeWidth": 1.5},
                "encoding": {
                    "x": x,
                    "y": value,
                    "color": told_apart(names)["color"],
                    "detail": {"field": "same", "type": "nominal"},
                },
            },
            {
                "data": {"values": values},
                "mark": {"type": "point", "filled": True, "size": 45, "opacity": 1},
                "encoding": {"x": x, "y": value, **told_apart(names)},
            },
            {
                "data": {"values": [row for row in values if row["regression"]]},
                "mark": {
                    "type": "text",
                    "text": "▼",
                    "dy": 14,
                    "fontSize": 14,
                    "color": "var(--fail)",
                },
                "encoding": {"x": x, "y": value},
            },
        ],
    }


def _time_format(first: str, last: str) -> str:
    """Write times as finely as they lie apart."""
    apart_s = (datetime.fromisoformat(last) - datetime.fromisoformat(first)).total_seconds()
    if apart_s < 600:  # noqa: PLR2004 (ten minutes)
        return "%b %d, %H:%M:%S"
    return "%b %d, %H:%M" if apart_s < 14 * _DAY_S else "%Y-%m-%d"
