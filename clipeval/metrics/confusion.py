"""Which class is taken for which."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from clipeval.errors import ScoringError
from clipeval.metrics._arrays import check_confusion, check_pairs
from clipeval.records import ConfusedPair
from clipeval.records.results import IntArray


def confusion_matrix(predicted: IntArray, labels: IntArray, *, n_classes: int) -> IntArray:
    """Count predictions per true class.

    Args:
        predicted: (N,) int64 class indices.
        labels: (N,) int64, 0 <= label < n_classes.
        n_classes: C.
    Returns:
        (C, C) int64; rows are truth, columns prediction.
    Raises:
        ScoringError: N is zero, lengths differ, or a class index is out of range.
    """
    check_pairs(predicted, labels, n_classes=n_classes)
    counts = np.bincount(labels * n_classes + predicted, minlength=n_classes * n_classes)
    return counts.astype(np.int64).reshape(n_classes, n_classes)


def most_confused_pairs(
    confusion: IntArray, class_names: Sequence[str], *, limit: int = 200
) -> tuple[ConfusedPair, ...]:
    """List the pairs (true class, other class that it was taken for) with the most images.

    Args:
        confusion: (C, C) int64; rows are truth, columns prediction.
        class_names: C names, by class index.
        limit: at most so many pairs.
    Returns:
        Pairs with at least one image, most images first; ties by true, then predicted index.
    Raises:
        ScoringError: the matrix does not fit the names, or limit is negative.
    """
    check_confusion(confusion, class_names)
    if limit < 0:
        raise ScoringError(f"limit {limit} is negative; expected the number of pairs to list")
    true, predicted = np.nonzero(confusion)
    wrong = true != predicted
    true, predicted = true[wrong], predicted[wrong]
    n_images = confusion[true, predicted]
    # np.nonzero walks row by row, so a stable sort leaves ties in class order.
    order = np.argsort(-n_images, kind="stable")[:limit].tolist()
    return tuple(
        ConfusedPair(
            true=class_names[true[i]],
            predicted=class_names[predicted[i]],
            n_images=int(n_images[i]),
        )
        for i in order
    )
