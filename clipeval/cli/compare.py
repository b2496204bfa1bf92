"""`clipeval compare`."""

from __future__ import annotations

from dataclasses import asdict
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from clipeval import api
from clipeval.cli.comparison_tables import comparisons_table, details
from clipeval.cli.console import out, plain, print_error, print_json, print_notices
from clipeval.cli.exits import EXIT_OF, VERDICT_COLOURS
from clipeval.cli.tables import gate_rows_table
from clipeval.records.cell_changes import change_lines
from clipeval.records.shared_causes import ToldGates
from clipeval.wording import margin_text

if TYPE_CHECKING:  # for annotations alone: `--help` does without
    from clipeval.records.specs import OnInconclusive

EXAMPLES = """\
Examples:\n
  clipeval compare reports/before reports/after\n
  clipeval compare baselines/quickstart.json reports/quickstart --margin 0.02\n
  clipeval compare reports/before reports/after --json > comparison.json\n
  clipeval compare reports/before reports/after --html comparison.html
"""


class OnInconclusiveName(StrEnum):
    """What an inconclusive comparison comes to."""

    warn = "warn"
    fail = "fail"


_ON_INCONCLUSIVE: dict[OnInconclusiveName, OnInconclusive] = {
    OnInconclusiveName.warn: "warn",
    OnInconclusiveName.fail: "fail",
}


def compare(
    base: Annotated[Path, typer.Argument(metavar="BASE", help="Run folder, run.json or baseline.")],
    candidate: Annotated[Path, typer.Argument(metavar="CANDIDATE", help="Likewise.")],
    *,
    margin: Annotated[
        float,
        typer.Option(
            "--margin", metavar="M", help="Drop of top-1 that is tolerated: 0.01 is one point."
        ),
    ] = 0.01,
    on_inconclusive: Annotated[
        OnInconclusiveName, typer.Option(help="What an undecided cell comes to.")
    ] = OnInconclusiveName.warn,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
    html: Annotated[
        Path | None,
        typer.Option("--html", metavar="FILE", help="Also write a page about the two runs."),
    ] = None,
) -> None:
    """Compare two runs image by image: is the candidate worse than the base by more than a margin?"""
    found = api.compare_runs(
        base, candidate, margin=margin, on_inconclusive=_ON_INCONCLUSIVE[on_inconclusive]
    )
    print_notices(found.notices)
    if html is not None:
        api.write_comparison_page(found, base=base, candidate=candidate, file=html)
    if as_json:
        print_json(asdict(found))
        raise typer.Exit(EXIT_OF[found.verdict])
    print_comparison(found)
    if html is not None:
        out.print(f"page       {plain(str(html))}")
    rows = [
        (one.candidate, ToldGates(results=(gate,)))
        for one, gate in zip(found.comparisons, found.gates, strict=True)
    ]
    out.print(gate_rows_table(rows, title=f"at most {margin_text(found.margin)} worse"))
    colour = VERDICT_COLOURS[found.verdict]
    out.print(f"[bold {colour}]{found.verdict.upper()}[/]")
    raise typer.Exit(EXIT_OF[found.verdict])


def print_comparison(found: api.RunComparison) -> None:
    """Print two runs cell by cell: what changed, and which cells only one of them has."""
    for name, side in (("base", found.base), ("candidate", found.candidate)):
        out.print(f"{name:<9}  {plain(side.source)}  [dim]{plain(side.created)}[/]")
    if found.environment_changes:
        out.print(f"changed    {plain('; '.join(found.environment_changes))}")
    for line in change_lines(found.comparisons, quote=str):
        out.print(f"changed    {plain(line)}")
    out.print(comparisons_table(found.comparisons))
    for comparison in found.comparisons:
        if comparison.conclusion == "same":
            continue  # the table says it all
        for line in details(comparison):
            out.print(plain(line))
    for cell in found.only_in_base:
        print_error(f"{cell}: only in the base: it vanished or was renamed, and is not compared")
    for cell in found.only_in_candidate:
        out.print(f"[yellow]new[/] {plain(cell)}: only in the candidate")
