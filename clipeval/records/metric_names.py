"""Names of the metrics of a cell, in the order in which they are reported, and what gates may ask of them."""

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
ClassMetric = Literal["recall", "precision"]
"""What a gate may name together with classes."""

METRIC_NAMES: tuple[Metric, ...] = get_args(Metric)
CLASS_METRIC_NAMES: tuple[ClassMetric, ...] = get_args(ClassMetric)

DROP_METRICS: tuple[Metric, ...] = (
    "top1",
    "top5",
    "mean_per_class_recall",
    "balanced_accuracy",
    "macro_precision",
    "macro_recall",
    "macro_f1",
)
"""What max_drop may limit: more is better, and the difference of two cells has a paired interval."""
DROP_CLASS_METRICS: tuple[ClassMetric, ...] = ("recall",)
"""The same of one class: precision has no images of its own that could be paired."""
FLIP_METRICS: tuple[Metric, ...] = ("top1",)
"""What max_negative_flip_rate may stand with: it counts images that are newly wrong."""
