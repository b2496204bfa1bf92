"""What is different about the cells of a comparison, a line for each thing that changed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from clipeval.wording import count

if TYPE_CHECKING:  # for annotations alone: `clipeval compare --help` does without
    from clipeval.records.comparisons import Comparison

_N_NAMED = 3


def change_lines(
    comparisons: Sequence[Comparison], *, quote: Callable[[str], str]
) -> tuple[str, ...]:
    """Say what changed and in which cells: `prompts of a/b/c changed: 'a cat' -> 'one cat'`."""
    found: dict[str, list[tuple[str, str]]] = {}
    for one in comparisons:
        for change in one.changes:
            found.setdefault(change.what, []).append((one.candidate, change.example))
    return tuple(_line(what, cells, quote) for what, cells in found.items())


def _line(what: str, cells: Sequence[tuple[str, str]], quote: Callable[[str], str]) -> str:
    named = ", ".join(quote(cell) for cell, _ in cells[:_N_NAMED])
    n_more = len(cells) - _N_NAMED
    more = f" and {count(n_more)} more" if n_more > 0 else ""
    example = next((text for _, text in cells if text), "")
    such_as = "" if not example else f": {quote(example)}"
    return f"{what} of {named}{more} changed{such_as}"
