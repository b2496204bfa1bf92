"""Accuracy against latency."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

from clipeval.records.latency import Tradeoff
from clipeval.report.charts.drawing import (
    MAX_PANELS,
    MS_PER_S,
    WIDTH,
    Chart,
    Spec,
    draw,
    left_out,
    panel_title,
    told_apart,
)

_FRONT, _BEHIND = "on the front", "not on the front"


def tradeoff_chart(tradeoffs: Sequence[Tradeoff]) -> Chart | None:
    """Draw accuracy against latency, a panel for those that compete; None without any."""
    if not tradeoffs:
        return None
    panels: dict[str, list[Tradeoff]] = {}
    for one in tradeoffs:
        name = f"{one.dataset} on {one.setting.device}, batch {one.setting.batch_size}"
        panels.setdefault(name, []).append(one)
    shown = list(panels.items())[:MAX_PANELS]
    spec = {"vconcat": [_tradeoff_panel(name, group) for name, group in shown]}
    return draw(
        spec,
        title="Accuracy against latency",
        summary=f"Dashed: the Pareto front; lines: 95% intervals of top-1{left_out(len(panels), 'panel')}",
    )


def _tradeoff_panel(name: str, group: Sequence[Tradeoff]) -> Spec:
    several = Counter(one.setting.model for one in group)
    values = [
        {
            "name": one.setting.model
            if several[one.setting.model] == 1
            else f"{one.setting.model} {one.setting.precision} {one.setting.backend} "
            f"t{one.setting.n_threads}",
            "ms": MS_PER_S * one.median_s,
            "top1": one.top1,
            "low": one.top1 if one.top1_low is None else one.top1_low,
            "high": one.top1 if one.top1_high is None else one.top1_high,
            "front": _FRONT if one.is_on_front else _BEHIND,
        }
        for one in group
    ]
    x = {
        "field": "ms", "type": "quantitative", "scale": {"type": "log", "nice": False, "padding": 90},
        "title": f"{group[0].stage}: milliseconds a call (log scale)",
        "axis": {"format": ".3~g", "tickCount": 5},
    }  # fmt: skip
    axis = {"format": "%", "tickCount": 5}
    scale = {"zero": False, "padding": 14}
    y = {"field": "top1", "type": "quantitative", "title": "top-1", "axis": axis, "scale": scale}
    return {
        "title": panel_title(name),
        "width": WIDTH,
        "height": 150,
        "data": {"values": values},
        "layer": [
            {
                "transform": [{"filter": f"datum.front === '{_FRONT}'"}],
                "mark": {"type": "line", "color": "var(--strong-rule)", "strokeDash": [4, 3]},
                "encoding": {"x": x, "y": y},
            },
            {
                "mark": {"type": "rule", "color": "var(--strong-rule)"},
                "encoding": {"x": x, "y": {**y, "field": "low"}, "y2": {"field": "high"}},
            },
            {
                "mark": {"type": "point", "filled": True, "size": 70, "opacity": 1},
                "encoding": {"x": x, "y": y, **told_apart(_kinds(values), field="front")},
            },
            {
                "mark": {"type": "text", "align": "left", "dx": 9, "dy": -7},
                "encoding": {
                    "x": x,
                    "y": y,
                    "text": {"field": "name"},
                    "color": {"value": "var(--ink)"},
                },
            },
        ],
    }


def _kinds(values: Sequence[Mapping[str, object]]) -> list[str]:
    found = {one["front"] for one in values}
    return [kind for kind in (_FRONT, _BEHIND) if kind in found]
