"""How places, lists and near misses are written in the messages of this package."""

from __future__ import annotations

from collections.abc import Sequence

SHOWN = 5


def place(where: str) -> str:
    """Return `where: ` to put in front of a message, or nothing if there is no place to name."""
    return f"{where}: " if where else ""


def listing(items: Sequence[str], *, shown: int = SHOWN) -> str:
    """Return the first items, comma-separated, and how many more there are."""
    rest = len(items) - shown
    head = ", ".join(items[:shown])
    return f"{head} and {rest} more" if rest > 0 else head
