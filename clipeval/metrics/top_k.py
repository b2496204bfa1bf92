"""Share of images whose class is among the k best."""

from __future__ import annotations

import numpy as np

from clipeval.errors import ScoringError
from clipeval.metrics._arrays import check_classes
from clipeval.records import MetricValue
from clipeval.records.results import IntArray
from clipeval.stats import wilson_interval


def top_k_accuracy(
    ranked: IntArray, labels: IntArray, *, k: int, n_classes: int
) -> MetricValue | None:
    """Return the share of images whose label is among the k best classes.

    Args:
        ranked: (N, K) int64 class indices, best first, K >= min(k, C).
        labels: (N,) int64, 0 <= label < n_classes.
        k: how many classes may contain the label.
        n_classes: C.
    Returns:
        The value with its Wilson 95% interval; None if C <= k, where every answer would be right.
    Raises:
        ScoringError: N is zero, shapes do not fit, or a class index is out of range.
    Source: sklearn.metrics.top_k_accuracy_score, which needs all N x C scores at once.
    """
    check_classes("labels", labels, n_classes=n_classes)
    if k < 1:
        raise ScoringError(f"k is {k}; expected 1 or more")
    needed = min(k, n_classes)
    if ranked.ndim != 2 or len(ranked) != len(labels) or ranked.shape[1] < needed:  # noqa: PLR2004 (a matrix)
        raise ScoringError(
            f"ranked classes have shape {ranked.shape}; "
            f"expected ({len(labels)}, {needed} or more) for top-{k}"
        )
    if n_classes <= k:
        return None
    best = ranked[:, :k]
    check_classes("ranked classes", best.reshape(-1), n_classes=n_classes)
    n_hits = int(np.count_nonzero((best == labels[:, None]).any(axis=1)))
    interval = wilson_interval(n_hits, len(labels))
    return MetricValue(
        value=n_hits / len(labels), low=interval.low, high=interval.high, n=len(labels)
    )
