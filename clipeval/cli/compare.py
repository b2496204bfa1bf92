"""`clipeval compare` and `clipeval baseline accept|show|diff`."""

from __future__ import annotations

from dataclasses import asdict
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from clipeval import api
from clipeval.cli.comparison_tables import baseline_table, comparisons_table, details
from clipeval.cli.console import out, plain, print_error, print_json, print_notices
from clipeval.cli.exits import EXIT_OF, VERDICT_COLOURS
from clipeval.cli.tables import gate_rows_table
from clipeval.records.specs import OnInconclusive

COMPARE_EXAMPLES = """\
Examples:\n
  clipeval compare reports/before reports/after\n
  clipeval compare baselines/quickstart.json reports/quickstart --margin 0.02\n
  clipeval compare reports/before reports/after --json > comparison.json
"""
BASELINE_EXAMPLES = """\
Examples:\n
  clipeval baseline accept reports/quickstart\n
  clipeval baseline show\n
  clipeval baseline diff reports/quickstart
"""


class OnInconclusiveName(StrEnum):
    """What an inconclusive comparison comes to."""

    warn = "warn"
    fail = "fail"


_ON_INCONCLUSIVE: dict[OnInconclusiveName, OnInconclusive] = {
    OnInconclusiveName.warn: "warn",
    OnInconclusiveName.fail: "fail",
}
baseline = typer.Typer(
    help="Accept a run as the baseline of its suite, look at baselines, compare a run with one.",
    epilog=BASELINE_EXAMPLES,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)


def compare(
    base: Annotated[Path, typer.Argument(metavar="BASE", help="Run folder, run.json or baseline.")],
    candidate: Annotated[Path, typer.Argument(metavar="CANDIDATE", help="Likewise.")],
    *,
    margin: Annotated[
        float, typer.Option(metavar="M", help="Drop of top-1 that is tolerated: 0.01 is one point.")
    ] = 0.01,
    on_inconclusive: Annotated[
        OnInconclusiveName, typer.Option(help="What an undecided cell comes to.")
    ] = OnInconclusiveName.warn,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Compare two runs image by image: is the candidate worse than the base by more than a margin?"""
    found = api.compare_runs(
        base, candidate, margin=margin, on_inconclusive=_ON_INCONCLUSIVE[on_inconclusive]
    )
    print_notices(found.notices)
    if as_json:
        print_json(asdict(found))
        raise typer.Exit(EXIT_OF[found.verdict])
    _print_comparison(found)
    rows = [(one.candidate, gate) for one, gate in zip(found.comparisons, found.gates, strict=True)]
    out.print(gate_rows_table(rows, title=f"at most {100 * found.margin:g} points worse"))
    colour = VERDICT_COLOURS[found.verdict]
    out.print(f"[bold {colour}]{found.verdict.upper()}[/]")
    raise typer.Exit(EXIT_OF[found.verdict])


@baseline.command("accept", epilog="Example:\n\n  clipeval baseline accept reports/quickstart")
def accept(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="Run folder or its run.json.")],
    *,
    file: Annotated[
        Path | None,
        typer.Option("--file", metavar="FILE", help="Default: baselines/SUITE.json."),
    ] = None,
) -> None:
    """Make a finished run what later runs of its suite are held against; commit the file."""
    accepted = api.accept(run, file=file)
    print_notices(accepted.notices)
    verb = "replaced" if accepted.replaced else "wrote"
    out.print(
        f"{verb} {plain(str(accepted.file))}: suite '{plain(accepted.suite)}', "
        f"{accepted.n_cells} cells, {accepted.size_bytes / 1000:.0f} kB"
    )


@baseline.command("show", epilog="Example:\n\n  clipeval baseline show quickstart")
def show(
    baselines: Annotated[
        list[Path] | None,
        typer.Argument(metavar="BASELINE", help="Files or suites; default: all in ./baselines."),
    ] = None,
) -> None:
    """Show what was accepted: when, where, which cells, how good."""
    for one in api.list_baselines(tuple(baselines or ())):
        environment = one.environment
        commit = (environment.git_commit or "none")[:12]
        dirty = " with uncommitted changes" if environment.git_dirty else ""
        out.print(
            f"[bold]{plain(one.source)}[/]  suite '{plain(one.suite)}', accepted {plain(one.accepted)}"
        )
        out.print(
            f"clipeval {plain(environment.clipeval)}, torch "
            f"{plain(environment.packages.get('torch', '?'))}, {plain(environment.cpu)}, "
            f"commit {plain(commit)}{dirty}"
        )
        out.print(baseline_table(one))


@baseline.command("diff", epilog="Example:\n\n  clipeval baseline diff reports/quickstart")
def diff(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="Run folder or its run.json.")],
    *,
    file: Annotated[
        Path | None,
        typer.Option("--file", metavar="FILE", help="Default: baselines/SUITE.json."),
    ] = None,
) -> None:
    """Show what is different about a run and the baseline of its suite; decides nothing."""
    found = api.diff_baseline(run, file=file)
    print_notices(found.notices)
    _print_comparison(found)


def _print_comparison(found: api.RunComparison) -> None:
    for name, side in (("base", found.base), ("candidate", found.candidate)):
        out.print(f"{name:<9}  {plain(side.source)}  [dim]{plain(side.created)}[/]")
    if found.environment_changes:
        out.print(f"changed    {plain('; '.join(found.environment_changes))}")
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
