from __future__ import annotations

import numpy as np
import pytest

from clipeval.errors import ScoringError
from clipeval.metrics import cell_metrics
from clipeval.records.metric_names import METRIC_NAMES


def answers(n_classes, n_images=12, seed=0):
    """Return the arguments of cell_metrics for random probabilities."""
    generator = np.random.default_rng(seed)
    probabilities = generator.dirichlet(np.ones(n_classes), n_images)
    labels = generator.integers(0, n_classes, n_images)
    ranked = np.argsort(-probabilities, axis=1)
    one_hot = np.eye(n_classes)[labels]
    return {
        "predicted": ranked[:, 0],
        "labels": labels,
        "top5": ranked[:, :5],
        "confidence": probabilities.max(axis=1).astype(np.float32),
        "nll_terms": -np.log(probabilities[np.arange(n_images), labels]),
        "brier_terms": ((probabilities - one_hot) ** 2).sum(axis=1),
        "n_classes": n_classes,
    }


def test_metrics_come_in_the_documented_order():
    assert tuple(cell_metrics(**answers(10))) == METRIC_NAMES


@pytest.mark.parametrize("n_classes", [2, 3, 4, 5])
def test_top5_is_absent_up_to_five_classes(n_classes):
    expected = tuple(name for name in METRIC_NAMES if name != "top5")
    assert tuple(cell_metrics(**answers(n_classes))) == expected


def test_one_class_measures_nothing():
    assert cell_metrics(**answers(1)) == {}


def test_only_proportions_of_images_have_an_interval():
    metrics = cell_metrics(**answers(10))
    bounded = {name for name, value in metrics.items() if value.low is not None}
    assert bounded == {"top1", "top5"}
    for name in bounded:
        assert metrics[name].low <= metrics[name].value <= metrics[name].high


def test_n_counts_images_or_classes():
    arguments = answers(20, n_images=12)
    metrics = cell_metrics(**arguments)
    n_present = len(set(arguments["labels"].tolist()))
    over_classes = {name for name, value in metrics.items() if value.n == n_present}
    assert over_classes == {
        "mean_per_class_recall",
        "balanced_accuracy",
        "macro_precision",
        "macro_recall",
        "macro_f1",
    }
    assert all(metrics[name].n == 12 for name in set(metrics) - over_classes)


def test_perfect_and_sure_predictions():
    labels = np.arange(6)
    metrics = cell_metrics(
        predicted=labels,
        labels=labels,
        top5=(labels[:, None] + np.arange(5)) % 6,
        confidence=np.ones(6, dtype=np.float32),
        nll_terms=np.zeros(6),
        brier_terms=np.zeros(6),
        n_classes=6,
    )
    ideal = {"nll": 0, "brier": 0, "ece": 0}
    assert {name: value.value for name, value in metrics.items()} == {
        name: ideal.get(name, 1) for name in METRIC_NAMES
    }


@pytest.mark.parametrize("seed", range(10))
def test_order_of_images_does_not_matter(seed):
    arguments = answers(7, seed=seed)
    order = np.random.default_rng(seed).permutation(12)
    shuffled = {
        name: value if name == "n_classes" else value[order] for name, value in arguments.items()
    }
    one, other = cell_metrics(**arguments), cell_metrics(**shuffled)
    for name in METRIC_NAMES:
        assert one[name].value == pytest.approx(other[name].value)


@pytest.mark.parametrize("n_classes", [2, 30])
def test_single_image_is_measured_without_warnings(n_classes):
    metrics = cell_metrics(**answers(n_classes, n_images=1))
    assert metrics["top1"].n == metrics["macro_f1"].n == 1


def test_more_classes_than_images_is_measured_without_warnings():
    assert cell_metrics(**answers(40, n_images=30))["top1"].n == 30


def test_terms_of_another_length_are_refused():
    arguments = answers(4)
    arguments["nll_terms"] = arguments["nll_terms"][:-1]
    with pytest.raises(ScoringError, match=r"lengths \[12, 11, 12\] for 12 labels"):
        cell_metrics(**arguments)


def test_no_images_are_refused():
    arguments = {
        name: value if name == "n_classes" else value[:0] for name, value in answers(4).items()
    }
    with pytest.raises(ScoringError, match="empty"):
        cell_metrics(**arguments)
