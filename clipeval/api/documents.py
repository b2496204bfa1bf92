"""A run as documents. In a file of its own, so that `clipeval report` starts without the statistics."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from clipeval.records import Predictions, RunRecord, Thumbnail
from clipeval.records.latency import BenchmarkRecord
from clipeval.report import render_html, render_junit, render_summary


def render_documents(
    record: RunRecord,
    predictions: Mapping[str, Predictions],
    thumbnails: Sequence[Thumbnail],
    benchmark: BenchmarkRecord | None,
) -> dict[str, str]:
    """Render what people and CI systems read; the same input gives the same bytes."""
    return {
        "report.html": render_html(record, predictions, thumbnails, benchmark),
        "summary.md": render_summary(record, benchmark),
        "junit.xml": render_junit(record, benchmark),
    }
