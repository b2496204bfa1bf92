"""How long a large report takes to render and to open: 1,000 classes, 50,000 images, 5 templates.

    python benchmarks/report.py

Opening needs playwright and the system's Chromium; without them the page is only rendered.
"""

from __future__ import annotations

import resource
import shutil
import statistics
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from clipeval.report import render_html, run_page
from tests.report.test_report_size import large_run

N_OPENED = 5


def main() -> None:
    """Render, open, and print what that took."""
    large = large_run()
    before_mb = _peak_mb()
    started = time.perf_counter()
    page = render_html(run_page(*large))
    rendered_s = time.perf_counter() - started
    print(
        f"rendered in {rendered_s:.1f} s, {len(page.encode()) / 1e6:.1f} MB; "
        f"peak memory {_peak_mb():.0f} MB, of which {before_mb:.0f} MB held the run before"
    )
    chromium = shutil.which("chromium") or shutil.which("google-chrome")
    if chromium is None:
        print("not opened: there is no Chromium")
        return
    loads_s, filters_s = _opened(page, chromium)
    print(
        f"opened in {statistics.median(loads_s):.2f} s ({min(loads_s):.2f} to {max(loads_s):.2f}); one class "
        f"found in {statistics.median(filters_s):.2f} s"
    )


def _opened(page: str, chromium: str) -> tuple[list[float], list[float]]:
    from playwright.sync_api import sync_playwright  # noqa: PLC0415 (opening is optional)

    loads_s, filters_s = [], []
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        file = Path(folder) / "report.html"
        file.write_text(page, encoding="utf-8")
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        for _ in range(N_OPENED):
            tab = browser.new_page()
            started = time.perf_counter()
            tab.goto(file.as_uri())  # until its load event, scripts run
            loads_s.append(time.perf_counter() - started)
            started = time.perf_counter()
            tab.locator("#filter [name=class]").fill("class number 777 of many")
            tab.evaluate("document.body.offsetHeight")
            filters_s.append(time.perf_counter() - started)
            tab.close()
        browser.close()
    return loads_s, filters_s


def _peak_mb() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


if __name__ == "__main__":
    main()
