"""What the page shows, as frozen values built from records."""

from clipeval.report.views.history import HistoryPage, build_history
from clipeval.report.views.page import Page, build_page

__all__ = ["HistoryPage", "Page", "build_history", "build_page"]
