"""`clipeval history`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich import box
from rich.table import Table

from clipeval import api
from clipeval.cli.console import out, plain, print_notices
from clipeval.cli.exits import VERDICT_COLOURS

if TYPE_CHECKING:  # for annotations alone: `--help` does without
    from clipeval.records.history import SuiteHistory

EXAMPLES = """\
Examples:\n
  clipeval history\n
  clipeval history nightly/ --out nightly/history.html
"""
PAGE = "history.html"


def history(
    folder: Annotated[
        Path, typer.Argument(metavar="DIR", help="Folder with run folders in it, at any depth.")
    ] = Path("reports"),
    *,
    out_file: Annotated[
        Path | None,
        typer.Option("--out", metavar="FILE", help="Page to write; default: DIR/history.html."),
    ] = None,
) -> None:
    """Gather runs into one page: accuracy and latency over time, baselines and regressions marked."""
    found = api.gather_history(folder)
    print_notices(found.notices)
    for suite in found.suites:
        out.print(_table(suite))
    page = out_file or folder / PAGE
    api.write_history(found, page, folder=folder)
    out.print(f"history: {plain(str(page))}")


def _table(suite: SuiteHistory) -> Table:
    """One row a run, oldest first."""
    table = Table(box=box.SIMPLE_HEAD, title=f"suite {plain(suite.suite)}", title_justify="left")
    for name in ("created", "folder", "verdict", "cells", "regressions"):
        table.add_column(name, overflow="fold")
    for run in suite.runs:
        regressions = [cell.cell for cell in run.cells if cell.is_regression]
        regressions += [
            f"{one.setting.model} {one.stage}" for one in run.timings if one.is_regression
        ]
        table.add_row(
            plain(run.created),
            plain(run.folder),
            f"[{VERDICT_COLOURS[run.verdict]}]{run.verdict.upper()}[/]"
            + (" (partial)" if run.is_partial else ""),
            str(len(run.cells)),
            plain(", ".join(regressions)),
        )
    return table
