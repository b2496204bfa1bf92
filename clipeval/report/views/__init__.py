"""What the page shows, as frozen values built from records."""

from clipeval.report.views.page import Page, build_page

__all__ = ["Page", "build_page"]
