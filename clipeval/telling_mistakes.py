"""Which mistakes to show of many."""

from __future__ import annotations

from collections import Counter

import numpy as np

from clipeval.records.results import FloatArray, IntArray


def telling_mistakes(
    *, predicted: IntArray, labels: IntArray, confidence: FloatArray, n: int
) -> IntArray:
    """Choose mistakes to look at: one of each of the most common kinds, the rest by confidence.

    The surest mistakes alone may all be of one kind; of the most common ones there should be a picture.

    Args:
        predicted: (N,) class indices.
        labels: (N,) class indices.
        confidence: (N,) of the predictions.
        n: how many at most; kinds get half of them.
    Returns:
        (M,) positions, M <= n, the surest first.
    """
    wrong = np.flatnonzero(predicted != labels)
    surest_first = wrong[np.argsort(-confidence[wrong], kind="stable")].tolist()
    kinds = {i: (int(labels[i]), int(predicted[i])) for i in surest_first}
    common = [kind for kind, _ in Counter(kinds.values()).most_common((n + 1) // 2)]
    surest_of: dict[tuple[int, int], int] = {}
    for i in surest_first:
        surest_of.setdefault(kinds[i], i)
    chosen = dict.fromkeys([*(surest_of[kind] for kind in common), *surest_first])
    kept = set(list(chosen)[:n])
    return np.asarray([i for i in surest_first if i in kept], dtype=np.int64)
