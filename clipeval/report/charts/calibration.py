"""Confidence against accuracy."""

from __future__ import annotations

from clipeval.records import CellResult
from clipeval.report import format as fmt
from clipeval.report.charts.drawing import Chart, draw

_EDGE_PX = 240


def calibration_chart(cell: CellResult) -> Chart | None:
    """Draw the reliability diagram of a cell; None where no bin has images, or there is one class.

    Source: Guo et al., On Calibration of Modern Neural Networks, 2017, figure 1.
    """
    if len(cell.dataset.class_names) == 1:
        return None
    values = [
        {"confidence": one.confidence, "accuracy": one.accuracy, "images": one.n_images}
        for one in cell.calibration
        if one.confidence is not None and one.accuracy is not None
    ]
    if not values:
        return None
    shares = {
        "type": "quantitative",
        "scale": {"domain": [0, 1]},
        "axis": {"format": "%", "values": [0, 0.25, 0.5, 0.75, 1]},
    }
    x, y = {**shares, "title": "mean confidence"}, {**shares, "title": "accuracy"}
    diagonal = [{"confidence": end, "accuracy": end} for end in (0, 1)]
    spec = {
        "width": _EDGE_PX,
        "height": _EDGE_PX,
        "encoding": {"x": {**x, "field": "confidence"}, "y": {**y, "field": "accuracy"}},
        "layer": [
            {
                "data": {"values": diagonal},
                "mark": {"type": "line", "color": "var(--strong-rule)", "strokeDash": [4, 3]},
            },
            {
                "data": {"values": values},
                "mark": {"type": "rule", "color": "var(--wrong)", "strokeWidth": 2},
                "encoding": {"y2": {"field": "confidence"}},
            },
            {
                "data": {"values": values},
                "mark": {"type": "line", "color": "var(--right)", "strokeWidth": 2},
            },
            {
                "data": {"values": values},
                "mark": {"type": "point", "filled": True, "color": "var(--right)", "opacity": 1},
                "encoding": {
                    "size": {
                        "field": "images", "type": "quantitative", "legend": None,
                        "scale": {"range": [25, 220], "zero": True},
                    },
                },
            },
        ],
    }  # fmt: skip
    return draw(
        spec,
        title="Calibration",
        summary="Below the dashed line: surer than right; larger dots are more images"
        + _expected_error(cell),
    )


def _expected_error(cell: CellResult) -> str:
    found = cell.metrics.get("ece")
    return "" if found is None else f"; expected error {fmt.metric_number('ece', found.value)}"
