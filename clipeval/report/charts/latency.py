"""Charts of timings."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from clipeval.records.latency import BatchSweep, BenchmarkRecord, StageProfile, Tradeoff
from clipeval.records.latency_gates import LatencySetting
from clipeval.report.charts.drawing import Chart, Spec, draw, told_apart
from clipeval.wording import count

MS_PER_S = 1e3
MAX_POINTS = 100
"""Calls of a stage that are drawn: every one, or so many spread over their order."""
MAX_SETTINGS = 12
MAX_NAMED = 8
"""Points of the roofline that have their names beside them."""
WIDTH = 560
_GIGA = 1e9
_FRONT, _BEHIND = "on the front", "not on the front"
_LOG = {"type": "log", "nice": True}


def setting_name(setting: LatencySetting) -> str:
    """Name a setting in a line."""
    return (
        f"{setting.model} on {setting.device}, {setting.precision}, {setting.backend}, "
        f"batch {setting.batch_size}, {count(setting.n_threads, 'thread')}"
    )


def distribution_chart(profiles: Sequence[StageProfile]) -> Chart | None:
    """Draw every call of every stage: single calls as dots, the middle half as a bar, the median as a line.

    Returns:
        None if no stage was called repeatedly; at most MAX_SETTINGS settings, the first ones.
    """
    repeated = [one for one in profiles if len(one.samples_s) > 1]
    every = list(dict.fromkeys(one.setting for one in repeated))
    settings = every[:MAX_SETTINGS]
    shown = [one for one in repeated if one.setting in settings]
    if not shown:
        return None
    rows = [
        {
            "setting": setting_name(one.setting),
            "stage": one.stage,
            "q1": MS_PER_S * one.summary.q1_s,
            "q3": MS_PER_S * one.summary.q3_s,
            "median": MS_PER_S * one.summary.median_s,
        }
        for one in shown
        if one.summary is not None
    ]
    calls = [
        {"setting": setting_name(one.setting), "stage": one.stage, "ms": MS_PER_S * sample}
        for one in shown
        for sample in _spread(one.samples_s)
    ]
    stages = list(dict.fromkeys(one.stage for one in shown))
    y = {"field": "stage", "type": "nominal", "sort": stages, "title": None}
    x = {"type": "quantitative", "scale": _LOG, "title": "milliseconds a call (log scale)"}
    layers: list[Spec] = [
        {
            "data": {"values": calls},
            "mark": {
                "type": "point", "size": 14, "opacity": 0.35, "color": "var(--strong-rule)", "filled": True,
            },
            "encoding": {"x": {**x, "field": "ms"}, "y": y},
        },
        {
            "data": {"values": rows},
            "mark": {"type": "bar", "height": 8, "color": "var(--right)", "opacity": 0.75},
            "encoding": {"x": {**x, "field": "q1"}, "x2": {"field": "q3"}, "y": y},
        },
        {
            "data": {"values": rows},
            "mark": {"type": "tick", "thickness": 2, "size": 16, "color": "var(--ink)"},
            "encoding": {"x": {**x, "field": "median"}, "y": y},
        },
    ]  # fmt: skip
    panels = [
        {
            "title": {
                "text": setting_name(setting), "anchor": "start", "color": "var(--ink)", "fontSize": 13,
            },
            "width": WIDTH,
            "height": {"step": 24},
            "layer": [
                {
                    **layer,
                    "data": {
                        "values": [
                            row
                            for row in layer["data"]["values"]
                            if row["setting"] == setting_name(setting)
                        ]
                    },
                }
                for layer in layers
            ],
        }
        for setting in settings
    ]  # fmt: skip
    spec = {"vconcat": panels, "resolve": {"scale": {"x": "shared"}}}
    return draw(
        spec,
        title="Time of every call",
        summary="Dots are calls, bars their middle half, lines medians"
        + _left_out(len(every), "setting"),
    )


def batch_sweep_chart(sweeps: Sequence[BatchSweep]) -> Chart | None:
    """Draw throughput against batch size, the knee marked; None without a sweep that found anything."""
    values = [
        {
            "name": _without_batch(one.setting),
            "batch": one.setting.batch_size,
            "per_s": one.items_per_s,
            "knee": "knee" if one.setting.batch_size == sweep.knee else "",
        }
        for sweep in sweeps
        for one in sweep.profiles
        if one.items_per_s
    ]
    if not values:
        return None
    names = list(dict.fromkeys(str(row["name"]) for row in values))
    encoding: Spec = {
        "x": {
            "field": "batch", "type": "quantitative", "title": "batch size (log scale)",
            "scale": {"type": "log", "base": 2}, "axis": {"values": sorted({row["batch"] for row in values})},
        },
        "y": {"field": "per_s", "type": "quantitative", "title": "images a second", "scale": {"zero": True}},
        **told_apart(names),
    }  # fmt: skip
    spec = {
        "width": WIDTH,
        "height": 240,
        "data": {"values": values},
        "encoding": encoding,
        "layer": [
            {"mark": {"type": "line", "strokeWidth": 2}},
            {"mark": {"type": "point", "filled": True, "size": 50}},
            {
                "transform": [{"filter": "datum.knee !== ''"}],
                "mark": {"type": "text", "dy": -12, "color": "var(--ink)"},
                "encoding": {"text": {"field": "knee"}, "color": {"value": "var(--ink)"}},
            },
        ],
    }
    return draw(
        spec,
        title="Throughput by batch size",
        summary="The knee is the smallest batch with 95% of the best throughput",
    )


def roofline_chart(record: BenchmarkRecord) -> Chart | None:
    """Draw how fast the towers compute against what this machine allows; None if nothing is known of that.

    Source: Williams, Waterman and Patterson, Roofline, 2009.
    """
    drawn = [one for one in record.profiles if one.flop_per_byte]
    points = [
        {
            "name": f"{one.setting.model} {one.stage} batch {one.setting.batch_size}",
            "kind": one.stage,
            "intensity": one.flop_per_byte,
            "gflop": one.items_per_s * one.flop_per_item / _GIGA,
        }
        for one in drawn
        if one.items_per_s and one.flop_per_item
    ]
    roofs = [
        (name, peak, record.memory_bandwidths[name.split()[0]])
        for name, peak in record.matrix_peaks.items()
        if name.split()[0] in record.memory_bandwidths
    ]
    if not points or not roofs:
        return None
    stages = list(dict.fromkeys(one.stage for one in drawn))
    intensities = [one.flop_per_byte for one in drawn if one.flop_per_byte]
    least = min(0.5, *intensities) / 2
    most = 2 * max(*(peak / bandwidth for _, peak, bandwidth in roofs), *intensities)
    lines = [
        {"roof": name, "intensity": at, "gflop": min(peak, bandwidth * at) / _GIGA}
        for name, peak, bandwidth in roofs
        for at in (least, peak / bandwidth, most)
    ]  # fmt: skip
    x = {
        "field": "intensity", "type": "quantitative", "scale": {"type": "log"},
        "title": "operations a byte of weights, at most (log scale)",
    }  # fmt: skip
    y = {
        "field": "gflop",
        "type": "quantitative",
        "scale": {"type": "log"},
        "title": "GFLOP a second (log scale)",
    }
    spec = {
        "width": WIDTH,
        "height": 300,
        "layer": [
            {
                "data": {"values": lines},
                "mark": {"type": "line", "color": "var(--strong-rule)", "strokeWidth": 2},
                "encoding": {"x": x, "y": y, "detail": {"field": "roof", "type": "nominal"}},
            },
            {
                "data": {"values": [line for line in lines if line["intensity"] == most]},
                "mark": {"type": "text", "align": "right", "dy": -8, "color": "var(--quiet)"},
                "encoding": {"x": x, "y": y, "text": {"field": "roof"}},
            },
            {
                "data": {"values": points},
                "mark": {"type": "point", "filled": True, "size": 60},
                "encoding": {"x": x, "y": y, **told_apart(stages, field="kind")},
            },
            {
                "data": {"values": points if len(points) <= MAX_NAMED else []},
                "mark": {"type": "text", "align": "right", "dx": -8, "color": "var(--ink)", "fontSize": 11},
                "encoding": {"x": x, "y": y, "text": {"field": "name"}},
            },
        ],
    }  # fmt: skip
    return draw(
        spec,
        title="Roofline",
        summary="How fast the towers compute, below what matrix products and memory bandwidth here allow",
    )


def tradeoff_chart(tradeoffs: Sequence[Tradeoff]) -> Chart | None:
    """Draw accuracy against latency, a panel for those that compete; None without any."""
    if not tradeoffs:
        return None
    panels: dict[str, list[Tradeoff]] = {}
    for one in tradeoffs:
        name = f"{one.dataset} on {one.setting.device}, batch {one.setting.batch_size}"
        panels.setdefault(name, []).append(one)
    shown = list(panels.items())[:MAX_SETTINGS]
    spec = {"vconcat": [_tradeoff_panel(name, group) for name, group in shown]}
    return draw(
        spec,
        title="Accuracy against latency",
        summary=f"Dashed: the Pareto front; lines: 95% intervals of top-1{_left_out(len(panels), 'panel')}",
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
    }  # fmt: skip
    axis = {"format": "%", "tickCount": 5}
    scale = {"zero": False, "padding": 14}
    y = {"field": "top1", "type": "quantitative", "title": "top-1", "axis": axis, "scale": scale}
    return {
        "title": {"text": name, "anchor": "start", "color": "var(--ink)", "fontSize": 13},
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
                "encoding": {"x": x, "y": y, **told_apart([_FRONT, _BEHIND], field="front")},
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


def _left_out(n: int, noun: str) -> str:
    """Say how many of what there is are drawn, if not all are."""
    return f"; the first {MAX_SETTINGS} of {count(n, noun)}" if n > MAX_SETTINGS else ""


def _without_batch(setting: LatencySetting) -> str:
    return (
        f"{setting.model} on {setting.device}, {setting.precision}, {setting.backend}, "
        f"{count(setting.n_threads, 'thread')}"
    )


def _spread(samples: Sequence[float]) -> list[float]:
    """Return all samples, or so many of their order statistics, the least and the most among them."""
    ordered = sorted(samples)
    if len(ordered) <= MAX_POINTS:
        return ordered
    last = len(ordered) - 1
    return [ordered[round(i * last / (MAX_POINTS - 1))] for i in range(MAX_POINTS)]
