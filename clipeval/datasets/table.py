"""The `table` source: a CSV or Parquet file that names images and their labels."""

from __future__ import annotations

import csv
import io
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePath, PurePosixPath, PureWindowsPath

import pyarrow as pa
import pyarrow.parquet as pq

from clipeval.datasets.collection import FileImages, Listing
from clipeval.datasets.ordering import natural_key, portable_path
from clipeval.datasets.presence import path_fault
from clipeval.datasets.selection import listed, spec_place
from clipeval.errors import DatasetError, did_you_mean
from clipeval.records import ClassLabel, DatasetSpec, Sample, TableSource

REQUIRED_COLUMNS = ("image", "label")
OPTIONAL_COLUMNS = ("id", "group")

_MAX_PROBLEMS = 10
_URL = re.compile(r"[a-zA-Z][a-zA-Z0-9+.-]+://")


@dataclass(frozen=True, slots=True)
class _Row:
    place: str
    """`labels.csv:7` or `labels.parquet: row 7`."""
    image: str
    label: str
    id: str
    group: str
    """Empty if there is none, as is `id`."""

    @property
    def sample_id(self) -> str:
        return self.id or portable_path(PurePath(self.image))

    def path(self, root: Path) -> str:
        """Return the image as other machines may read it: never an absolute path.

        That is relative to the root, or only the file's name if it does not lie below the root.
        """
        if not _is_absolute(self.image):
            return portable_path(PurePath(self.image))
        image = Path(os.path.normpath(self.image))
        if image.is_relative_to(root):
            return portable_path(image.relative_to(root))
        # A path of Windows is one long name elsewhere.
        return portable_path(PurePath(PureWindowsPath(image).name))


def list_table(spec: DatasetSpec, source: TableSource) -> Listing:
    """List the rows of a table; classes are the labels in natural order.

    Sample ids are the `id` column if there is one, else the image's path relative to the root.

    Raises:
        DatasetError: the file is missing or is no table, a column is missing, or rows are wrong
            (the first ten are named, all are counted).
    """
    rows = _read_rows(spec, source.table)
    if not rows:
        raise DatasetError(f"{spec_place(spec)}: {source.table} has a header but no rows.")
    _refuse_bad_rows(spec, rows)
    if fault := path_fault(source.root, expected="folder"):
        raise DatasetError(
            f"{spec_place(spec)}: the folder {source.root}, which the column 'image' is relative "
            f"to, {fault}. Correct `root`."
        )
    # Names of files from outside the root may be the same; ids are not.
    listed_rows = sorted(
        ((row.path(source.root), row) for row in rows),
        key=lambda shown: (natural_key(shown[0]), shown[1].sample_id),
    )
    labels = sorted({row.label for row in rows}, key=natural_key)
    label_of = {key: index for index, key in enumerate(labels)}
    return Listing(
        source=f"table:{source.table.name}",
        classes=tuple(ClassLabel(key, (key,)) for key in labels),
        samples=tuple(
            Sample(row.sample_id, path, label_of[row.label], row.group or None)
            for path, row in listed_rows
        ),
        images=FileImages(tuple(source.root / row.image for _, row in listed_rows)),
    )


def count_rows(spec: DatasetSpec, source: TableSource) -> tuple[int, int]:
    """Return the number of rows and of distinct labels, without looking at any image.

    Raises:
        DatasetError: as list_table does for the file and its columns.
    """
    rows = _read_rows(spec, source.table)
    return len(rows), len({row.label for row in rows})


def _read_rows(spec: DatasetSpec, table: Path) -> list[_Row]:
    if fault := path_fault(table, expected="file"):
        raise DatasetError(f"{spec_place(spec)}: table {table} {fault}. Correct `path`.")
    suffix = table.suffix.lower()
    if suffix == ".csv":
        return list(_csv_rows(spec, table))
    if suffix == ".parquet":
        return list(_parquet_rows(spec, table))
    raise DatasetError(
        f"{spec_place(spec)}: table {table} has the ending '{table.suffix}'; "
        "allowed: .csv, .parquet."
    )


def _csv_rows(spec: DatasetSpec, table: Path) -> Iterator[_Row]:
    try:
        text = table.read_bytes().decode("utf-8-sig")
    except OSError as error:
        raise DatasetError(
            f"{spec_place(spec)}: {table} cannot be read: {error.strerror or error}."
        ) from error
    except UnicodeDecodeError as error:
        raise DatasetError(
            f"{spec_place(spec)}: {table} is not UTF-8 (byte {error.start}); save it as UTF-8."
        ) from error
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    try:
        header = next(reader, [])
        _check_columns(spec, table, header)
        for cells in reader:
            if cells:  # an empty line is no row
                yield _csv_row(spec, table, reader.line_num, header, cells)
    except csv.Error as error:
        raise DatasetError(f"{spec_place(spec)}: {table}:{reader.line_num}: {error}.") from error


def _csv_row(
    spec: DatasetSpec, table: Path, line: int, header: Sequence[str], cells: Sequence[str]
) -> _Row:
    if len(cells) != len(header):
        raise DatasetError(
            f"{spec_place(spec)}: {table}:{line}: {len(cells)} cells, but the header has "
            f"{len(header)} columns; put cells that contain a comma in double quotes."
        )
    return _row(f"{table.name}:{line}", dict(zip(header, cells, strict=True)))


def _parquet_rows(spec: DatasetSpec, table: Path) -> Iterator[_Row]:
    try:
        schema = pq.read_schema(table)
        _check_columns(spec, table, schema.names)
        wanted = [name for name in (*REQUIRED_COLUMNS, *OPTIONAL_COLUMNS) if name in schema.names]
        _check_types(spec, table, schema, wanted)
        columns = pq.read_table(table, columns=wanted)
    except (pa.ArrowException, OSError) as error:
        raise DatasetError(
            f"{spec_place(spec)}: {table} cannot be read as Parquet: {error}."
        ) from error
    for number, values in enumerate(columns.to_pylist(), start=1):
        cells = {name: "" if value is None else str(value) for name, value in values.items()}
        yield _row(f"{table.name}: row {number}", cells)


def _check_types(spec: DatasetSpec, table: Path, schema: pa.Schema, wanted: Sequence[str]) -> None:
    for name in wanted:
        kind = schema.field(name).type
        kind = kind.value_type if pa.types.is_dictionary(kind) else kind
        text = pa.types.is_string(kind) or pa.types.is_large_string(kind)
        if not text and (name == "image" or not pa.types.is_integer(kind)):
            allowed = "text (paths of files)" if name == "image" else "text or integers"
            raise DatasetError(
                f"{spec_place(spec)}: {table}: column '{name}' holds {kind}; expected {allowed}."
            )


def _row(place: str, cells: Mapping[str, str]) -> _Row:
    return _Row(place, cells["image"], cells["label"], cells.get("id", ""), cells.get("group", ""))


def _check_columns(spec: DatasetSpec, table: Path, header: Sequence[str]) -> None:
    if not header:
        raise DatasetError(
            f"{spec_place(spec)}: {table} is empty; expected the columns image, label[, id, group]."
        )
    twice = sorted({name for name in header if header.count(name) > 1})
    if twice:
        raise DatasetError(f"{spec_place(spec)}: {table}:1: columns appear twice: {listed(twice)}.")
    for name in REQUIRED_COLUMNS:
        if name not in header:
            raise DatasetError(
                f"{spec_place(spec)}: {table}:1: no column '{name}'{did_you_mean(name, header)}; "
                f"found: {listed(header)}. Expected columns image, label[, id, group], separated "
                "by commas."
            )


def _refuse_bad_rows(spec: DatasetSpec, rows: Sequence[_Row]) -> None:
    problems = list(_problems(rows))
    if problems:
        shown = "".join(f"\n  {problem}" for problem in problems[:_MAX_PROBLEMS])
        more = len(problems) - _MAX_PROBLEMS
        tail = f"\n  and {more} more" if more > 0 else ""
        raise DatasetError(
            f"{spec_place(spec)}: {len(problems)} of {len(rows)} rows cannot be used:{shown}{tail}"
        )


def _problems(rows: Sequence[_Row]) -> Iterator[str]:
    has_ids = any(row.id for row in rows)
    first_with: dict[str, str] = {}
    for row in rows:
        problem = _row_problem(row, has_ids=has_ids)
        if problem:
            yield f"{row.place}: {problem}"
            continue
        first = first_with.setdefault(row.sample_id, row.place)
        if first != row.place:
            yield f"{row.place}: id '{row.sample_id}' is already used by {first}"


def _row_problem(row: _Row, *, has_ids: bool) -> str:
    """Return what is wrong with a row, or an empty string."""
    if not row.image or not row.label.strip():
        return "no image" if not row.image else "no label"
    if row.label != row.label.strip():
        return f"label '{row.label}' begins or ends with a space"
    if _URL.match(row.image):
        return f"image '{row.image}' is an address; only files are read"
    if has_ids and not row.id:
        return "no id, though other rows have one"
    if not has_ids and _is_absolute(row.image):
        return (
            f"image '{row.image}' is an absolute path, which differs between machines; "
            "make it relative, or add a column 'id'"
        )
    return ""


def _is_absolute(image: str) -> bool:
    return PurePosixPath(image).is_absolute() or PureWindowsPath(image).is_absolute()
