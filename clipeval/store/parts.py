"""The finished cells of a run that has not ended: one set of files per cell, from any process."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from clipeval.errors import StoreError
from clipeval.records import CellResult, Predictions, Thumbnail
from clipeval.store.atomic import reporting_os_errors, write_bytes
from clipeval.store.names import PARTS, cell_file_name
from clipeval.store.run_json import dump_record, read_cell, read_text
from clipeval.store.tables import (
    read_predictions,
    read_thumbnails,
    write_predictions,
    write_thumbnails,
)


def write_part(
    path: Path, cell: CellResult, predictions: Predictions, thumbnails: Sequence[Thumbnail]
) -> None:
    """Add one finished cell to a run folder that RunFolder.begin opened, from any process.

    Args:
        path: the run folder.
        cell: its result.
        predictions: what it said about each of the cell's images.
        thumbnails: of some of these images.
    Raises:
        StoreError: no run is being written there, the three do not belong together, or a file
            cannot be written.
    """
    if not (path / PARTS).is_dir():
        raise StoreError(
            f"{path}: no run is being written here; cell '{cell.id}' was not recorded: "
            "begin the run first, or start it again if it was ended from elsewhere"
        )
    _check_fits(cell, predictions, thumbnails)
    files = _PartFiles(path, cell.id)
    # The JSON comes last: a part counts once it is there.
    write_predictions(files.predictions, [predictions])
    write_thumbnails(files.thumbnails, thumbnails)
    write_bytes(files.cell, dump_record(cell).encode("utf-8"))


def read_parts(path: Path) -> tuple[CellResult, ...]:
    """Return the cells of a run folder that have been finished so far, in no particular order.

    Raises:
        StoreError: a part cannot be read.
    """
    with reporting_os_errors(f"cannot list {path / PARTS}"):
        files = sorted((path / PARTS).glob("*.json"))
    return tuple(read_cell(file) for file in files)


def read_part_text(path: Path, cell_id: str) -> str:
    """Return the record of one finished cell as dump_record wrote it.

    Raises:
        StoreError: there is no such part, or it cannot be read.
    """
    return read_text(_PartFiles(path, cell_id).cell)


def read_part_predictions(path: Path, cell_id: str) -> Predictions:
    """Return what one finished cell said about each image.

    Raises:
        StoreError: there is no such part, or it cannot be read.
    """
    return read_predictions(_PartFiles(path, cell_id).predictions)[0]


def read_part_thumbnails(path: Path, cell_id: str) -> tuple[Thumbnail, ...]:
    """Return the thumbnails that one finished cell added.

    Raises:
        StoreError: there is no such part, or it cannot be read.
    """
    return read_thumbnails(_PartFiles(path, cell_id).thumbnails)


def has_part(path: Path, cell_id: str) -> bool:
    """Say whether a cell has been finished."""
    return _PartFiles(path, cell_id).cell.exists()


class _PartFiles:
    """Where the files of one part are."""

    def __init__(self, path: Path, cell_id: str) -> None:
        stem = path / PARTS / cell_file_name(cell_id)
        # Not with_suffix: an id may hold a dot (`laion2b.v2`).
        self.cell = stem.with_name(f"{stem.name}.json")
        self.predictions = stem.with_name(f"{stem.name}.predictions.parquet")
        self.thumbnails = stem.with_name(f"{stem.name}.thumbnails.parquet")


def _check_fits(
    cell: CellResult, predictions: Predictions, thumbnails: Sequence[Thumbnail]
) -> None:
    if predictions.cell != cell.id:
        raise StoreError(f"cell '{cell.id}' came with predictions of cell '{predictions.cell}'")
    if len(predictions.sample_ids) != cell.dataset.n_images:
        raise StoreError(
            f"cell '{cell.id}' has {cell.dataset.n_images} images, "
            f"but predictions for {len(predictions.sample_ids)}"
        )
    for thumbnail in thumbnails:
        if thumbnail.dataset != cell.dataset.key:
            raise StoreError(
                f"cell '{cell.id}' is of data set '{cell.dataset.key}', "
                f"but came with a thumbnail of '{thumbnail.dataset}'"
            )
