"""The command tree, and how errors become exit codes."""

from __future__ import annotations

import errno
import io
import logging
import os
import sys
import traceback
from collections.abc import Sequence
from typing import Annotated, NoReturn

import typer

import clipeval
from clipeval.cli import baseline, bench, cache, classify, compare, history, listing, run, upkeep
from clipeval.cli.console import print_error
from clipeval.cli.variadic import expand_lists
from clipeval.errors import ClipEvalError

EXIT_USAGE = 2
EXIT_DEFECT = 70
EXIT_INTERRUPTED = 130
_OUTPUT_ERRNOS = {errno.ENOSPC, getattr(errno, "EDQUOT", errno.ENOSPC)}

app = typer.Typer(
    name="clipeval",
    help="Evaluate CLIP models: which prompt template, which model, on your images.",
    epilog="Start with:  clipeval run suites/quickstart.yaml",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _show_version(requested: bool) -> None:  # noqa: FBT001 (typer calls it so)
    if requested:
        typer.echo(f"clipeval {clipeval.__version__}")
        raise typer.Exit


@app.callback()
def _root(
    *,
    version: Annotated[
        bool,
        typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version."),
    ] = False,
) -> None:
    """Evaluate CLIP models: which prompt template, which model, on your images."""


app.command("run", epilog=run.EXAMPLES)(run.run)
app.command("validate", epilog=run.VALIDATE_EXAMPLES)(run.validate)
app.command("classify", epilog=classify.EXAMPLES)(classify.classify)
app.command("bench", epilog=bench.EXAMPLES)(bench.bench)
app.command("compare", epilog=compare.EXAMPLES)(compare.compare)
app.add_typer(baseline.app, name="baseline")
app.command("history", epilog=history.EXAMPLES)(history.history)
app.command("report", epilog=upkeep.REPORT_EXAMPLES)(upkeep.report)
app.command("list", epilog=listing.EXAMPLES)(listing.list_)
app.command("doctor", epilog=upkeep.DOCTOR_EXAMPLES)(upkeep.doctor)
app.command("schema", epilog=upkeep.SCHEMA_EXAMPLES)(upkeep.schema)
app.add_typer(cache.app, name="cache")


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command; every deliberate error is one message on stderr and exit code 2.

    Args:
        arguments: the command line without the program name; this process's if None.
    """
    # Libraries log through the root logger; what matters reaches the user as an error or a notice.
    logging.getLogger().addHandler(logging.NullHandler())
    # A stream that cannot show a character (a pipe in another encoding) shows its number.
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    try:
        words = sys.argv[1:] if arguments is None else arguments
        app(args=expand_lists(words), prog_name="clipeval")
    except ClipEvalError as error:
        print_error(str(error))
        sys.exit(EXIT_USAGE)
    except SystemExit as leaving:
        sys.exit(_exit_code(leaving))
    except BrokenPipeError:
        # The reader (head, less) has gone: nothing to say, and nothing to say it to.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(EXIT_INTERRUPTED)
    except OSError as error:
        if error.errno not in _OUTPUT_ERRNOS:
            _tell_of_a_defect()
        print_error(
            f"output cannot be written: {error.strerror}; free some space, or write it elsewhere"
        )
        sys.exit(EXIT_USAGE)
    except Exception:  # noqa: BLE001 (Python would exit with 1, which means that a gate failed)
        _tell_of_a_defect()


def _exit_code(leaving: SystemExit) -> str | int | None:
    """Return what the process ends with, where typer would end it with something else or without a word."""
    if isinstance(leaving.__context__, BrokenPipeError):
        return EXIT_INTERRUPTED  # typer makes 1 of it, which would say that a gate failed
    if leaving.code == EXIT_INTERRUPTED:  # typer makes it of ^C, and says nothing
        print_error("interrupted")
    return leaving.code


def _tell_of_a_defect() -> NoReturn:
    traceback.print_exc()
    print_error("this is a defect of clipeval, not of your input: please report what is above")
    sys.exit(EXIT_DEFECT)
