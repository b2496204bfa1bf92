"""Recall, precision and F1 of each class."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from clipeval.metrics._arrays import check_confusion
from clipeval.records import ClassMetrics
from clipeval.records.results import IntArray
from clipeval.stats import wilson_intervals


def per_class_metrics(confusion: IntArray, class_names: Sequence[str]) -> tuple[ClassMetrics, ...]:
    """Measure each class; ratios with a zero denominator are None.

    F1 is counted as 2 TP / (2 TP + FP + FN): a class with images of which none is found has F1 0
    even when it is never predicted and its precision does not exist.

    Args:
        confusion: (C, C) int64; rows are truth, columns prediction.
        class_names: C names, by class index.
    Returns:
        C records in class order, with the Wilson 95% interval of recall.
    Raises:
        ScoringError: the matrix does not fit the names.
    """
    check_confusion(confusion, class_names)
    hits = np.diagonal(confusion)
    n_true = confusion.sum(axis=1)
    n_predicted = confusion.sum(axis=0)
    intervals = wilson_intervals(hits, n_true)
    recall = _ratios(hits, n_true)
    precision = _ratios(hits, n_predicted)
    f1 = _ratios(2 * hits, n_true + n_predicted)
    return tuple(
        ClassMetrics(
            name=name,
            n=int(n_true[i]),
            n_predicted=int(n_predicted[i]),
            recall=recall[i],
            recall_low=interval.low if interval else None,
            recall_high=interval.high if interval else None,
            precision=precision[i],
            f1=f1[i],
        )
        for i, (name, interval) in enumerate(zip(class_names, intervals, strict=True))
    )


def _ratios(numerators: IntArray, denominators: IntArray) -> list[float | None]:
    pairs = zip(numerators.tolist(), denominators.tolist(), strict=True)
    return [numerator / denominator if denominator else None for numerator, denominator in pairs]
