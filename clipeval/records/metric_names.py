"""Names of the metrics of a cell, in the order in which they are reported."""

from __future__ import annotations

from typing import Literal, get_args

Metric = Literal[
    "top1",
    "top5",
    "mean_per_class_recall",
    "balanced_accuracy",
    "macro_precision",
    "macro_recall",
    "macro_f1",
    "nll",
    "brier",
    "ece",
]
"""What a gate may name; docs/metrics.md defines each."""

METRIC_NAMES: tuple[Metric, ...] = get_args(Metric)
