"""Files that are either whole or not there."""

from __future__ import annotations

import contextlib
import os
import secrets
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from clipeval.errors import StoreError

TEMP_SUFFIX = ".clipeval-tmp"
"""Ends the name of a file that is being written; one that a killed process left may be deleted."""


@contextmanager
def replacing(path: Path) -> Iterator[BinaryIO]:
    """Open a temporary file beside `path` that takes its place, whole, when the block ends.

    The content is on the disk before the name changes, so that not even a power cut leaves a file
    with the right name and half the content. If the block raises, `path` stays as it was.

    Raises:
        StoreError: the file cannot be written.
    """
    # Not tempfile.mkstemp: its files are readable by their owner only, whatever the umask says.
    # Not derived from `path`: the name may already be as long as the file system allows.
    temporary = path.parent / f".{secrets.token_hex(8)}{TEMP_SUFFIX}"
    with reporting_os_errors(f"cannot write {path}"):
        try:
            with temporary.open("xb") as file:
                yield file
                file.flush()
                os.fsync(file.fileno())
            os.replace(temporary, path)  # noqa: PTH105 (the call that guarantees atomicity, by its name)
        except BaseException:
            with contextlib.suppress(OSError):
                temporary.unlink()
            raise
        sync_folder(path.parent)


def write_bytes(path: Path, content: bytes) -> None:
    """Write a whole file, or leave the one that is there.

    Raises:
        StoreError: the file cannot be written.
    """
    with replacing(path) as file:
        file.write(content)


def sync_folder(folder: Path) -> None:
    """Make name changes in a folder durable, where the platform can."""
    if sys.platform == "win32":
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def reporting_os_errors(what: str) -> Iterator[None]:
    """Turn an OSError into a StoreError that starts with `what`."""
    try:
        yield
    except OSError as error:
        raise StoreError(f"{what}: {error.strerror or error}") from error
