"""Charts of the report: declared in Vega-Lite, drawn as SVG when the page is rendered."""

from clipeval.report.charts.drawing import Chart, draw
from clipeval.report.charts.latency import (
    batch_sweep_chart,
    distribution_chart,
    roofline_chart,
    tradeoff_chart,
)

__all__ = [
    "Chart",
    "batch_sweep_chart",
    "distribution_chart",
    "draw",
    "roofline_chart",
    "tradeoff_chart",
]
