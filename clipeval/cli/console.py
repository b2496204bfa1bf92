"""What is printed where: results on stdout, everything else on stderr, and nothing that drives a terminal."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from rich.console import Console
from rich.markup import escape
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeRemainingColumn,
)

from clipeval.progress import Advance

if TYPE_CHECKING:  # for annotations alone: `--help` does without
    from clipeval.records import Notice

# C0 and C1 controls other than newline and tab, the characters that reorder text, and the halves of
# surrogate pairs that stand for undecodable bytes in file names, which no terminal can be sent.
_UNPRINTABLE = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069\ud800-\udfff]"
)

# Rich takes 80 columns where there is no terminal; a log file has room for whole rows.
_LOG_COLUMNS = 160

out = Console(highlight=False, soft_wrap=True)
err = Console(stderr=True, highlight=False, soft_wrap=True)
if not out.is_terminal:
    out.width = _LOG_COLUMNS


def plain(text: str) -> str:
    """Return text that cannot move the cursor, colour the terminal or be read as rich markup."""
    return escape(_UNPRINTABLE.sub("\N{REPLACEMENT CHARACTER}", text))


def print_json(value: object) -> None:
    """Print JSON on stdout, for other programs: unwrapped, uncoloured, and what drives a terminal escaped."""
    is_unicode = (sys.stdout.encoding or "").lower().replace("-", "").startswith("utf")
    text = json.dumps(value, ensure_ascii=not is_unicode, indent=2, allow_nan=False)
    print(_UNPRINTABLE.sub(lambda match: f"\\u{ord(match[0]):04x}", text))  # noqa: T201


def print_error(message: str) -> None:
    """Print one error message on stderr."""
    err.print(f"[bold red]error:[/] {plain(message)}")


def print_notices(notices: Iterable[Notice]) -> None:
    """Print each notice once on stderr."""
    for notice in dict.fromkeys(notices):
        err.print(f"[yellow]note[/] [dim]{plain(notice.code)}[/]: {plain(notice.message)}")


@dataclass(frozen=True, slots=True)
class TerminalProgress:
    """Bars with rate and time left on stderr; nothing at all when stderr is not a terminal."""

    console: Console = err

    @contextmanager
    def stage(self, description: str, *, total: int, unit: str) -> Iterator[Advance]:
        """See clipeval.progress.Progress.stage."""
        columns = (
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.fields[rate]}"),
            TimeRemainingColumn(),
        )
        is_shown = self.console.is_terminal
        with Progress(*columns, console=self.console, transient=True, disable=not is_shown) as bar:
            task = bar.add_task(plain(description), total=total, rate="")

            def advance(n_done: int) -> None:
                bar.advance(task, n_done)
                speed = bar.tasks[0].speed
                bar.update(task, rate=f"{speed:,.0f} {unit}/s" if speed else "")

            yield advance
