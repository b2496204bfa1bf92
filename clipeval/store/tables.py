"""predictions.parquet and thumbnails.parquet: what was said about each image, and how it looks."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from clipeval.errors import StoreError, did_you_mean
from clipeval.records import CONTENT_DIGITS, Predictions, Thumbnail
from clipeval.store.atomic import replacing
from clipeval.store.names import PREDICTIONS, RUN_JSON, THUMBNAILS, encodable

PREDICTIONS_SCHEMA = pa.schema(
    [
        pa.field("cell", pa.string(), nullable=False),
        pa.field("sample_id", pa.string(), nullable=False),
        pa.field("path", pa.string(), nullable=False),
        pa.field("group", pa.string()),
        pa.field("content", pa.string(), nullable=False),
        pa.field("label", pa.int64(), nullable=False),
        pa.field("predicted", pa.int64(), nullable=False),
        pa.field("correct", pa.bool_(), nullable=False),
        pa.field("confidence", pa.float32(), nullable=False),
        pa.field("top5", pa.list_(pa.int64()), nullable=False),
        pa.field("top5_scores", pa.list_(pa.float32()), nullable=False),
    ]
)
_CONTENT = f"^[0-9a-f]{{{CONTENT_DIGITS}}}$"
THUMBNAILS_SCHEMA = pa.schema(
    [
        pa.field("dataset", pa.string(), nullable=False),
        pa.field("sample_id", pa.string(), nullable=False),
        pa.field("webp", pa.binary(), nullable=False),
    ]
)


def write_predictions(path: Path, cells: Iterable[Predictions]) -> None:
    """Write one row group per cell, holding one cell in memory at a time.

    Raises:
        StoreError: arrays of a cell do not fit each other, or the file cannot be written.
    """
    with replacing(path) as file, pq.ParquetWriter(file, PREDICTIONS_SCHEMA) as writer:
        for predictions in cells:
            table = _predictions_table(predictions)
            writer.write_table(table, row_group_size=max(1, table.num_rows))


def read_predictions(path: Path, cell: str | None = None) -> tuple[Predictions, ...]:
    """Read what was said about each image, cell by cell in the order of the file.

    Args:
        path: a run folder, its run.json, or a predictions.parquet.
        cell: the id of the only cell to read.
    Raises:
        StoreError: missing, truncated or not of clipeval, or there is no such cell.
    """
    file = _table_file(path, PREDICTIONS)
    found: list[Predictions] = []
    names: list[str] = []
    with _open_table(file, PREDICTIONS_SCHEMA) as table:
        for group in range(table.num_row_groups):
            names.append(_cell_of(table, group, file))
            if cell is None or names[-1] == cell:
                found.append(_predictions(table.read_row_group(group), names[-1], file))
    if cell is not None and not found:
        raise StoreError(
            f"{file}: has no cell '{cell}'{did_you_mean(cell, names)}; "
            f"available: {', '.join(names)}"
        )
    return tuple(found)


def write_thumbnails(path: Path, thumbnails: Iterable[Thumbnail]) -> None:
    """Write thumbnails, the first of each image.

    Raises:
        StoreError: the file cannot be written.
    """
    distinct: dict[tuple[str, str], Thumbnail] = {}
    for thumbnail in thumbnails:
        distinct.setdefault((thumbnail.dataset, thumbnail.sample_id), thumbnail)
    table = pa.table(
        {
            "dataset": [encodable(one.dataset) for one in distinct.values()],
            "sample_id": [encodable(one.sample_id) for one in distinct.values()],
            "webp": [one.webp for one in distinct.values()],
        },
        schema=THUMBNAILS_SCHEMA,
    )
    with replacing(path) as file:
        pq.write_table(table, file)


def read_thumbnails(path: Path) -> tuple[Thumbnail, ...]:
    """Read the thumbnails of a run.

    Args:
        path: a run folder, its run.json, or a thumbnails.parquet.
    Raises:
        StoreError: missing, truncated or not of clipeval.
    """
    file = _table_file(path, THUMBNAILS)
    with _open_table(file, THUMBNAILS_SCHEMA) as table:
        rows = table.read().to_pylist()
    return tuple(Thumbnail(**row) for row in rows)


def _predictions_table(predictions: Predictions) -> pa.Table:
    _check_arrays(predictions)
    n_images = len(predictions.sample_ids)
    columns = [
        pa.array([encodable(predictions.cell)] * n_images, pa.string()),
        pa.array([encodable(text) for text in predictions.sample_ids], pa.string()),
        pa.array([encodable(text) for text in predictions.paths], pa.string()),
        pa.array([g if g is None else encodable(g) for g in predictions.groups], pa.string()),
        pa.array(predictions.contents, pa.string()),
        pa.array(predictions.labels),
        pa.array(predictions.predicted),
        pa.array(predictions.predicted == predictions.labels),
        pa.array(predictions.confidence),
        _list_array(predictions.top5),
        _list_array(predictions.top5_scores),
    ]
    return pa.Table.from_arrays(columns, schema=PREDICTIONS_SCHEMA)


def _check_arrays(predictions: Predictions) -> None:
    n_images = len(predictions.sample_ids)
    where = f"predictions of cell '{predictions.cell}'"
    for name, dtype, n_axes in (
        ("labels", np.int64, 1),
        ("predicted", np.int64, 1),
        ("confidence", np.float32, 1),
        ("top5", np.int64, 2),
        ("top5_scores", np.float32, 2),
    ):
        array = getattr(predictions, name)
        if array.dtype != dtype or array.ndim != n_axes:
            raise StoreError(
                f"{where}: {name} is {array.dtype} with {array.ndim} axes; "
                f"expected {np.dtype(dtype)} with {n_axes}"
            )
        if not np.isfinite(array).all():
            raise StoreError(f"{where}: {name} holds values that are not finite")
    lengths = {
        name: len(getattr(predictions, name))
        for name in (
            *("paths", "groups", "contents"),
            *("labels", "predicted", "confidence", "top5", "top5_scores"),
        )
    }
    if wrong := [f"{name} has {n}" for name, n in lengths.items() if n != n_images]:
        raise StoreError(f"{where}: {n_images} sample_ids, but {', '.join(wrong)}")
    if predictions.top5.shape != predictions.top5_scores.shape:
        raise StoreError(
            f"{where}: top5 is {predictions.top5.shape}, "
            f"but top5_scores {predictions.top5_scores.shape}"
        )


def _list_array(values: npt.NDArray[np.int64] | npt.NDArray[np.float32]) -> pa.Array:
    """Turn (N, K) into N lists of length K."""
    n_rows, width = values.shape
    offsets = np.arange(n_rows + 1, dtype=np.int32) * np.int32(width)
    return pa.ListArray.from_arrays(pa.array(offsets), pa.array(np.ravel(values)))


def _table_file(path: Path, name: str) -> Path:
    """Find a table in a run folder, beside a run.json, or where the path says."""
    folder = path.parent if path.name == RUN_JSON else path
    file = folder / name if folder.is_dir() else path
    if not file.exists():
        raise StoreError(
            f"{file}: no such file; a run folder has it once the run has ended: "
            f"see status in its {RUN_JSON}"
        )
    return file


@contextmanager
def _open_table(file: Path, schema: pa.Schema) -> Iterator[pq.ParquetFile]:
    """Open a Parquet file with the columns of `schema`; more columns are ignored."""
    try:
        with pq.ParquetFile(file) as table:
            _check_columns(table.schema_arrow, schema, file)
            yield table
    except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
        reason = str(error).partition("\n")[0]
        raise StoreError(
            f"{file}: cannot be read as Parquet ({reason}); "
            "expected the file that `clipeval run` wrote: it was cut off or changed"
        ) from error


def _check_columns(got: pa.Schema, expected: pa.Schema, file: Path) -> None:
    for field in expected:
        index = got.get_field_index(field.name)
        if index < 0:
            raise StoreError(
                f"{file}: has no column '{field.name}'; expected {', '.join(expected.names)}"
            )
        if got.field(index).type != field.type:
            raise StoreError(
                f"{file}: column '{field.name}' is {got.field(index).type}; expected {field.type}"
            )


def _cell_of(table: pq.ParquetFile, group: int, file: Path) -> str:
    cells: Sequence[str] = (
        table.read_row_group(group, columns=["cell"])["cell"].unique().to_pylist()
    )
    if len(cells) != 1:
        raise StoreError(f"{file}: row group {group} has {len(cells)} cells; expected one each")
    return cells[0]


def _predictions(table: pa.Table, cell: str, file: Path) -> Predictions:
    if any(table[name].null_count for name in table.column_names if name != "group"):
        raise StoreError(f"{file}: cell '{cell}' has empty values")
    if not pc.all(pc.match_substring_regex(table["content"], _CONTENT)).as_py():
        raise StoreError(
            f"{file}: cell '{cell}' has a content that is not {CONTENT_DIGITS} hex digits"
        )
    predictions = Predictions(
        cell=cell,
        sample_ids=tuple(table["sample_id"].to_pylist()),
        paths=tuple(table["path"].to_pylist()),
        groups=tuple(table["group"].to_pylist()),
        contents=tuple(table["content"].to_pylist()),
        labels=table["label"].to_numpy(),
        predicted=table["predicted"].to_numpy(),
        confidence=table["confidence"].to_numpy(),
        top5=_matrix(table, "top5", file),
        top5_scores=_matrix(table, "top5_scores", file),
    )
    _refuse_no_numbers(predictions, file)
    return predictions


def _refuse_no_numbers(predictions: Predictions, file: Path) -> None:
    """Refuse what write_predictions would not have written: a comparison with NaN shows nothing."""
    for name in ("confidence", "top5", "top5_scores"):
        values = getattr(predictions, name)
        if not np.isfinite(values).all():
            place, *_ = np.argwhere(~np.isfinite(values))
            raise StoreError(
                f"{file}: cell '{predictions.cell}': {name} of image "
                f"'{predictions.sample_ids[place[0]]}' is {values[tuple(place)]}; expected finite numbers "
                "as `clipeval run` writes them: the file was changed; run the suite again"
            )


def _matrix(table: pa.Table, name: str, file: Path) -> npt.NDArray[Any]:
    """Turn N lists of one length K into (N, K)."""
    lists = table[name].combine_chunks()
    lengths = set(lists.value_lengths().to_pylist())
    if len(lengths) != 1:
        raise StoreError(
            f"{file}: lists of '{name}' differ in length; expected min(5, classes) each"
        )
    values: npt.NDArray[Any] = lists.flatten().to_numpy(zero_copy_only=False)
    return values.reshape(len(lists), lengths.pop())
