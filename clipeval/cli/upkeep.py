"""`clipeval report`, `clipeval schema` and `clipeval doctor`."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer
from rich import box
from rich.table import Table

from clipeval import api
from clipeval.cli.console import out, plain, print_json, print_notices

REPORT_EXAMPLES = """\
Example:\n
  clipeval report reports/quickstart
"""
SCHEMA_EXAMPLES = """\
Example:\n
  clipeval schema suite > suite.schema.json
"""


DOCTOR_EXAMPLES = """\
Example:\n
  clipeval doctor
"""


class SchemaName(StrEnum):
    """Files that have a JSON Schema."""

    suite = "suite"
    datasets = "datasets"
    run = "run"
    benchmark = "benchmark"


def report(
    run_folder: Annotated[Path, typer.Argument(metavar="RUN", help="Run folder or its run.json.")],
) -> None:
    """Render report.html, summary.md and junit.xml of a run again (without torch)."""
    rendered = api.render_report(run_folder)
    print_notices(rendered.notices)
    for written in rendered.files:
        out.print(plain(str(written)))


def schema(
    name: Annotated[SchemaName, typer.Argument(help="Which file's schema.")],
) -> None:
    """Print the JSON Schema of a suite, of datasets.yaml, of run.json or of benchmark.json."""
    print_json(api.schema(name.value))


def doctor() -> None:
    """Say what clipeval finds on this machine, and what will distort a measurement on it."""
    diagnosis = api.doctor()
    table = Table(box=box.SIMPLE, show_header=False)
    table.add_column(style="bold")
    table.add_column(overflow="fold")
    for finding in diagnosis.findings:
        table.add_row(plain(finding.subject), plain(finding.finding))
    out.print(table)
    if not diagnosis.distortions:
        out.print("[green]nothing found that would distort a measurement here[/]")
        return
    warnings = Table(
        box=box.SIMPLE_HEAD, title="what will distort a measurement here", title_justify="left"
    )
    for name in ("", "found", "what to do"):
        warnings.add_column(name, overflow="fold")
    for one in diagnosis.distortions:
        warnings.add_row(f"[yellow]{plain(one.subject)}[/]", plain(one.finding), plain(one.advice))
    out.print(warnings)
