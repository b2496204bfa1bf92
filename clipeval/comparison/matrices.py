"""How a confusion matrix changed."""

from __future__ import annotations

import numpy as np

from clipeval.metrics import confusion_matrix
from clipeval.records import CellOutcomes
from clipeval.records.results import IntArray
from clipeval.records.run_comparisons import MatrixChange

MAX_CLASSES = 20
"""Beyond, the classes in the pairs that changed most stand for all."""


def matrix_change(base: CellOutcomes, candidate: CellOutcomes) -> MatrixChange:
    """Subtract the confusion of two cells on the same images and classes.

    Args:
        base: what it was.
        candidate: what it is; its classes may be in another order.
    """
    names = dict(zip(candidate.class_keys, candidate.class_names, strict=True))
    keys = sorted(names)
    changes = _counts(candidate, keys) - _counts(base, keys)
    chosen = range(len(keys)) if len(keys) <= MAX_CLASSES else _most_changed(changes)
    return MatrixChange(
        class_names=tuple(names[keys[i]] for i in chosen),
        changes=tuple(tuple(int(changes[i, j]) for j in chosen) for i in chosen),
        n_classes=len(keys),
    )


def _counts(cell: CellOutcomes, keys: list[str]) -> IntArray:
    place = {key: i for i, key in enumerate(keys)}
    to = np.array([place[key] for key in cell.class_keys], dtype=np.int64)
    return confusion_matrix(to[cell.predicted], to[cell.labels], n_classes=len(keys))


def _most_changed(changes: IntArray) -> list[int]:
    chosen: set[int] = set()
    for flat in np.argsort(-np.abs(changes), axis=None, kind="stable").tolist():
        pair = set(divmod(flat, len(changes)))
        if changes.flat[flat] == 0 or len(chosen | pair) > MAX_CLASSES:
            break
        chosen |= pair
    return sorted(chosen)
