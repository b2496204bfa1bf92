from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import top_k_accuracy_score

from clipeval.errors import ScoringError
from clipeval.metrics import top_k_accuracy
from clipeval.stats import wilson_interval

RANKED = np.array([[0, 1, 2], [2, 0, 1], [3, 2, 1], [1, 3, 0]])
LABELS = np.array([0, 1, 2, 2])


@pytest.mark.parametrize(("k", "n_hits"), [(1, 1), (2, 2), (3, 3)])
def test_hits_by_hand(k, n_hits):
    accuracy = top_k_accuracy(RANKED, LABELS, k=k, n_classes=4)
    interval = wilson_interval(n_hits, 4)
    assert accuracy is not None
    assert (accuracy.value, accuracy.n) == (n_hits / 4, 4)
    assert (accuracy.low, accuracy.high) == (interval.low, interval.high)


@pytest.mark.parametrize("n_classes", range(1, 8))
def test_top5_exists_only_above_five_classes(n_classes):
    ranked = np.arange(min(5, n_classes))[None]
    accuracy = top_k_accuracy(ranked, np.array([0]), k=5, n_classes=n_classes)
    assert (accuracy is not None) == (n_classes > 5)


@pytest.mark.parametrize("seed", range(20))
def test_value_agrees_with_sklearn(seed):
    generator = np.random.default_rng(seed)
    scores = generator.standard_normal((25, 8))
    labels = generator.integers(0, 8, 25)
    ranked = np.argsort(-scores, axis=1)[:, :5]
    for k in (1, 2, 5):
        accuracy = top_k_accuracy(ranked, labels, k=k, n_classes=8)
        expected = top_k_accuracy_score(labels, scores, k=k, labels=np.arange(8))
        assert accuracy is not None
        assert accuracy.value == pytest.approx(expected)


@pytest.mark.parametrize(
    ("ranked", "k", "message"),
    [
        (RANKED[:, :1], 2, r"expected \(4, 2 or more\) for top-2"),
        (RANKED[:3], 1, r"shape \(3, 3\)"),
        (RANKED[:, 0], 1, r"shape \(4,\)"),
        (RANKED, 0, "k is 0"),
        (RANKED + 2, 1, "expected 0 <= class < 4"),
    ],
)
def test_rankings_that_do_not_fit_are_refused(ranked, k, message):
    with pytest.raises(ScoringError, match=message):
        top_k_accuracy(ranked, LABELS, k=k, n_classes=4)


def test_no_images_are_refused():
    with pytest.raises(ScoringError, match="empty"):
        top_k_accuracy(np.empty((0, 3), dtype=np.int64), LABELS[:0], k=1, n_classes=4)


class TestGroups:
    """Images of one burst are not so many independent ones."""

    RIGHT = np.tile([True, True, True, False], 10)

    def accuracy(self, right, groups):
        labels = np.zeros(len(right), dtype=np.int64)
        ranked = np.where(right, 0, 1)[:, None]
        return top_k_accuracy(ranked, labels, k=1, n_classes=3, groups=groups)

    def test_copies_within_groups_add_nothing(self):
        n_images = len(self.RIGHT)
        alone = self.accuracy(self.RIGHT, np.arange(n_images))
        five_times = self.accuracy(np.repeat(self.RIGHT, 5), np.repeat(np.arange(n_images), 5))
        assert five_times.value == alone.value == 0.75
        assert (five_times.low, five_times.high) == pytest.approx((alone.low, alone.high))

    def test_copies_without_groups_look_like_more_images(self):
        alone = self.accuracy(self.RIGHT, None)
        five_times = self.accuracy(np.repeat(self.RIGHT, 5), None)
        assert five_times.high - five_times.low < 0.5 * (alone.high - alone.low)

    def test_one_group_says_nothing_about_others(self):
        found = self.accuracy(self.RIGHT, np.zeros(len(self.RIGHT), dtype=np.int64))
        assert (found.value, found.low, found.high) == (0.75, None, None)
