from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import precision_recall_fscore_support

from clipeval.errors import ScoringError
from clipeval.metrics import confusion_matrix, per_class_metrics
from clipeval.records import ClassMetrics
from clipeval.stats import wilson_interval


def test_classes_by_hand(hand_confusion):
    first, second, third = per_class_metrics(hand_confusion, ["a", "b", "c"])
    interval = wilson_interval(2, 3)
    assert first == ClassMetrics(
        name="a",
        n=3,
        n_predicted=3,
        recall=2 / 3,
        recall_low=interval.low,
        recall_high=interval.high,
        precision=2 / 3,
        f1=2 / 3,
    )
    assert (second.recall, second.precision, second.f1) == (3 / 4, 3 / 5, 6 / 9)
    assert (third.recall, third.precision, third.f1) == (0, 0, 0)
    assert (third.n, third.n_predicted) == (2, 1)


def test_class_without_images_has_no_recall():
    _, absent = per_class_metrics(np.array([[3, 1], [0, 0]]), ["a", "b"])
    assert (absent.recall, absent.recall_low, absent.recall_high) == (None, None, None)
    assert (absent.precision, absent.f1) == (0, 0)


def test_class_never_predicted_has_no_precision():
    _, shunned = per_class_metrics(np.array([[3, 0], [2, 0]]), ["a", "b"])
    assert shunned.precision is None
    assert (shunned.recall, shunned.f1) == (0, 0)


def test_class_neither_seen_nor_predicted_has_nothing():
    _, nothing = per_class_metrics(np.array([[3, 0], [0, 0]]), ["a", "b"])
    assert (nothing.n, nothing.n_predicted) == (0, 0)
    assert (nothing.recall, nothing.precision, nothing.f1) == (None, None, None)


def test_perfect_predictions_are_one():
    for one in per_class_metrics(np.diag([1, 2, 3]), ["a", "b", "c"]):
        assert (one.recall, one.precision, one.f1, one.recall_high) == (1, 1, 1, 1)


@pytest.mark.parametrize("seed", range(30))
def test_classes_agree_with_sklearn(draw_answers, seed):
    predicted, labels, n_classes = draw_answers(seed)
    confusion = confusion_matrix(predicted, labels, n_classes=n_classes)
    measured = per_class_metrics(confusion, [str(i) for i in range(n_classes)])
    precision, recall, f1, n = precision_recall_fscore_support(
        labels, predicted, labels=np.arange(n_classes), zero_division=np.nan
    )
    as_nan = {None: np.nan}
    for i, one in enumerate(measured):
        assert one.n == n[i]
        assert as_nan.get(one.recall, one.recall) == pytest.approx(recall[i], nan_ok=True)
        assert as_nan.get(one.precision, one.precision) == pytest.approx(precision[i], nan_ok=True)
        assert as_nan.get(one.f1, one.f1) == pytest.approx(f1[i], nan_ok=True)


def test_renaming_the_classes_permutes_the_rows(hand_confusion):
    order = [2, 0, 1]
    names = ["a", "b", "c"]
    rows = per_class_metrics(hand_confusion, names)
    permuted = per_class_metrics(hand_confusion[np.ix_(order, order)], [names[i] for i in order])
    assert permuted == tuple(rows[i] for i in order)


def test_matrix_that_does_not_fit_the_names_is_refused(hand_confusion):
    with pytest.raises(ScoringError, match="for 2 class names"):
        per_class_metrics(hand_confusion, ["a", "b"])
