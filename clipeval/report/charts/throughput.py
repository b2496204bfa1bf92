"""What limits throughput: the batch size, and what the machine allows."""

from __future__ import annotations

from collections.abc import Sequence

from clipeval.records.latency import BatchSweep, BenchmarkRecord
from clipeval.records.latency_gates import LatencySetting
from clipeval.report.charts.drawing import WIDTH, Chart, Spec, draw, told_apart
from clipeval.wording import count

MAX_NAMED = 8
"""Points of the roofline that have their names beside them."""
_GIGA = 1e9


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
    has_several_models = len({one.setting.model for one in drawn}) > 1
    points = [
        {
            # colour and shape tell the stages apart
            "name": f"{one.setting.model} batch {one.setting.batch_size}"
            if has_several_models
            else f"batch {one.setting.batch_size}",
            "kind": one.stage,
            "intensity": one.flop_per_byte,
            "gflop": one.items_per_s * one.flop_per_item / _GIGA,
        }
        for one in drawn
        if one.items_per_s and one.flop_per_item
    ]
    roofs = [
        (
            f"{one.device} {one.precision}, {count(one.n_threads, 'thread')}",
            one.flop_per_s,
            one.bytes_per_s,
        )
        for one in record.roofs
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


def _without_batch(setting: LatencySetting) -> str:
    return (
        f"{setting.model} on {setting.device}, {setting.precision}, {setting.backend}, "
        f"{count(setting.n_threads, 'thread')}"
    )
