"""Prompts per class from a JSON file: `{"pizza": ["a round flatbread with ...", ...], ...}`.

Source: the files of CuPL (Pratt et al. 2023, arXiv:2209.03320; repository sarahpratt/CuPL).
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import NoReturn

from clipeval.errors import PromptError, did_you_mean

MAX_BYTES = 50_000_000

_EXAMPLE = '{"pizza": ["a photo of a pizza with melted cheese"], "ramen": ["..."]}'


def load_class_prompts(path: Path) -> Mapping[str, tuple[str, ...]]:
    """Read prompts per class.

    Args:
        path: a JSON object in UTF-8, at most 50 MB: class name or key -> list of full prompts.
    Returns:
        The prompts as they stand in the file, in its order, repeats included.
    Raises:
        PromptError: the file cannot be read, is not such an object, names a class twice, or has an
            entry that is not a non-empty list of non-empty strings.
    """
    text = _read(path)
    try:
        content = json.loads(text, object_pairs_hook=_Pairs)
    except json.JSONDecodeError as error:
        _refuse(f"{path}:{error.lineno}:{error.colno}", f"not JSON: {error.msg}")
    except (ValueError, RecursionError) as error:
        _refuse(str(path), f"not usable JSON: {error}")
    if not isinstance(content, _Pairs):
        _refuse(str(path), f"got {_kind(content)} at the top")
    if not content:
        _refuse(str(path), "the object is empty")
    prompts: dict[str, tuple[str, ...]] = {}
    for name, entries in content:
        at = f"{path}: class '{_printable(name)}'"
        if name in prompts:
            raise PromptError(f"{at} is there twice; merge the two lists of prompts")
        _check_text(name, at, "the class name")
        prompts[name] = _prompts(entries, at)
    return prompts


class _Pairs(list[tuple[str, object]]):
    """A JSON object with its keys in order and repeats kept."""


def _read(path: Path) -> str:
    try:
        if not path.is_file():
            raise PromptError(
                f"{path}: {_absence(path)}; expected a JSON file of prompts per class"
            )
        with path.open("rb") as file:
            content = file.read(MAX_BYTES + 1)
    except OSError as error:
        raise PromptError(f"{path}: cannot be read: {error.strerror}") from error
    if len(content) > MAX_BYTES:
        raise PromptError(
            f"{path}: larger than {MAX_BYTES // 1_000_000} MB, which no file of prompts should be; "
            "keep the classes of this data set only"
        )
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise PromptError(
            f"{path}:{line}: not UTF-8 (byte 0x{content[error.start]:02x} at offset "
            f"{error.start}); save the file as UTF-8"
        ) from error
    if not text.strip():
        _refuse(str(path), "the file is empty")
    return text


def _absence(path: Path) -> str:
    if path.exists():
        return "not a file"
    siblings = [entry.name for entry in path.parent.iterdir()] if path.parent.is_dir() else []
    return f"no such file{did_you_mean(path.name, siblings)}"


def _prompts(entries: object, at: str) -> tuple[str, ...]:
    if isinstance(entries, str):
        raise PromptError(f"{at}: got one string, expected a list of prompts; put it in [ ]")
    if isinstance(entries, _Pairs) or not isinstance(entries, list):
        raise PromptError(f"{at}: got {_kind(entries)}, expected a list of prompts")
    if not entries:
        raise PromptError(f"{at}: the list is empty; give at least one prompt, or remove the class")
    return tuple(
        _check_text(entry, at, f"prompt {position}")
        for position, entry in enumerate(entries, start=1)
    )


def _check_text(value: object, at: str, what: str) -> str:
    """Return the value if it is text that can be encoded."""
    if not isinstance(value, str):
        raise PromptError(f"{at}, {what}: got {_kind(value)}, expected a string")
    if not value.strip():
        raise PromptError(f"{at}, {what}: empty; write a text, or remove it")
    if value != _printable(value):
        raise PromptError(
            f"{at}, {what}: half of a surrogate pair (\\ud800 to \\udfff), which is no character"
        )
    return value


def _printable(text: str) -> str:
    return text.encode("utf-8", "backslashreplace").decode("utf-8")


def _kind(value: object) -> str:
    if isinstance(value, _Pairs):
        return "an object"
    if isinstance(value, list):
        return "a list"
    if isinstance(value, str):
        return "a string"
    return json.dumps(value)


def _refuse(at: str, what: str) -> NoReturn:
    raise PromptError(f"{at}: {what}; expected an object of lists of prompts, like {_EXAMPLE}")
