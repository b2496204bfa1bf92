"""Metrics of one cell: arrays in, numbers out. docs/metrics.md defines each."""

from clipeval.metrics.calibration import (
    N_BINS,
    calibration_bins,
    expected_calibration_error,
    mean_brier,
    mean_nll,
)
from clipeval.metrics.confusion import confusion_matrix, most_confused_pairs
from clipeval.metrics.macro import MacroAverages, macro_averages, mean_per_class_recall
from clipeval.metrics.per_class import per_class_metrics
from clipeval.metrics.summary import cell_metrics
from clipeval.metrics.top_k import top_k_accuracy

__all__ = [
    "N_BINS",
    "MacroAverages",
    "calibration_bins",
    "cell_metrics",
    "confusion_matrix",
    "expected_calibration_error",
    "macro_averages",
    "mean_brier",
    "mean_nll",
    "mean_per_class_recall",
    "most_confused_pairs",
    "per_class_metrics",
    "top_k_accuracy",
]
