"""Differences of macro averages between two models, with intervals that small classes do not fool.

A bootstrap within classes sees too little where a class has few images, and nothing where it has one.
Two things make up for it. Macro recall is a mean over images, weighted so that every class counts alike:
Tango's interval holds for it with as many images as the weights leave. And precision and F1 also hang on
which wrong class an image is given: what single images move is added. Of these intervals and the
bootstrap's the outer ends are taken.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from clipeval.stats.bootstrap import (
    METRICS,
    MacroDifference,
    MacroMetric,
    bootstrap_differences,
    check_predictions,
    class_ratios,
)
from clipeval.stats.clusters import Clustering, cluster, effective
from clipeval.stats.intervals import Interval
from clipeval.stats.paired import Discordance, normal_or_t, tango_interval

_IntArray = npt.NDArray[np.int64]
_FloatArray = npt.NDArray[np.float64]
_TWO_SIDED = 0.95
_ONE_SIDED = 0.90
"""A two-sided interval at 90% has the one-sided 95% bounds as its ends."""


def macro_differences(
    base: _IntArray,
    candidate: _IntArray,
    labels: _IntArray,
    *,
    n_classes: int,
    groups: _IntArray | None = None,
    n_resamples: int = 2000,
    seed: int = 0,
) -> dict[MacroMetric, MacroDifference]:
    """Compare macro recall, precision and F1 of two models on the same images.

    The interval spans those of the bootstrap and of MacroEffects, with groups also those that ignore
    them: saying which images belong together never makes an interval narrower.

    Args:
        base: (N,) int64 class indices predicted by the base model.
        candidate: (N,) int64 class indices predicted by the candidate.
        labels: (N,) int64 true class indices.
        n_classes: C; all indices are in [0, C).
        groups: (N,) int64, which group each image is of; None if images are independent.
        n_resamples: draws of the bootstrap.
        seed: of the draws.
    Returns:
        One difference per metric, averaged over classes with true images (a class never predicted
        has precision 0): the same numbers as clipeval.metrics.macro_averages.
    Raises:
        ScoringError: N or n_resamples is zero, lengths differ, a class index is out of range, or all
            images are of one group.
    """
    found: list[dict[MacroMetric, MacroDifference]] = []
    for each in (None,) if groups is None else (None, groups):
        drawn = bootstrap_differences(
            base,
            candidate,
            labels,
            n_classes=n_classes,
            groups=each,
            n_resamples=n_resamples,
            seed=seed,
        )
        effects = MacroEffects.of(base, candidate, labels, n_classes=n_classes, groups=each)
        found += [drawn, effects.score_differences()]
    return {name: _spanning([one[name] for one in found]) for name in METRICS}


@dataclass(frozen=True, slots=True, kw_only=True)
class MacroEffects:
    """What each image does to the macro averages by being predicted otherwise."""

    averages: _FloatArray
    """(2, 3): recall, precision and F1 of the base and of the candidate."""
    weighted: Discordance
    """Newly right and newly wrong, every class counted alike, of as many images as that is worth."""
    weights: _FloatArray
    """(N,) share of each image in macro recall; they sum to 1."""
    effects: _FloatArray
    """(3, N) change of recall, precision and F1 if this image alone is given the other prediction."""
    clusterings: tuple[Clustering | None, ...]
    """Of the effects, by metric; None without groups."""

    @classmethod
    def of(
        cls,
        base: _IntArray,
        candidate: _IntArray,
        labels: _IntArray,
        *,
        n_classes: int,
        groups: _IntArray | None = None,
    ) -> MacroEffects:
        """Measure them; arguments and errors are those of macro_differences."""
        check_predictions(base, candidate, labels, groups, n_classes=n_classes)
        n_true = np.bincount(labels, minlength=n_classes)
        weights = 1 / (np.count_nonzero(n_true) * n_true[labels])
        there = _effects(base, candidate, labels, n_classes=n_classes)
        back = _effects(candidate, base, labels, n_classes=n_classes)
        effects = (there - back) / 2  # so that swapping the models negates them exactly
        return cls(
            averages=np.stack([_averages(each, labels, n_classes) for each in (base, candidate)]),
            weighted=_weighted(base == labels, candidate == labels, weights),
            weights=weights,
            effects=effects,
            clusterings=tuple(None if groups is None else cluster(e, groups) for e in effects),
        )

    @property
    def differences(self) -> _FloatArray:
        """(3,) averages of the candidate less those of the base."""
        return np.asarray(self.averages[1] - self.averages[0])

    def score_differences(self) -> dict[MacroMetric, MacroDifference]:
        """Return the differences with score_intervals."""
        two_sided = self.score_intervals(confidence=_TWO_SIDED)
        one_sided = self.score_intervals(confidence=_ONE_SIDED)
        return {
            name: MacroDifference(
                base=base,
                candidate=candidate,
                value=candidate - base,
                low=two_sided[name].low,
                high=two_sided[name].high,
                lower_bound=one_sided[name].low,
                upper_bound=one_sided[name].high,
            )
            for name, base, candidate in zip(METRICS, *self.averages.tolist(), strict=True)
        }

    def score_intervals(self, *, confidence: float) -> dict[MacroMetric, Interval]:
        """Return the intervals of the differences that hold where classes have few images.

        Tango's on the weighted counts, widened by the variance of the effects as far as that is more
        than Tango's own. With groups both are multiplied by their design effects.

        Source: Kish, "Weighting for unequal Pi", Journal of Official Statistics 8 (1992) 183-200: weights
            that sum to 1 are worth 1 / sum of squares images. Newcombe, Statistics in Medicine 17 (1998)
            873-890: parts of an interval add as the squares of their widths.
        """
        clustering = self.clusterings[0]
        counted = effective(self.weighted, clustering) if clustering else self.weighted
        df = clustering.df if clustering else None
        tango = tango_interval(counted, confidence=confidence, df=df)
        below, above = tango.low - counted.difference, tango.high - counted.difference
        quantile = normal_or_t((1 + confidence) / 2, df)
        found = {}
        measured = zip(METRICS, self.differences.tolist(), self._variances(), strict=True)
        for name, difference, variance in measured:
            missing = max(0.0, variance - (counted.rate - counted.difference**2) / counted.n)
            extra = quantile * math.sqrt(missing)
            low, high = difference - math.hypot(below, extra), difference + math.hypot(above, extra)
            found[name] = Interval(max(-1.0, low), min(1.0, high))
        return found

    def _variances(self) -> list[float]:
        totals = self.effects.sum(axis=1, keepdims=True)
        squares = np.square(self.effects - totals * self.weights).sum(axis=1).tolist()
        design_effects = [each.design_effect if each else 1.0 for each in self.clusterings]
        return [a * b for a, b in zip(squares, design_effects, strict=True)]


def _effects(
    predicted: _IntArray, other: _IntArray, labels: _IntArray, *, n_classes: int
) -> _FloatArray:
    """Return (3, N): what the averages gain if one image alone is predicted as in `other`."""
    right, true, named = _counts(predicted, labels, n_classes)
    before = np.stack(class_ratios(right, true, named))
    changed = np.flatnonzero(predicted != other)
    label, left, joined = labels[changed], predicted[changed], other[changed]
    loses = class_ratios(right[left] - (left == label), true[left], named[left] - 1)
    gains = class_ratios(right[joined] + (joined == label), true[joined], named[joined] + 1)
    effects = np.zeros((len(METRICS), len(labels)))
    effects[:, changed] = np.stack(loses) - before[:, left] + np.stack(gains) - before[:, joined]
    return effects / np.count_nonzero(true)


def _averages(predicted: _IntArray, labels: _IntArray, n_classes: int) -> _FloatArray:
    counts = _counts(predicted, labels, n_classes)
    return np.array([ratio[counts[1] > 0].mean() for ratio in class_ratios(*counts)])


def _counts(
    predicted: _IntArray, labels: _IntArray, n_classes: int
) -> tuple[_IntArray, _IntArray, _IntArray]:
    """Return (C,) images predicted right, of the class, and predicted as it."""
    right = np.bincount(labels[predicted == labels], minlength=n_classes)
    true = np.bincount(labels, minlength=n_classes)
    return right, true, np.bincount(predicted, minlength=n_classes)


def _weighted(
    then: npt.NDArray[np.bool_], now: npt.NDArray[np.bool_], weights: _FloatArray
) -> Discordance:
    n = float(1 / np.square(weights).sum())
    return Discordance(
        n=n,
        newly_right=n * float(weights[~then & now].sum()),
        newly_wrong=n * float(weights[then & ~now].sum()),
    )


def _spanning(found: Sequence[MacroDifference]) -> MacroDifference:
    """Return the first with the outer ends of all."""
    return replace(
        found[0],
        low=min(one.low for one in found),
        high=max(one.high for one in found),
        lower_bound=min(one.lower_bound for one in found),
        upper_bound=max(one.upper_bound for one in found),
    )
