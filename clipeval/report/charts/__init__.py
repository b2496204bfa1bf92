"""Charts of the report: declared in Vega-Lite, drawn as SVG when the page is rendered."""

from clipeval.report.charts.accuracy import template_chart
from clipeval.report.charts.calibration import calibration_chart
from clipeval.report.charts.distribution import distribution_chart, setting_name
from clipeval.report.charts.drawing import Chart, draw, standalone
from clipeval.report.charts.history import accuracy_chart, latency_chart
from clipeval.report.charts.throughput import batch_sweep_chart, roofline_chart
from clipeval.report.charts.tradeoffs import tradeoff_chart

__all__ = [
    "Chart",
    "accuracy_chart",
    "batch_sweep_chart",
    "calibration_chart",
    "distribution_chart",
    "draw",
    "latency_chart",
    "roofline_chart",
    "setting_name",
    "standalone",
    "template_chart",
    "tradeoff_chart",
]
