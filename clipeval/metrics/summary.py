"""All metrics of one cell under their names."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from clipeval.errors import ScoringError
from clipeval.metrics._arrays import check_pairs
from clipeval.metrics.calibration import (
    calibration_bins,
    expected_calibration_error,
    mean_brier,
    mean_nll,
)
from clipeval.metrics.confusion import confusion_matrix
from clipeval.metrics.macro import macro_averages, mean_per_class_recall
from clipeval.metrics.top_k import top_k_accuracy
from clipeval.records import MetricValue
from clipeval.records.metric_names import METRIC_NAMES
from clipeval.records.results import FloatArray, IntArray

TOP5 = 5


def cell_metrics(
    *,
    predicted: IntArray,
    labels: IntArray,
    top5: IntArray,
    confidence: FloatArray,
    nll_terms: npt.NDArray[np.float64],
    brier_terms: npt.NDArray[np.float64],
    n_classes: int,
    groups: IntArray | None = None,
) -> dict[str, MetricValue]:
    """Measure one cell.

    Args:
        predicted: (N,) int64 class indices.
        labels: (N,) int64, 0 <= label < n_classes.
        top5: (N, min(5, C)) int64 class indices, best first.
        confidence: (N,) softmax probability of the predicted class.
        nll_terms: (N,) -log softmax at the label.
        brier_terms: (N,) squared error of the probability vector.
        n_classes: C.
        groups: (N,) which group of dependent images each is of; widens the intervals.
    Returns:
        Name -> value in the order of METRIC_NAMES. top5 is absent if C <= 5; with one class every
        answer is right by construction, so nothing is measured and the mapping is empty.
    Raises:
        ScoringError: N is zero, lengths differ, an index is out of range or a term not finite.
    """
    check_pairs(predicted, labels, n_classes=n_classes)
    _check_lengths(len(labels), confidence, nll_terms, brier_terms)
    if n_classes == 1:
        return {}
    n_images = len(labels)
    macro = macro_averages(predicted, labels, n_classes=n_classes)
    confusion = confusion_matrix(predicted, labels, n_classes=n_classes)
    bins = calibration_bins(confidence, predicted == labels)
    measured = {
        "top1": top_k_accuracy(predicted[:, None], labels, k=1, n_classes=n_classes, groups=groups),
        "top5": top_k_accuracy(top5, labels, k=TOP5, n_classes=n_classes, groups=groups),
        "mean_per_class_recall": _over(mean_per_class_recall(confusion), macro.n_classes),
        "balanced_accuracy": _over(macro.balanced_accuracy, macro.n_classes),
        "macro_precision": _over(macro.precision, macro.n_classes),
        "macro_recall": _over(macro.recall, macro.n_classes),
        "macro_f1": _over(macro.f1, macro.n_classes),
        "nll": _over(mean_nll(nll_terms), n_images),
        "brier": _over(mean_brier(brier_terms), n_images),
        "ece": _over(expected_calibration_error(bins), n_images),
    }
    values = ((name, measured[name]) for name in METRIC_NAMES)
    return {name: value for name, value in values if value is not None}


def _over(value: float, n: int) -> MetricValue:
    return MetricValue(value=value, n=n)


def _check_lengths(n_images: int, *per_image: FloatArray | npt.NDArray[np.float64]) -> None:
    lengths = [len(one) for one in per_image]
    if any(length != n_images for length in lengths):
        raise ScoringError(
            f"confidence, NLL and Brier terms have lengths {lengths} for {n_images} labels"
        )
