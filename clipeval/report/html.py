"""report.html: one file, no remote assets, nothing in it runs but its own hashed script."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from importlib import resources

from jinja2 import Environment, FunctionLoader, StrictUndefined
from markupsafe import Markup

from clipeval.errors import StoreError
from clipeval.records import Predictions, RunRecord, Thumbnail
from clipeval.records.history import History
from clipeval.records.latency import BenchmarkRecord
from clipeval.records.run_comparisons import RunComparison, RunImages
from clipeval.report.format import visible
from clipeval.report.views import Page, build_history, build_page, build_two_runs

_TEMPLATES = resources.files("clipeval.report") / "templates"


def run_page(
    record: RunRecord,
    predictions: Mapping[str, Predictions] | Iterable[Predictions],
    thumbnails: Sequence[Thumbnail],
    benchmark: BenchmarkRecord | None = None,
) -> Page:
    """Gather what the page of a run shows.

    Args:
        record: the run.
        predictions: of its cells, by cell id or as a plain iterable; cells without them lose their
            thumbnails and say so.
        thumbnails: joined with predictions by data set and sample id.
        benchmark: timings of the run's models, if they were timed.
    Raises:
        StoreError: predictions are of a cell that the record does not have, or do not fit it.
    """
    found = tuple(predictions.values() if isinstance(predictions, Mapping) else predictions)
    _check_cells(record, found)
    return build_page(record, found, thumbnails, benchmark)


def render_html(page: Page) -> str:
    """Render the page of a run; the same input gives the same bytes.

    Returns:
        A whole HTML document that encodes as UTF-8.
    """
    css, script = _text("report.css"), _text("report.js")
    return (
        _environment()
        .get_template("report.html.j2")
        .render(
            page=page,
            css=Markup(css),  # noqa: S704 (a file of this package; nothing is ever interpolated)
            script=Markup(script),  # noqa: S704 (as above)
            policy=content_security_policy(css, script),
        )
    )


def render_history(history: History, *, root: str = ".") -> str:
    """Render the page about runs over time; the same input gives the same bytes.

    Args:
        history: the runs.
        root: the folder that they were gathered in, relative to the page.
    """
    css = _text("report.css")
    return (
        _environment()
        .get_template("history.html.j2")
        .render(
            page=build_history(history, root=root),
            css=Markup(css),  # noqa: S704 (a file of this package; nothing is ever interpolated)
            policy=content_security_policy(css, ""),
        )
    )


def render_comparison(found: RunComparison, base: RunImages, candidate: RunImages) -> str:
    """Render the page about two runs; the same input gives the same bytes.

    Args:
        found: what comparing them said.
        base: what the base has of single images.
        candidate: likewise.
    Raises:
        StoreError: predictions do not fit the cells of their run.
    """
    css, script = _text("report.css"), _text("report.js")
    return (
        _environment()
        .get_template("two_runs.html.j2")
        .render(
            page=build_two_runs(found, base, candidate),
            css=Markup(css),  # noqa: S704 (a file of this package; nothing is ever interpolated)
            script=Markup(script),  # noqa: S704 (as above)
            policy=content_security_policy(css, script),
        )
    )


def content_security_policy(css: str, script: str) -> str:
    """Allow exactly this style sheet, this script and images in `data:` URIs, and nothing else."""
    return "; ".join(
        (
            "default-src 'none'",
            f"style-src '{_hash_source(css)}'",
            f"script-src '{_hash_source(script)}'",
            "img-src data:",
            "base-uri 'none'",
            "form-action 'none'",
        )
    )


def _check_cells(record: RunRecord, predictions: Sequence[Predictions]) -> None:
    known = {cell.id for cell in record.cells}
    for one in predictions:
        if one.cell not in known:
            raise StoreError(
                f"predictions of cell '{one.cell}', which the run '{record.suite}' does not have; "
                "predictions.parquet and run.json are not of the same run"
            )


def _hash_source(content: str) -> str:
    digest = hashlib.sha256(content.encode("utf-8")).digest()
    return "sha256-" + base64.b64encode(digest).decode("ascii")


def _text(name: str) -> str:
    return (_TEMPLATES / name).read_text(encoding="utf-8")


@cache
def _environment() -> Environment:
    return Environment(
        loader=FunctionLoader(_text),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=_visible_text,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )


def _visible_text(found: object) -> object:
    """Make plain text safe to show; markup is the package's own."""
    if isinstance(found, str) and not isinstance(found, Markup):
        return visible(found)
    return found
