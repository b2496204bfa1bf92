"""A run as documents. In a file of its own, so that `clipeval report` starts without the statistics."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from clipeval.records import Predictions, RunRecord, Thumbnail
from clipeval.records.latency import BenchmarkRecord
from clipeval.report import (
    render_html,
    render_junit,
    render_summary,
    run_page,
    static_charts,
)


def render_documents(
    record: RunRecord,
    predictions: Mapping[str, Predictions],
    thumbnails: Sequence[Thumbnail],
    benchmark: BenchmarkRecord | None,
) -> dict[str, str]:
    """Render what people and CI systems read; the same input gives the same bytes."""
    page = run_page(record, predictions, thumbnails, benchmark)
    charts = static_charts(page)
    return {
        "report.html": render_html(page),
        "summary.md": render_summary(record, benchmark, charts),
        "junit.xml": render_junit(record, benchmark),
        **{chart.file: chart.svg for chart in charts},
    }
