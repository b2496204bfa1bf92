"""What the page shows, as frozen values built from records."""

from clipeval.report.views.history import HistoryPage, build_history
from clipeval.report.views.page import Page, build_page
from clipeval.report.views.two_runs import TwoRunsPage, build_two_runs

__all__ = ["HistoryPage", "Page", "TwoRunsPage", "build_history", "build_page", "build_two_runs"]
