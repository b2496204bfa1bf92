"""How long work tells whoever watches how far it is."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Protocol

Advance = Callable[[int], None]


class Progress(Protocol):
    """Shows stages of work; the command line draws bars, tests and libraries stay silent."""

    def stage(self, description: str, *, total: int, unit: str) -> AbstractContextManager[Advance]:
        """Open a stage of `total` units; call what it yields with the number of units just done."""


class SilentProgress:
    """A Progress that shows nothing."""

    @contextmanager
    def stage(self, description: str, *, total: int, unit: str) -> Iterator[Advance]:  # noqa: ARG002
        """See Progress.stage."""
        yield lambda _n_done: None
