"""Lets `--class ramen pizza cola` mean `--class ramen --class pizza --class cola`.

Click gives an option a fixed number of values; people (and the documented interface) write lists.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

LIST_OPTIONS: Mapping[str, frozenset[str]] = {
    "classify": frozenset({"--class", "--prompt"}),
    "bench": frozenset(
        {"--model", "--device", "--batch", "--precision", "--stage", "--threads", "--dataset"}
    ),
}


def expand_lists(arguments: Sequence[str]) -> list[str]:
    """Repeat a list option before each further value.

    A further value that is an existing file stays what it was: an image after the options.

    Args:
        arguments: the command line without the program name.
    """
    options = LIST_OPTIONS.get(arguments[0], frozenset()) if arguments else frozenset()
    expanded: list[str] = []
    current: str | None = None
    for position, word in enumerate(arguments):
        if word == "--":
            return [*expanded, *arguments[position:]]
        if word.startswith("--"):
            current = word if word in options else None
        elif word.startswith("-") and len(word) > 1:
            current = None
        elif current and expanded[-1] != current and not _is_file(word):
            expanded.append(current)
        expanded.append(word)
    return expanded


def _is_file(word: str) -> bool:
    try:
        return Path(word).is_file()
    except (OSError, ValueError):  # longer than a file name may be, or with a NUL: no file
        return False
