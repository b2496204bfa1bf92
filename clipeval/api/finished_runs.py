"""The per-image table of a finished run, held against its record."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np

from clipeval.errors import StoreError
from clipeval.records import CellResult, Predictions, RunRecord
from clipeval.store import read_predictions

_ROUNDING = 1e-9


def predictions_of(run: Path, record: RunRecord) -> dict[str, Predictions]:
    """Read what each cell of a finished run said about each image.

    Args:
        run: a run folder, or its run.json.
        record: the content of its run.json.
    Raises:
        StoreError: the table cannot be read, or is that of another run.
    """
    found = {one.cell: one for one in read_predictions(run)}
    missing = [cell.id for cell in record.cells if cell.id not in found]
    if missing:
        raise StoreError(
            f"{run}: predictions.parquet has no cell '{missing[0]}'; "
            "predictions.parquet and run.json are not of the same run"
        )
    for cell in record.cells:
        check_predictions(run, cell, found[cell.id])
    return found


def check_predictions(run: Path, cell: CellResult, predictions: Predictions) -> None:
    """Refuse a table beside the run.json of another run: it would be taken under a wrong name.

    Raises:
        StoreError: confusion matrix or metrics are not those of the predictions.
    """
    n_images = len(predictions.sample_ids)
    if n_images != cell.dataset.n_images:
        raise StoreError(
            f"{run}: predictions.parquet has {n_images:,} images of cell '{cell.id}', run.json "
            f"{cell.dataset.n_images:,}; they are not of the same run"
        )
    if _confusion(predictions, len(cell.confusion)) != [list(row) for row in cell.confusion]:
        raise StoreError(
            f"{run}: predictions.parquet of cell '{cell.id}' does not add up to the confusion matrix in "
            "run.json; they are not of the same run"
        )
    _refuse_edited_metrics(run, cell, predictions)


def _refuse_edited_metrics(run: Path, cell: CellResult, predictions: Predictions) -> None:
    """Refuse metrics that the predictions do not give: somebody changed them by hand."""
    for name, counted in _counted_metrics(predictions).items():
        stated = cell.metrics.get(name)
        if stated is not None and not math.isclose(stated.value, counted, abs_tol=_ROUNDING):
            raise StoreError(
                f"{run}: run.json says {name} {stated.value:.4f} of cell '{cell.id}', but its predictions "
                f"give {counted:.4f}; expected run.json as clipeval wrote it: run the suite again"
            )


def _counted_metrics(predictions: Predictions) -> dict[str, float]:
    """Count what single predictions decide.

    Returns:
        top1, top5 and mean_per_class_recall, as clipeval.metrics measures them.
    """
    right = predictions.predicted == predictions.labels
    in_top5 = (predictions.top5 == predictions.labels[:, None]).any(axis=1)
    recalls = [right[predictions.labels == label].mean() for label in np.unique(predictions.labels)]
    return {
        "top1": float(right.mean()),
        "top5": float(in_top5.mean()),
        "mean_per_class_recall": float(np.mean(recalls)),
    }


def _confusion(predictions: Predictions, n_classes: int) -> list[list[int]] | None:
    """Count as clipeval.metrics.confusion_matrix does.

    Returns:
        None if a class index is out of range.
    """
    pairs = np.stack([predictions.labels, predictions.predicted])
    if pairs.size and (pairs.min() < 0 or pairs.max() >= n_classes):
        return None
    counts = np.zeros((n_classes, n_classes), dtype=np.int64)
    np.add.at(counts, (pairs[0], pairs[1]), 1)
    return [[int(count) for count in row] for row in counts]
