"""How a confusion matrix changed."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from clipeval.comparison.pairing import PairedCells
from clipeval.metrics import confusion_matrix
from clipeval.records import CellOutcomes, ConfusionChange
from clipeval.records.results import IntArray

MAX_CLASSES = 20
"""Beyond, the classes in the pairs that changed most stand for all."""


def confusion_change(paired: PairedCells, *, order: Sequence[str]) -> ConfusionChange | None:
    """Subtract the confusion of two cells on the same images and classes; None if nothing changed.

    Args:
        paired: the cells.
        order: class keys, as the data set has them.
    """
    position = {key: i for i, key in enumerate(paired.candidate.class_keys)}
    in_order = [position[key] for key in order]
    names = [paired.candidate.class_names[i] for i in in_order]
    counts = (_counts(paired.candidate) - _counts(paired.base))[np.ix_(in_order, in_order)]
    if not counts.any():
        return None
    chosen = range(len(names)) if len(names) <= MAX_CLASSES else _most_changed(counts)
    return ConfusionChange(
        class_names=tuple(names[i] for i in chosen),
        counts=tuple(tuple(int(counts[i, j]) for j in chosen) for i in chosen),
        n_classes=len(names),
    )


def _counts(cell: CellOutcomes) -> IntArray:
    return confusion_matrix(cell.predicted, cell.labels, n_classes=len(cell.class_keys))


def _most_changed(counts: IntArray) -> list[int]:
    chosen: set[int] = set()
    for flat in np.argsort(-np.abs(counts), axis=None, kind="stable").tolist():
        pair = set(divmod(flat, len(counts)))
        if counts.flat[flat] == 0:
            break
        if len(chosen | pair) <= MAX_CLASSES:
            chosen |= pair
    return sorted(chosen)
