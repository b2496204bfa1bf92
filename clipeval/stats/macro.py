"""Differences of macro averages between two models, with intervals that small classes do not fool.

A bootstrap within classes sees too little where a class has few images, and nothing where it has one.
Two things make up for it. Among classes alike in size macro recall is top-1, for which Tango's interval
holds; classes of other sizes have one of their own, lest a small class that got worse hide among large ones
that did not. And precision and F1 also hang on which wrong class an image is given: what single images
move is added. Of these intervals and the bootstrap's the outer ends are taken.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
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
from clipeval.stats.clusters import Clustering, cluster
from clipeval.stats.intervals import Interval
from clipeval.stats.paired import Discordance, normal_or_t, tango_interval

_IntArray = npt.NDArray[np.int64]
_FloatArray = npt.NDArray[np.float64]
_TWO_SIDED = 0.95
_ONE_SIDED = 0.90
"""A two-sided interval at 90% has the one-sided 95% bounds as its ends."""
_ALIKE = 1.5
"""Classes are alike in size if the largest has at most so many times the images of the smallest."""


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
class Stratum:
    """Classes alike in size, and what became of their images."""

    share: float
    """Of all classes, in (0, 1]."""
    counted: Discordance
    """Newly right and newly wrong, every class counted alike, as if all had the images of the smallest; in
    images that are worth as much as independent ones."""

    @property
    def variance(self) -> float:
        """Variance of the difference in recall of these classes."""
        return (self.counted.rate - self.counted.difference**2) / self.counted.n


@dataclass(frozen=True, slots=True, kw_only=True)
class MacroEffects:
    """What each image does to the macro averages by being predicted otherwise."""

    averages: _FloatArray
    """(2, 3): recall, precision and F1 of the base and of the candidate."""
    strata: tuple[Stratum, ...]
    """Classes with images, by size."""
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
        clusterings = tuple(None if groups is None else cluster(e, groups) for e in effects)
        changes = (candidate == labels).astype(np.int64) - (base == labels)
        design_effect = clusterings[0].design_effect if clusterings[0] else 1.0
        return cls(
            averages=np.stack([_averages(each, labels, n_classes) for each in (base, candidate)]),
            strata=tuple(_strata(changes, labels, n_true, groups, design_effect)),
            weights=weights,
            effects=effects,
            clusterings=clusterings,
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

        Tango's in each stratum, their widths added in squares by the share of the stratum, widened by the
        variance of the effects as far as that is more than the strata's own. With groups all are
        multiplied by their design effects.

        Source: Zou & Donner, "Construction of confidence limits about effect measures", Statistics in
            Medicine 27 (2008) 1693-1702, after Newcombe, ibid. 17 (1998) 873-890: distances of limits from
            their estimates add as squares.
        """
        df = self.clusterings[0].df if self.clusterings[0] else None
        below, above = 0.0, 0.0
        for one in self.strata:
            tango = tango_interval(one.counted, confidence=confidence, df=df)
            below = math.hypot(below, one.share * (tango.low - one.counted.difference))
            above = math.hypot(above, one.share * (tango.high - one.counted.difference))
        own_variance = math.fsum(one.share**2 * one.variance for one in self.strata)
        quantile = normal_or_t((1 + confidence) / 2, df)
        found = {}
        measured = zip(METRICS, self.differences.tolist(), self._variances(), strict=True)
        for name, difference, variance in measured:
            missing = max(0.0, variance - own_variance)
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


def _strata(
    changes: _IntArray,
    labels: _IntArray,
    n_true: _IntArray,
    groups: _IntArray | None,
    design_effect: float,
) -> Iterator[Stratum]:
    """Put classes that are alike in size together.

    Args:
        changes: (N,) 1 newly right, -1 newly wrong, 0 else.
        labels: (N,) true classes.
        n_true: (C,) images of a class.
        groups: (N,) groups of images, or None.
        design_effect: of all images; a stratum has its own if that is more.
    """
    gained = np.bincount(labels[changes > 0], minlength=len(n_true)) / np.maximum(n_true, 1)
    lost = np.bincount(labels[changes < 0], minlength=len(n_true)) / np.maximum(n_true, 1)
    by_size = np.argsort(n_true, kind="stable")
    by_size = by_size[n_true[by_size] > 0]
    start = 0
    while start < len(by_size):
        smallest = int(n_true[by_size[start]])
        end = int(np.searchsorted(n_true[by_size], _ALIKE * smallest, side="right"))
        classes = by_size[start:end]
        images = np.isin(labels, classes)
        effect = design_effect
        if groups is not None:
            effect = max(effect, _design_effect(changes[images], groups[images]))
        n = smallest * len(classes) / effect
        yield Stratum(
            share=len(classes) / len(by_size),
            counted=Discordance(
                n=n,
                newly_right=n * float(gained[classes].mean()),
                newly_wrong=n * float(lost[classes].mean()),
            ),
        )
        start = end


def _design_effect(changes: _IntArray, groups: _IntArray) -> float:
    if np.all(groups == groups[0]):
        return float(len(groups))  # a single group is worth an image
    return cluster(changes.astype(np.float64), groups).design_effect


def _spanning(found: Sequence[MacroDifference]) -> MacroDifference:
    """Return the first with the outer ends of all."""
    return replace(
        found[0],
        low=min(one.low for one in found),
        high=max(one.high for one in found),
        lower_bound=min(one.lower_bound for one in found),
        upper_bound=max(one.upper_bound for one in found),
    )
