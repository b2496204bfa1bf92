"""`clipeval baseline accept|show|diff`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from clipeval import api
from clipeval.cli.compare import print_comparison
from clipeval.cli.comparison_tables import baseline_table
from clipeval.cli.console import out, plain, print_notices
from clipeval.wording import count

EXAMPLES = """\
Examples:\n
  clipeval baseline accept reports/quickstart\n
  clipeval baseline show\n
  clipeval baseline diff reports/quickstart
"""

app = typer.Typer(
    help="Accept a run as the baseline of its suite, look at baselines, compare a run with one.",
    epilog=EXAMPLES,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)


_Run = Annotated[Path, typer.Argument(metavar="RUN", help="Run folder or its run.json.")]
_File = Annotated[
    Path | None, typer.Option("--file", metavar="FILE", help="Default: baselines/SUITE.json.")
]


@app.command("accept", epilog="Example:\n\n  clipeval baseline accept reports/quickstart")
def accept(
    run: _Run,
    *,
    file: _File = None,
) -> None:
    """Make a finished run what later runs of its suite are held against; commit the file."""
    accepted = api.accept(run, file=file)
    print_notices(accepted.notices)
    verb = "replaced" if accepted.replaced else "wrote"
    out.print(
        f"{verb} {plain(str(accepted.file))}: suite '{plain(accepted.suite)}', "
        f"{count(accepted.n_cells, 'cell')}, {accepted.size_bytes / 1000:.0f} kB"
    )


@app.command("show", epilog="Example:\n\n  clipeval baseline show quickstart")
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


@app.command("diff", epilog="Example:\n\n  clipeval baseline diff reports/quickstart")
def diff(
    run: _Run,
    *,
    file: _File = None,
) -> None:
    """Show what is different about a run and the baseline of its suite; decides nothing."""
    found = api.diff_baseline(run, file=file)
    print_notices(found.notices)
    print_comparison(found)
