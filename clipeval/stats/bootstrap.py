"""Differences of macro averages between two models: the bootstrap.

A macro average is no mean over images, so no formula gives its interval. scipy.stats.bootstrap does
not serve: it can pair samples, but neither keep the number of images of each class (stratify) nor
draw whole groups of images (clusters), and both are needed here.

An image's draws depend on its position, on which images share its class or group, and on the seed,
but not on predictions or on how classes are numbered. So swapping the models mirrors the result.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, get_args

import numpy as np
import numpy.typing as npt

from clipeval.errors import ScoringError

MacroMetric = Literal["macro_recall", "macro_precision", "macro_f1"]
_IntArray = npt.NDArray[np.int64]
_FloatArray = npt.NDArray[np.float64]
_Counts = npt.NDArray[np.integer[Any]] | _FloatArray
METRICS: tuple[MacroMetric, ...] = get_args(MacroMetric)
_TWO_SIDED = (0.025, 0.975)
_ONE_SIDED = (0.05, 0.95)


@dataclass(frozen=True, slots=True, kw_only=True)
class MacroDifference:
    """One macro metric of both models and the bootstrap interval of its difference."""

    base: float
    candidate: float
    value: float
    """candidate - base."""
    low: float
    high: float
    """Ends of the two-sided 95% interval."""
    lower_bound: float
    """The difference is above it with 95% confidence (one-sided)."""
    upper_bound: float
    """The difference is below it with 95% confidence (one-sided)."""


def bootstrap_differences(
    base: _IntArray,
    candidate: _IntArray,
    labels: _IntArray,
    *,
    n_classes: int,
    groups: _IntArray | None = None,
    n_resamples: int = 2000,
    seed: int = 0,
) -> dict[MacroMetric, MacroDifference]:
    """Resample the differences in macro recall, precision and F1 of two models on the same images.

    Images are drawn with replacement within each true class, the same draw for both models. With
    groups, whole groups are drawn: within each class if no group spans two classes, else from all;
    a class that vanishes from a draw is then left out of its mean. A class with a single image (or
    group) never varies within its class, so its share of the uncertainty is missing: take
    clipeval.stats.macro_differences, which makes up for it.

    Args:
        base: (N,) int64 class indices predicted by the base model.
        candidate: (N,) int64 class indices predicted by the candidate.
        labels: (N,) int64 true class indices.
        n_classes: C; all indices are in [0, C).
        groups: (N,) int64, which group each image is of; None if images are independent.
        n_resamples: draws.
        seed: of the draws.
    Returns:
        One difference per metric, averaged over classes with true images (a class never predicted
        has precision 0): the same numbers as clipeval.metrics.macro_averages.
    Raises:
        ScoringError: N or n_resamples is zero, lengths differ, or a class index is out of range.
    Source: Efron & Tibshirani, An Introduction to the Bootstrap (1993), section 13.3 (percentile
        interval); Davison & Hinkley, Bootstrap Methods (1997), sections 3.2 (strata) and 3.8.
    """
    check_predictions(base, candidate, labels, groups, n_classes=n_classes)
    if n_resamples < 1:
        raise ScoringError(f"{n_resamples} resamples give no interval; expected 1 or more")
    table = _Table.of(base, candidate, labels)
    draw = _Draw.of(table.stratum, groups)
    measured = table.measure(np.ones(len(labels), dtype=np.int64))
    rng = np.random.default_rng(seed)
    drawn = np.stack([table.measure(draw.weights(rng)) for _ in range(n_resamples)])
    differences = drawn[:, 1] - drawn[:, 0]
    return {
        name: _summarise(float(measured[0, k]), float(measured[1, k]), differences[:, k])
        for k, name in enumerate(METRICS)
    }


def class_ratios(
    n_right: _Counts, n_true: _Counts, n_predicted: _Counts
) -> tuple[_FloatArray, _FloatArray, _FloatArray]:
    """Return recall, precision and F1 of classes, in the order of MacroMetric.

    Without images of a class, or predictions as it, n_right is 0 too, and so is the ratio.
    """
    return (
        n_right / np.maximum(n_true, 1),
        n_right / np.maximum(n_predicted, 1),
        2 * n_right / np.maximum(n_true + n_predicted, 1),
    )


def _summarise(base: float, candidate: float, differences: _FloatArray) -> MacroDifference:
    low, high, lower_bound, upper_bound = np.quantile(
        differences, (*_TWO_SIDED, *_ONE_SIDED)
    ).tolist()
    return MacroDifference(
        base=base,
        candidate=candidate,
        value=candidate - base,
        low=low,
        high=high,
        lower_bound=lower_bound,
        upper_bound=upper_bound,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Table:
    """Images by true class, classes in the order in which they first occur: strata."""

    stratum: _IntArray
    """(N,) stratum of each image's true class."""
    predicted: tuple[_IntArray, _IntArray]
    """Base and candidate: (N,) stratum of the predicted class; K for a class without images."""
    right: tuple[_IntArray, _IntArray]
    """Base and candidate: positions of the images that they get right."""
    n_strata: int

    @classmethod
    def of(cls, base: _IntArray, candidate: _IntArray, labels: _IntArray) -> _Table:
        stratum, n_strata = _by_first_position(labels)
        stratum_of = np.full(int(max(x.max() for x in (base, candidate, labels))) + 1, n_strata)
        stratum_of[labels] = stratum
        both = (stratum_of[base], stratum_of[candidate])
        return cls(
            stratum=stratum,
            predicted=both,
            right=(np.flatnonzero(both[0] == stratum), np.flatnonzero(both[1] == stratum)),
            n_strata=n_strata,
        )

    def measure(self, weights: _IntArray) -> _FloatArray:
        """Return (2, 3): recall, precision and F1 of both models, each image counted so often."""
        # A weighted bincount wants floats; one conversion here instead of five inside.
        times = weights.astype(np.float64)
        n_true = np.bincount(self.stratum, weights=times, minlength=self.n_strata)
        present = n_true > 0
        rows = []
        for predicted, right in zip(self.predicted, self.right, strict=True):
            n_predicted = np.bincount(predicted, weights=times, minlength=self.n_strata + 1)[:-1]
            n_right = np.bincount(
                self.stratum[right], weights=times[right], minlength=self.n_strata
            )
            ratios = class_ratios(n_right, n_true, n_predicted)
            rows.append([float(each[present].mean()) for each in ratios])
        return np.array(rows)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Draw:
    """What is drawn with replacement: images or groups, each within its stratum or among all."""

    unit_of_image: _IntArray | None
    """(N,) unit of each image; None if every image is its own."""
    order: _IntArray
    """(U,) units, those of one stratum side by side."""
    start: _IntArray
    """(U,) where in `order` the stratum of the unit there begins."""
    size: _FloatArray
    """(U,) units in that stratum."""

    @classmethod
    def of(cls, stratum: _IntArray, groups: _IntArray | None) -> _Draw:
        if groups is None:
            return cls._within(stratum, unit_of_image=None)
        unit_of_image, n_units = _by_first_position(groups)
        stratum_of_unit = np.zeros(n_units, dtype=np.int64)
        stratum_of_unit[unit_of_image] = stratum
        if not np.array_equal(stratum_of_unit[unit_of_image], stratum):
            stratum_of_unit[:] = 0  # a group spans classes: one stratum of all groups
        return cls._within(stratum_of_unit, unit_of_image=unit_of_image)

    @classmethod
    def _within(cls, stratum: _IntArray, *, unit_of_image: _IntArray | None) -> _Draw:
        sizes = np.bincount(stratum)
        return cls(
            unit_of_image=unit_of_image,
            order=np.argsort(stratum, kind="stable"),
            start=np.repeat(np.cumsum(sizes) - sizes, sizes),
            size=np.repeat(sizes, sizes).astype(np.float64),
        )

    def weights(self, rng: np.random.Generator) -> _IntArray:
        """Return (N,) how often each image is drawn."""
        n_units = len(self.order)
        # Rounded down before the start is added: a sum close to the next stratum might round up.
        chosen = self.start + (rng.random(n_units) * self.size).astype(np.int64)
        times = np.bincount(self.order[chosen], minlength=n_units)
        return times if self.unit_of_image is None else times[self.unit_of_image]


def _by_first_position(keys: _IntArray) -> tuple[_IntArray, int]:
    """Renumber keys 0, 1, ... in the order in which they first occur; also return how many."""
    _, first, inverse = np.unique(keys, return_index=True, return_inverse=True)
    rank = np.empty(len(first), dtype=np.int64)
    rank[np.argsort(first)] = np.arange(len(first))
    return rank[inverse], len(first)


def check_predictions(
    base: _IntArray,
    candidate: _IntArray,
    labels: _IntArray,
    groups: _IntArray | None,
    *,
    n_classes: int,
) -> None:
    """Refuse what is no pair of predictions for the same images.

    Raises:
        ScoringError: N is zero, lengths differ, or a class index is out of range.
    """
    shape = labels.shape
    if len(shape) != 1 or not len(labels):
        raise ScoringError(f"labels have shape {shape}; expected (N,) with N >= 1")
    classes = {"labels": labels, "base predictions": base, "candidate predictions": candidate}
    for name, array in {**classes, "groups": labels if groups is None else groups}.items():
        if array.shape != shape:
            raise ScoringError(f"{name} have shape {array.shape} and labels {shape}; expected same")
    for name, array in classes.items():
        wrong = np.flatnonzero((array < 0) | (array >= n_classes))
        if len(wrong):
            raise ScoringError(
                f"{name}: class {array[wrong[0]]} of image {wrong[0]} is outside [0, {n_classes})"
            )
