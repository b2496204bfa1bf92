"""Uncertainty of measured numbers: arrays in, intervals out."""

from clipeval.stats.intervals import Interval, wilson_interval, wilson_intervals

__all__ = ["Interval", "wilson_interval", "wilson_intervals"]
