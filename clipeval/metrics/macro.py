"""Averages over classes: every class counts the same, however many images it has."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from clipeval.errors import ScoringError
from clipeval.metrics._arrays import check_pairs
from clipeval.records.results import IntArray


@dataclass(frozen=True, slots=True, kw_only=True)
class MacroAverages:
    """Unweighted means over the classes that have at least one true image."""

    balanced_accuracy: float
    precision: float
    recall: float
    f1: float
    n_classes: int
    """Classes averaged over."""


def macro_averages(predicted: IntArray, labels: IntArray, *, n_classes: int) -> MacroAverages:
    """Average precision, recall and F1 over the classes that occur in the truth.

    A class that is never predicted enters macro precision as 0 (zero_division=0): leaving it out
    would reward a model for never daring a class. A class without true images is left out: its
    recall does not exist; images wrongly taken for it already cost the recall of their own class.

    Args:
        predicted: (N,) int64 class indices.
        labels: (N,) int64, 0 <= label < n_classes.
        n_classes: C.
    Raises:
        ScoringError: N is zero, lengths differ, or a class index is out of range.
    Source: the definitions of sklearn.metrics.precision_recall_fscore_support(average="macro") and
        balanced_accuracy_score (not adjusted for chance), which tests hold this against; importing
        scikit-learn takes longer than a whole run from the cache.
    """
    check_pairs(predicted, labels, n_classes=n_classes)
    n_true = np.bincount(labels, minlength=n_classes)
    present = np.flatnonzero(n_true)
    n_true = n_true[present]
    n_predicted = np.bincount(predicted, minlength=n_classes)[present]
    n_right = np.bincount(labels[predicted == labels], minlength=n_classes)[present]
    recall = float((n_right / n_true).mean())
    return MacroAverages(
        balanced_accuracy=recall,
        # A class that was never predicted has none right: 0 / 1.
        precision=float((n_right / np.maximum(n_predicted, 1)).mean()),
        recall=recall,
        f1=float((2 * n_right / (n_true + n_predicted)).mean()),
        n_classes=len(present),
    )


def mean_per_class_recall(confusion: IntArray) -> float:
    """Average recall over the classes that have at least one true image.

    Args:
        confusion: (C, C) int64; rows are truth, columns prediction.
    Returns:
        In [0, 1].
    Raises:
        ScoringError: the matrix counts no images.
    """
    n_true = confusion.sum(axis=1)
    present = n_true > 0
    if not present.any():
        raise ScoringError("the confusion matrix counts no images; there is no recall to average")
    return float(np.mean(np.diagonal(confusion)[present] / n_true[present]))
