"""Uncertainty of measured numbers: arrays in, intervals and p-values out."""

from clipeval.stats.bootstrap import MacroDifference, MacroMetric, macro_differences
from clipeval.stats.clusters import Clustering, cluster, effective, effective_wilson_interval
from clipeval.stats.intervals import Interval, wilson_interval, wilson_intervals
from clipeval.stats.multiplicity import benjamini_hochberg, holm
from clipeval.stats.paired import (
    Discordance,
    images_to_settle,
    mcnemar_mid_p,
    minimum_detectable_difference,
    score_p_value,
    tango_interval,
    tango_z,
)

__all__ = [
    "Clustering",
    "Discordance",
    "Interval",
    "MacroDifference",
    "MacroMetric",
    "benjamini_hochberg",
    "cluster",
    "effective",
    "effective_wilson_interval",
    "holm",
    "images_to_settle",
    "macro_differences",
    "mcnemar_mid_p",
    "minimum_detectable_difference",
    "score_p_value",
    "tango_interval",
    "tango_z",
    "wilson_interval",
    "wilson_intervals",
]
