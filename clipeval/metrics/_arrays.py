"""What every metric asks of its arrays."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from clipeval.errors import ScoringError
from clipeval.records.results import IntArray


def check_classes(name: str, classes: IntArray, *, n_classes: int) -> None:
    """Refuse class indices that are not (N,) integers in range, N >= 1.

    Raises:
        ScoringError: naming the array, the first wrong entry and what was expected.
    """
    if classes.ndim != 1 or not np.issubdtype(classes.dtype, np.integer):
        raise ScoringError(
            f"{name} have shape {classes.shape} and type {classes.dtype}; expected (N,) integers"
        )
    if not len(classes):
        raise ScoringError(f"{name} are empty; a metric of no images does not exist")
    wrong = np.flatnonzero((classes < 0) | (classes >= n_classes))
    if len(wrong):
        raise ScoringError(
            f"{name}[{wrong[0]}] is {classes[wrong[0]]}; expected 0 <= class < {n_classes}"
        )


def check_pairs(predicted: IntArray, labels: IntArray, *, n_classes: int) -> None:
    """Refuse predictions and labels that do not belong together.

    Raises:
        ScoringError: N is zero, lengths differ, or a class index is out of range.
    """
    check_classes("labels", labels, n_classes=n_classes)
    check_classes("predicted", predicted, n_classes=n_classes)
    if len(predicted) != len(labels):
        raise ScoringError(f"{len(predicted)} predictions for {len(labels)} labels")


def check_terms(name: str, terms: npt.NDArray[np.floating]) -> None:
    """Refuse per-image numbers that are not (N,) and finite, N >= 1.

    Raises:
        ScoringError: naming the array and its first entry that is not finite.
    """
    if terms.ndim != 1:
        raise ScoringError(f"{name} have shape {terms.shape}; expected (N,)")
    if not len(terms):
        raise ScoringError(f"{name} are empty; a metric of no images does not exist")
    wrong = np.flatnonzero(~np.isfinite(terms))
    if len(wrong):
        raise ScoringError(f"{name}[{wrong[0]}] is {terms[wrong[0]]}; expected finite numbers")


def check_confusion(confusion: IntArray, class_names: Sequence[str]) -> None:
    """Refuse a confusion matrix that does not fit the class names.

    Raises:
        ScoringError: it is not (C, C) for C names.
    """
    n_classes = len(class_names)
    if confusion.shape != (n_classes, n_classes):
        raise ScoringError(
            f"confusion matrix has shape {confusion.shape} for {n_classes} class names; "
            f"expected ({n_classes}, {n_classes})"
        )
