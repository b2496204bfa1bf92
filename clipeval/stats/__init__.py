"""Uncertainty of measured numbers: arrays in, intervals and p-values out."""

from clipeval.stats.bootstrap import MacroDifference, MacroMetric
from clipeval.stats.clusters import (
    Clustering,
    cluster,
    effective,
    effective_wilson_interval,
    number_groups,
)
from clipeval.stats.intervals import Interval, wilson_interval, wilson_intervals
from clipeval.stats.macro import MacroEffects, macro_differences
from clipeval.stats.multiplicity import benjamini_hochberg, holm
from clipeval.stats.paired import (
    Discordance,
    mcnemar_mid_p,
    score_p_value,
    tango_interval,
    tango_z,
)
from clipeval.stats.pareto import pareto_front
from clipeval.stats.planning import images_to_settle, minimum_detectable_difference
from clipeval.stats.ratios import (
    MIN_BLOCKS,
    MIN_PROCESSES,
    Ratio,
    RatioVerdict,
    abba_log_ratio,
    noise_floor,
    process_noise,
    ratio_of_blocks,
    ratio_to_one_process,
    ratio_verdict,
)
from clipeval.stats.timings import drift, least_samples, summarize_timings

__all__ = [
    "MIN_BLOCKS",
    "MIN_PROCESSES",
    "Clustering",
    "Discordance",
    "Interval",
    "MacroDifference",
    "MacroEffects",
    "MacroMetric",
    "Ratio",
    "RatioVerdict",
    "abba_log_ratio",
    "benjamini_hochberg",
    "cluster",
    "drift",
    "effective",
    "effective_wilson_interval",
    "holm",
    "images_to_settle",
    "least_samples",
    "macro_differences",
    "mcnemar_mid_p",
    "minimum_detectable_difference",
    "noise_floor",
    "number_groups",
    "pareto_front",
    "process_noise",
    "ratio_of_blocks",
    "ratio_to_one_process",
    "ratio_verdict",
    "score_p_value",
    "summarize_timings",
    "tango_interval",
    "tango_z",
    "wilson_interval",
    "wilson_intervals",
]
