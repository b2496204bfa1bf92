"""run.json: the record of a run as text, and back."""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, NoReturn, TypeVar

from pydantic import TypeAdapter, ValidationError

from clipeval.errors import StoreError
from clipeval.records import CellResult, RunRecord
from clipeval.records.results import SCHEMA_VERSION
from clipeval.store.atomic import reporting_os_errors
from clipeval.store.consistency import check_run
from clipeval.store.names import RUN_JSON, encodable

Record = TypeVar("Record")
RUN = TypeAdapter(RunRecord)
CELL = TypeAdapter(CellResult)
_ENCODER = json.JSONEncoder(ensure_ascii=False, allow_nan=False)
"""json.dumps makes one anew on every call that says so."""
_NO_CELLS = '\n  "cells": []'
MAX_PROBLEMS = 3
"""Problems that one message lists."""
MAX_SHOWN = 60
"""Characters of a wrong value that a message repeats."""


def dump_run(record: RunRecord) -> str:
    r"""Return run.json as text: fields in the order of the record, an array of numbers on one line.

    Numbers are written so that reading gives the same ones, and text is kept as it is, except for
    lone surrogates (file names that are not text), which become `\udcff` spelled out.

    Raises:
        StoreError: a number is not finite, a value is of a type that JSON does not have, or the
            record contradicts itself.
    """
    check_run(record, where=RUN_JSON)
    return dump_record(record)


def join_run(record: RunRecord, cells: Iterable[str]) -> Iterator[str]:
    """Yield the text of a record piece by piece, from cells whose text is already known.

    Args:
        record: all but its cells, which must be empty.
        cells: the text of each, as dump_record gives it.
    Yields:
        Pieces of what dump_run would return for the record with these cells.
    Raises:
        StoreError: as dump_run.
    """
    # No text in JSON holds a bare line end, so this is the field, and indenting is safe.
    before, field, after = dump_run(record).partition(_NO_CELLS)
    if not field:
        raise StoreError(f"{RUN_JSON}: join_run got a record with cells; expected none")
    separator = '\n  "cells": ['
    for cell in cells:
        yield before + separator + "\n    " + cell.rstrip("\n").replace("\n", "\n    ")
        before, separator, field = "", ",", "\n  ]"
    yield before + field + after


def dump_record(record: object) -> str:
    """Return a frozen record as text, without a check that it agrees with itself.

    Raises:
        StoreError: a number is not finite, or a value is of a type that JSON does not have.
    """
    return _render(_plain(record, "$"), "") + "\n"


def read_run(path: Path) -> RunRecord:
    """Read the record of a run.

    Args:
        path: a run folder, or its run.json.
    Raises:
        StoreError: missing, not JSON, cut off, of another schema version, or wrong in content.
    """
    file = path / RUN_JSON if path.is_dir() else path
    if not file.exists():
        raise StoreError(
            f"{file}: no such file; expected a run folder of `clipeval run`, or its run.json"
        )
    text = read_text(file)
    loaded = load_json(text, where=str(file))
    _check_version(loaded, where=str(file))
    record = validated(RUN, text, where=str(file))
    check_run(record, where=str(file))
    return record


def read_cell(path: Path) -> CellResult:
    """Read the record of one cell, as dump_record wrote it.

    Raises:
        StoreError: missing, truncated, or not the record of a cell.
    """
    text = read_text(path)
    load_json(text, where=str(path))
    return validated(CELL, text, where=str(path))


def read_text(path: Path) -> str:
    """Return a UTF-8 file.

    Raises:
        StoreError: the file cannot be read, or is not UTF-8.
    """
    with reporting_os_errors(f"cannot read {path}"):
        content = path.read_bytes()
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError as error:
        raise StoreError(
            f"{path}: byte {error.start} is not UTF-8; expected JSON in UTF-8"
        ) from error


def load_json(text: str, *, where: str) -> object:
    """Parse JSON as the standard has it: NaN, Infinity and numbers beyond a double are refused.

    Raises:
        StoreError: not JSON, naming line and column.
    """

    def refuse(token: str) -> NoReturn:
        raise StoreError(
            f"{where}: holds the number {token[:MAX_SHOWN]}, which is not finite; "
            "expected null or a finite number"
        )

    def finite(token: str) -> float:
        return number if math.isfinite(number := float(token)) else refuse(token)

    try:
        loaded: object = json.loads(text, parse_constant=refuse, parse_float=finite)
    except json.JSONDecodeError as error:
        rest = text[error.pos :].strip()
        hint = "" if rest else " (the file ends too early: it was cut off)"
        raise StoreError(
            f"{where}:{error.lineno}:{error.colno}: not JSON: {error.msg}{hint}; "
            "expected a file as clipeval wrote it"
        ) from error
    except (RecursionError, ValueError) as error:
        # Integers beyond 4300 digits raise a plain ValueError.
        raise StoreError(f"{where}: not a file of clipeval: {error}") from error
    return loaded


def _check_version(loaded: object, *, where: str) -> None:
    if not isinstance(loaded, dict):
        raise StoreError(
            f"{where}: holds {_kind(loaded)}; expected the object that `clipeval run` writes"
        )
    if "schema_version" not in loaded:
        raise StoreError(
            f"{where}: schema_version is missing; expected {SCHEMA_VERSION}: "
            "this is not a run.json of clipeval"
        )
    version = loaded["schema_version"]
    if type(version) is not int:
        raise StoreError(
            f"{where}: schema_version is {_shown(version)}; expected the number {SCHEMA_VERSION}"
        )
    if version > SCHEMA_VERSION:
        raise StoreError(
            f"{where}: schema_version is {version}, and this clipeval reads {SCHEMA_VERSION}: "
            "it was written by a newer clipeval; upgrade with `pip install -U clipeval`"
        )
    if version < SCHEMA_VERSION:
        raise StoreError(
            f"{where}: schema_version is {version}, and this clipeval reads {SCHEMA_VERSION}: "
            "it was written by an older clipeval; run the suite again"
        )


def validated(adapter: TypeAdapter[Record], text: str, *, where: str) -> Record:
    """Build a record, or say what is wrong with the first few fields."""
    try:
        return adapter.validate_json(text, strict=True)
    except ValidationError as error:
        problems = [
            f"{_place(problem['loc'])}: {problem['msg']}, got {_shown(problem['input'])}"
            for problem in error.errors(include_url=False)
        ]
    shown = "; ".join(problems[:MAX_PROBLEMS])
    more = f"; and {len(problems) - MAX_PROBLEMS} more" if len(problems) > MAX_PROBLEMS else ""
    raise StoreError(f"{where}: not as `clipeval run` writes it: {shown}{more}")


def _place(location: tuple[int | str, ...]) -> str:
    place = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in location)
    return place.lstrip(".") or "the whole file"


def _shown(value: object) -> str:
    """Return a wrong value on one line, cut to a readable length."""
    if isinstance(value, dict | list):
        return _kind(value)
    text = json.dumps(value, default=repr)
    return text if len(text) <= MAX_SHOWN else text[:MAX_SHOWN] + "..."


def _kind(value: object) -> str:
    kinds = {dict: "an object", list: "an array", str: "a string", bool: "a boolean"}
    return kinds.get(type(value), "null" if value is None else "a number")


def _render(value: Any, indent: str) -> str:  # noqa: ANN401 (JSON has no narrower type)
    """Indent by two, with an array of numbers on one line: a matrix row is one line of a diff."""
    if isinstance(value, dict) and value:
        items = [f"{_scalar(key)}: {_render(item, indent + '  ')}" for key, item in value.items()]
        return _block("{", items, "}", indent)
    if isinstance(value, list) and value and {type(item) for item in value} - {int, float}:
        return _block("[", [_render(item, indent + "  ") for item in value], "]", indent)
    return _scalar(value)


def _block(opening: str, items: list[str], closing: str, indent: str) -> str:
    lines = ",\n".join(f"{indent}  {item}" for item in items)
    return f"{opening}\n{lines}\n{indent}{closing}"


def _scalar(value: object) -> str:
    return _ENCODER.encode(value)


def _is_row_of_counts(value: object) -> bool:
    """Tell rows of confusion matrices, which are most of a record, from what has to be looked into."""
    return isinstance(value, tuple) and set(map(type, value)) == {int}


def _plain(value: object, place: str) -> Any:  # noqa: ANN401 (JSON has no narrower type)
    """Turn a record into what the json module writes, naming the place of what cannot be."""
    if value is None or isinstance(value, bool | int) or _is_row_of_counts(value):
        return value
    if isinstance(value, str):
        return encodable(value)
    if isinstance(value, float):
        if not math.isfinite(value):
            raise StoreError(
                f"run.json: {place} is {value}; JSON has finite numbers only, "
                "and a value that does not exist is None"
            )
        return float(value)
    if isinstance(value, tuple | list):
        return [_plain(item, f"{place}[{index}]") for index, item in enumerate(value)]
    if isinstance(value, Mapping):
        return {encodable(str(key)): _plain(item, f"{place}.{key}") for key, item in value.items()}
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {
            field.name: _plain(getattr(value, field.name), f"{place}.{field.name}")
            for field in dataclasses.fields(value)
        }
    raise StoreError(
        f"run.json: {place} is of type {type(value).__name__}, which JSON does not have"
    )
