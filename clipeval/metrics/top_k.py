"""Share of images whose class is among the k best."""

from __future__ import annotations

import numpy as np

from clipeval.errors import ScoringError
from clipeval.metrics._arrays import check_classes
from clipeval.records import MetricValue
from clipeval.records.results import BoolArray, IntArray
from clipeval.stats import Interval, cluster, effective_wilson_interval, wilson_interval


def top_k_accuracy(
    ranked: IntArray,
    labels: IntArray,
    *,
    k: int,
    n_classes: int,
    groups: IntArray | None = None,
) -> MetricValue | None:
    """Return the share of images whose label is among the k best classes.

    Args:
        ranked: (N, K) int64 class indices, best first, K >= min(k, C).
        labels: (N,) int64, 0 <= label < n_classes.
        k: how many classes may contain the label.
        n_classes: C.
        groups: (N,) which group of dependent images each is of; None if they are independent.
    Returns:
        The value with its Wilson 95% interval, widened for groups, and without one if all images are of
        one group; None if C <= k, where every answer would be right.
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
    hits = (best == labels[:, None]).any(axis=1)
    n_hits = int(np.count_nonzero(hits))
    interval = _interval(hits, groups)
    return MetricValue(
        value=n_hits / len(labels),
        low=interval.low if interval else None,
        high=interval.high if interval else None,
        n=len(labels),
    )


def _interval(hits: BoolArray, groups: IntArray | None) -> Interval | None:
    n_hits, n_images = int(np.count_nonzero(hits)), len(hits)
    if groups is None:
        return wilson_interval(n_hits, n_images)
    if groups.min() == groups.max():
        return None  # one group says nothing about others
    return effective_wilson_interval(n_hits, n_images, cluster(hits.astype(np.float64), groups))
