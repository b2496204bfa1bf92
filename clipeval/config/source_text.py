"""From a file's bytes to text: its size, its encoding, and no bytes that are not text."""

from __future__ import annotations

import codecs
from pathlib import Path

from clipeval.config.problems import Mark, ProblemList
from clipeval.errors import ConfigError, did_you_mean

MAX_BYTES = 1_000_000
"""Largest suite or catalogue; a larger file is something else under the wrong name."""

_FOREIGN_MARKS = (
    (codecs.BOM_UTF32_LE, "UTF-32"),
    (codecs.BOM_UTF32_BE, "UTF-32"),
    (codecs.BOM_UTF16_LE, "UTF-16"),
    (codecs.BOM_UTF16_BE, "UTF-16"),
    (codecs.BOM_UTF8, "UTF-8 with a byte order mark"),
)


def read_bytes(path: Path, *, max_bytes: int = MAX_BYTES) -> bytes:
    """Read a small regular file.

    Raises:
        ConfigError: it is missing, not a file, unreadable, or larger than `max_bytes`.
    """
    try:
        if not path.exists():
            raise ConfigError(f"{path}: no such file{_near_file(path)}")
        if not path.is_file():
            raise ConfigError(f"{path}: not a file; expected a text file")
        with path.open("rb") as stream:
            raw = stream.read(max_bytes + 1)
        if len(raw) > max_bytes:
            n_bytes = max(path.stat().st_size, len(raw))
            raise ConfigError(
                f"{path}: the file is too large; got {n_bytes / 1e6:.1f} MB, "
                f"expected at most {max_bytes / 1e6:g} MB of text"
            )
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else str(error)
        raise ConfigError(f"{path}: cannot be read: {reason}") from error
    return raw


def decode(raw: bytes, *, label: str) -> str:
    """Decode UTF-8 without byte order mark or NUL.

    Raises:
        ConfigError: the bytes are in another encoding, or not text; the first bad byte is located.
    """
    problems = ProblemList(label)
    for mark_bytes, encoding in _FOREIGN_MARKS:
        if raw.startswith(mark_bytes):
            raise problems.fatal(
                Mark(1, 1),
                f"the file is {encoding}; expected plain UTF-8: save it as 'UTF-8' without BOM",
            )
    if (nul := raw.find(b"\0")) >= 0:
        raise problems.fatal(
            _mark_of_byte(raw, nul),
            "the file holds a NUL byte; expected UTF-8 text (is it binary, or UTF-16?)",
        )
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError as error:
        raise problems.fatal(
            _mark_of_byte(raw, error.start),
            f"not UTF-8; got byte 0x{raw[error.start]:02x}, "
            "expected UTF-8 text: save the file as UTF-8 (it may be Latin-1)",
        ) from None


def _mark_of_byte(raw: bytes, offset: int) -> Mark:
    line_start = raw.rfind(b"\n", 0, offset) + 1
    column = len(raw[line_start:offset].decode("utf-8", errors="replace")) + 1
    return Mark(raw.count(b"\n", 0, offset) + 1, column)


def _near_file(path: Path) -> str:
    try:
        siblings = {entry.name: entry for entry in path.parent.iterdir()}
    except OSError:
        return ""
    return did_you_mean(path.name, siblings)
