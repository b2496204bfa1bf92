from __future__ import annotations

import warnings

import numpy as np
import pytest
from sklearn.metrics import balanced_accuracy_score

from clipeval.errors import ScoringError
from clipeval.metrics import (
    confusion_matrix,
    macro_averages,
    mean_per_class_recall,
    per_class_metrics,
)


def test_averages_by_hand(hand_predicted, hand_labels, hand_confusion):
    macro = macro_averages(hand_predicted, hand_labels, n_classes=3)
    assert macro.recall == pytest.approx((2 / 3 + 3 / 4 + 0) / 3)
    assert macro.precision == pytest.approx((2 / 3 + 3 / 5 + 0) / 3)
    assert macro.f1 == pytest.approx((2 / 3 + 6 / 9 + 0) / 3)
    assert macro.balanced_accuracy == pytest.approx(17 / 36)
    assert mean_per_class_recall(hand_confusion) == pytest.approx(17 / 36)
    assert macro.n_classes == 3


@pytest.mark.parametrize("seed", range(30))
def test_averages_equal_the_mean_over_classes_with_images(draw_answers, seed):
    predicted, labels, n_classes = draw_answers(seed)
    confusion = confusion_matrix(predicted, labels, n_classes=n_classes)
    rows = per_class_metrics(confusion, [str(i) for i in range(n_classes)])
    present = [row for row in rows if row.n]
    macro = macro_averages(predicted, labels, n_classes=n_classes)
    assert macro.recall == pytest.approx(np.mean([row.recall for row in present]))
    assert macro.precision == pytest.approx(np.mean([row.precision or 0 for row in present]))
    assert macro.f1 == pytest.approx(np.mean([row.f1 for row in present]))
    assert macro.n_classes == len(present)


@pytest.mark.parametrize("seed", range(30))
def test_mean_per_class_recall_is_sklearns_balanced_accuracy(draw_answers, seed):
    predicted, labels, n_classes = draw_answers(seed)
    confusion = confusion_matrix(predicted, labels, n_classes=n_classes)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        expected = balanced_accuracy_score(labels, predicted)
    assert mean_per_class_recall(confusion) == pytest.approx(expected)
    macro = macro_averages(predicted, labels, n_classes=n_classes)
    assert macro.balanced_accuracy == macro.recall == pytest.approx(expected)


def test_class_never_predicted_counts_as_precision_zero():
    macro = macro_averages(np.array([0, 0, 0]), np.array([0, 0, 1]), n_classes=2)
    assert macro.precision == pytest.approx((2 / 3 + 0) / 2)


def test_class_without_images_is_left_out():
    macro = macro_averages(np.array([0, 2]), np.array([0, 0]), n_classes=3)
    assert macro.n_classes == 1
    assert (macro.recall, macro.precision) == (0.5, 1.0)


@pytest.mark.parametrize("n_classes", [1, 2, 30])
def test_perfect_predictions_are_one(n_classes):
    labels = np.arange(n_classes)
    macro = macro_averages(labels, labels, n_classes=n_classes)
    assert (macro.recall, macro.precision, macro.f1, macro.balanced_accuracy) == (1, 1, 1, 1)


def test_frequent_class_does_not_outweigh_a_rare_one():
    labels = np.array([0] * 99 + [1])
    macro = macro_averages(np.zeros(100, dtype=np.int64), labels, n_classes=2)
    assert macro.recall == 0.5


def test_no_images_are_refused():
    none = np.array([], dtype=np.int64)
    with pytest.raises(ScoringError, match="empty"):
        macro_averages(none, none, n_classes=3)
    with pytest.raises(ScoringError, match="counts no images"):
        mean_per_class_recall(np.zeros((3, 3), dtype=np.int64))
