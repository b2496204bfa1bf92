"""The main charts of a report as files, for summary.md and for documents."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from clipeval.report.charts import Chart, standalone
from clipeval.report.views import Page


@dataclass(frozen=True, slots=True, kw_only=True)
class StaticChart:
    """One chart in a file of its own."""

    file: str
    """`charts/top1-1.svg`, relative to the run folder; numbered, because names may hold anything."""
    title: str
    svg: str


def static_charts(page: Page) -> tuple[StaticChart, ...]:
    """Return the templates of every data set, the calibration of its first cell, and what was timed."""
    return tuple(
        StaticChart(file=f"charts/{name}.svg", title=title, svg=standalone(chart))
        for name, title, chart in _charts(page)
    )


def _charts(page: Page) -> Iterator[tuple[str, str, Chart]]:
    for number, table in enumerate(page.templates, start=1):
        if table.chart is not None:
            yield f"top1-{number}", f"{table.chart.title} on {table.dataset}", table.chart
    first_cells = (cell for cell in page.cells if cell.is_open)
    for number, cell in enumerate(first_cells, start=1):
        if cell.calibration_chart is not None:
            yield f"calibration-{number}", f"Calibration of {cell.id}", cell.calibration_chart
    for number, chart in enumerate(page.latency.charts if page.latency else (), start=1):
        yield f"latency-{number}", chart.title, chart
