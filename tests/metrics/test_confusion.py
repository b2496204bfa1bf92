from __future__ import annotations

import numpy as np
import pytest

from clipeval.errors import ScoringError
from clipeval.metrics import confusion_matrix, most_confused_pairs
from clipeval.records import ConfusedPair

SEEDS = range(30)


def slow_confusion(predicted, labels, n_classes):
    counts = [[0] * n_classes for _ in range(n_classes)]
    for guess, truth in zip(predicted, labels, strict=True):
        counts[truth][guess] += 1
    return counts


def test_rows_are_truth_and_columns_prediction(hand_predicted, hand_labels, hand_confusion):
    confusion = confusion_matrix(hand_predicted, hand_labels, n_classes=3)
    assert confusion.tolist() == hand_confusion.tolist()
    assert confusion.dtype == np.int64


@pytest.mark.parametrize("seed", SEEDS)
def test_matrix_equals_counting_one_by_one(draw_answers, seed):
    predicted, labels, n_classes = draw_answers(seed)
    confusion = confusion_matrix(predicted, labels, n_classes=n_classes)
    assert confusion.tolist() == slow_confusion(predicted, labels, n_classes)


def test_one_class_and_one_image_make_a_one_by_one_matrix():
    assert confusion_matrix(np.array([0]), np.array([0]), n_classes=1).tolist() == [[1]]


def test_classes_without_images_keep_their_row_and_column():
    confusion = confusion_matrix(np.array([3]), np.array([1]), n_classes=4)
    assert confusion.shape == (4, 4)
    assert confusion[1, 3] == confusion.sum() == 1


def test_order_of_images_does_not_matter(hand_predicted, hand_labels):
    order = np.random.default_rng(0).permutation(len(hand_labels))
    assert np.array_equal(
        confusion_matrix(hand_predicted[order], hand_labels[order], n_classes=3),
        confusion_matrix(hand_predicted, hand_labels, n_classes=3),
    )


@pytest.mark.parametrize(
    ("predicted", "labels", "message"),
    [
        ([], [], "labels have shape"),
        ([0, 1], [0], "2 predictions for 1 labels"),
        ([0], [2], r"labels\[0\] is 2; expected 0 <= class < 2"),
        ([0, 0], [0, -1], r"labels\[1\] is -1"),
        ([0, 5], [0, 1], r"predicted\[1\] is 5"),
        ([0.0], [0], "predicted have shape"),
        ([[0]], [0], "predicted have shape"),
    ],
)
def test_arrays_that_cannot_be_counted_are_refused(predicted, labels, message):
    with pytest.raises(ScoringError, match=message):
        confusion_matrix(np.array(predicted), np.array(labels), n_classes=2)


def test_no_images_are_refused():
    none = np.array([], dtype=np.int64)
    with pytest.raises(ScoringError, match="labels are empty"):
        confusion_matrix(none, none, n_classes=3)


def test_most_confused_pairs_by_hand():
    confusion = np.array([[9, 2, 5], [2, 9, 0], [5, 1, 9]])
    assert most_confused_pairs(confusion, ["a", "b", "c"]) == (
        ConfusedPair(true="a", predicted="c", n_images=5),
        ConfusedPair(true="c", predicted="a", n_images=5),
        ConfusedPair(true="a", predicted="b", n_images=2),
        ConfusedPair(true="b", predicted="a", n_images=2),
        ConfusedPair(true="c", predicted="b", n_images=1),
    )


def test_most_confused_pairs_are_limited_to_the_worst():
    confusion = np.array([[9, 2, 5], [2, 9, 0], [6, 1, 9]])
    pairs = most_confused_pairs(confusion, ["a", "b", "c"], limit=2)
    assert [(pair.true, pair.predicted) for pair in pairs] == [("c", "a"), ("a", "c")]


def test_perfect_predictions_confuse_nothing():
    assert most_confused_pairs(np.diag([4, 5, 6]), ["a", "b", "c"]) == ()


def test_matrix_that_does_not_fit_the_names_is_refused():
    with pytest.raises(ScoringError, match=r"shape \(2, 2\) for 3 class names"):
        most_confused_pairs(np.eye(2, dtype=np.int64), ["a", "b", "c"])


def test_negative_limit_is_refused():
    with pytest.raises(ScoringError, match="limit -1"):
        most_confused_pairs(np.eye(2, dtype=np.int64), ["a", "b"], limit=-1)
