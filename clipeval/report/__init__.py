"""Renders a run for people (report.html, summary.md, charts) and for machines (junit.xml)."""

from clipeval.report.html import render_comparison, render_history, render_html, run_page
from clipeval.report.junit import render_junit
from clipeval.report.static_charts import static_charts
from clipeval.report.summary import render_summary

__all__ = [
    "render_comparison",
    "render_history",
    "render_html",
    "render_junit",
    "render_summary",
    "run_page",
    "static_charts",
]
