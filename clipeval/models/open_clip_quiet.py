"""Keeps the log lines and warnings of open_clip and of the hub's client away from the user."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import open_clip

_FOLDER = Path(open_clip.__file__).parent


@contextmanager
def quiet_open_clip() -> Iterator[None]:
    """Drop what open_clip logs, and what it and its libraries warn of, while the block runs.

    It logs through the root logger's module-level functions, which install a handler on stderr
    when there is none, and it says "initialized randomly" of every model whose weights are filled
    in afterwards, as they are here. What matters of it clipeval raises or says itself.
    """
    root = logging.getLogger()
    handler = logging.NullHandler()
    root.addHandler(handler)
    root.addFilter(_is_not_from_open_clip)
    try:
        with quiet_hub(), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        root.removeFilter(_is_not_from_open_clip)
        root.removeHandler(handler)


@contextmanager
def quiet_hub() -> Iterator[None]:
    """Drop what the hub's client logs while the block runs; its progress bars stay.

    It says each retry on a handler of its own. What comes of them clipeval says itself.
    """
    logger = logging.getLogger("huggingface_hub")
    before = logger.level
    logger.setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        logger.setLevel(before)


def _is_not_from_open_clip(record: logging.LogRecord) -> bool:
    return _FOLDER not in Path(record.pathname).parents
