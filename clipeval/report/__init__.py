"""Renders a run for people (report.html, summary.md) and for machines (junit.xml)."""

from clipeval.report.html import render_comparison, render_history, render_html
from clipeval.report.junit import render_junit
from clipeval.report.summary import render_summary

__all__ = ["render_comparison", "render_history", "render_html", "render_junit", "render_summary"]
