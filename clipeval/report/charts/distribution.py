"""How long each call took."""

from __future__ import annotations

from collections.abc import Sequence

from clipeval.records.latency import StageProfile
from clipeval.records.latency_gates import LatencySetting
from clipeval.report.charts.drawing import (
    MAX_PANELS,
    MS_PER_S,
    WIDTH,
    Chart,
    Spec,
    draw,
    left_out,
    panel_title,
)
from clipeval.wording import count

MAX_POINTS = 100
"""Calls of a stage that are drawn: every one, or so many spread over their order."""
_X: Spec = {
    "type": "quantitative",
    "scale": {"type": "log", "nice": True},
    "title": "milliseconds a call (log scale)",
}


def setting_name(setting: LatencySetting) -> str:
    """Name a setting in a line."""
    return (
        f"{setting.model} on {setting.device}, {setting.precision}, {setting.backend}, "
        f"batch {setting.batch_size}, {count(setting.n_threads, 'thread')}"
    )


def distribution_chart(profiles: Sequence[StageProfile]) -> Chart | None:
    """Draw every call of every stage: single calls as dots, the middle half as a bar, the median as a line.

    Returns:
        None if no stage was called repeatedly; at most MAX_PANELS settings, the first ones.
    """
    settings: dict[LatencySetting, list[StageProfile]] = {}
    for one in profiles:
        if len(one.samples_s) > 1:
            settings.setdefault(one.setting, []).append(one)
    if not settings:
        return None
    panels = [_panel(setting, own) for setting, own in list(settings.items())[:MAX_PANELS]]
    return draw(
        {"vconcat": panels, "resolve": {"scale": {"x": "shared"}}},
        title="Time of every call",
        summary=f"Dots are calls, bars their middle half, lines medians{left_out(len(settings), 'setting')}",
    )


def _panel(setting: LatencySetting, profiles: Sequence[StageProfile]) -> Spec:
    calls = [
        {"stage": one.stage, "ms": MS_PER_S * sample}
        for one in profiles
        for sample in _spread(one.samples_s)
    ]
    quantiles = [
        {
            "stage": one.stage,
            "q1": MS_PER_S * one.summary.q1_s,
            "q3": MS_PER_S * one.summary.q3_s,
            "median": MS_PER_S * one.summary.median_s,
        }
        for one in profiles
        if one.summary is not None
    ]
    y = {
        "field": "stage",
        "type": "nominal",
        "sort": [one.stage for one in profiles],
        "title": None,
    }
    return {
        "title": panel_title(setting_name(setting)),
        "width": WIDTH,
        "height": {"step": 24},
        "encoding": {"y": y},
        "layer": [
            {
                "data": {"values": calls},
                "mark": {
                    "type": "point", "filled": True, "size": 14, "opacity": 0.35,
                    "color": "var(--strong-rule)",
                },
                "encoding": {"x": {**_X, "field": "ms"}},
            },
            {
                "data": {"values": quantiles},
                "mark": {"type": "bar", "height": 8, "color": "var(--right)", "opacity": 0.75},
                "encoding": {"x": {**_X, "field": "q1"}, "x2": {"field": "q3"}},
            },
            {
                "data": {"values": quantiles},
                "mark": {"type": "tick", "thickness": 2, "size": 16, "color": "var(--ink)"},
                "encoding": {"x": {**_X, "field": "median"}},
            },
        ],
    }  # fmt: skip


def _spread(samples: Sequence[float]) -> list[float]:
    """Return all samples, or so many of their order statistics, the least and the most among them."""
    ordered = sorted(samples)
    if len(ordered) <= MAX_POINTS:
        return ordered
    last = len(ordered) - 1
    return [ordered[round(i * last / (MAX_POINTS - 1))] for i in range(MAX_POINTS)]
