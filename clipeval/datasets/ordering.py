"""Names and order of samples that are the same on every machine and file system."""

from __future__ import annotations

import os
import re
import unicodedata
from pathlib import PurePath

_NUMBER = re.compile("([0-9]+)")

NaturalKey = tuple[tuple[str | tuple[int, str], ...], ...]


def natural_key(text: str) -> tuple[NaturalKey, str]:
    """Return a sort key by which `img2` comes before `img10`, folder by folder."""
    parts = tuple(tuple(_pieces(part)) for part in text.split("/"))
    return parts, text


def _pieces(part: str) -> list[str | tuple[int, str]]:
    # Text and numbers alternate, so that only like is compared with like. A number is compared by
    # its length and digits because int() refuses more than 4300 digits.
    pieces: list[str | tuple[int, str]] = list(_NUMBER.split(part))
    for index in range(1, len(pieces), 2):
        digits = str(pieces[index]).lstrip("0")
        pieces[index] = (len(digits), digits)
    return pieces


def portable_text(text: str) -> str:
    r"""Return text from the file system as plain Unicode in NFC.

    macOS may hand out decomposed names (NFD), and names on Linux may not be UTF-8 at all; those
    bytes are written out as `\xNN`, so that the text fits into JSON and Parquet.
    """
    readable = os.fsencode(text).decode("utf-8", errors="backslashreplace")
    return unicodedata.normalize("NFC", readable)


def portable_path(relative: PurePath) -> str:
    """Return a relative path in POSIX form as portable text."""
    return portable_text(relative.as_posix())
