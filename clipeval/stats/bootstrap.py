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
_BLOCK_ENTRIES = 2**14
"""Draws at once: they stay in the processor's cache, and memory does not grow with resamples."""
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
    draw = _Draw.of(table, groups)
    measured = table.measure(table.n_images[np.newaxis])[0]
    rng = np.random.default_rng(seed)
    at_once = max(1, _BLOCK_ENTRIES // len(labels))
    drawn = np.concatenate(
        [
            table.measure(draw.counts(rng, min(at_once, n_resamples - done)))
            for done in range(0, n_resamples, at_once)
        ]
    )
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
class _Sums:
    """Adds up the entries of a row that have equal keys."""

    n_keys: int
    order: _IntArray
    """Entries, those of one key side by side."""
    found: _IntArray
    """Keys that there are, ascending."""
    first: _IntArray
    """Where in `order` each of them begins."""

    @classmethod
    def by(
        cls, keys: _IntArray, *, n_keys: int, only: npt.NDArray[np.bool_] | None = None
    ) -> _Sums:
        """Prepare to add by (T,) keys, of all entries or of some only."""
        chosen = np.arange(len(keys)) if only is None else np.flatnonzero(only)
        order = chosen[np.argsort(keys[chosen], kind="stable")]
        found, first = np.unique(keys[order], return_index=True)
        return cls(n_keys=n_keys, order=order, found=found, first=first)

    def of(self, rows: _IntArray) -> _IntArray:
        """Return (R, n_keys) sums of (R, T) rows."""
        sums = np.zeros((len(rows), self.n_keys), dtype=np.int64)
        if len(self.order):
            in_order = np.take(rows, self.order, axis=1)
            sums[:, self.found] = np.add.reduceat(in_order, self.first, axis=1)
        return sums


@dataclass(frozen=True, slots=True, kw_only=True)
class _Table:
    """Images by kind: true class and both predictions. Few kinds stand for many images.

    Classes are numbered in the order in which they first occur in the truth: strata.
    """

    kind: _IntArray
    """(N,) kind of each image."""
    stratum: _IntArray
    """(N,) stratum of each image's true class."""
    n_images: _IntArray
    """(T,) images of each kind."""
    true: _Sums
    predicted: tuple[_Sums, _Sums]
    """Base and candidate: by predicted class; the last for classes without images."""
    right: tuple[_Sums, _Sums]
    """Base and candidate: by true class, where they get it right."""

    @classmethod
    def of(cls, base: _IntArray, candidate: _IntArray, labels: _IntArray) -> _Table:
        stratum, n_strata = _by_first_position(labels)
        stratum_of = np.full(int(max(x.max() for x in (base, candidate, labels))) + 1, n_strata)
        stratum_of[labels] = stratum
        # One number for each kind: a data set of 10,000 classes has 1e12 of them, far below 2^63.
        codes = (stratum * (n_strata + 1) + stratum_of[base]) * (n_strata + 1)
        found, kind, n_images = np.unique(
            codes + stratum_of[candidate], return_inverse=True, return_counts=True
        )
        rest, candidate_of_kind = np.divmod(found, n_strata + 1)
        true, base_of_kind = np.divmod(rest, n_strata + 1)
        both = (base_of_kind, candidate_of_kind)
        return cls(
            kind=kind,
            stratum=stratum,
            n_images=n_images,
            true=_Sums.by(true, n_keys=n_strata),
            predicted=(
                _Sums.by(both[0], n_keys=n_strata + 1),
                _Sums.by(both[1], n_keys=n_strata + 1),
            ),
            right=(
                _Sums.by(true, n_keys=n_strata, only=both[0] == true),
                _Sums.by(true, n_keys=n_strata, only=both[1] == true),
            ),
        )

    def measure(self, counts: _IntArray) -> _FloatArray:
        """Return (R, 2, 3): recall, precision and F1 of both models in each of R resamples.

        Args:
            counts: (R, T) images of each kind.
        """
        n_true = self.true.of(counts)
        models = []
        for predicted, right in zip(self.predicted, self.right, strict=True):
            ratios = class_ratios(right.of(counts), n_true, predicted.of(counts)[:, :-1])
            models.append(np.stack([_means(each, n_true > 0) for each in ratios], axis=1))
        return np.stack(models, axis=1)


def _means(ratios: _FloatArray, is_present: npt.NDArray[np.bool_]) -> _FloatArray:
    """Average (R, K) ratios over the classes that are present in each resample."""
    if is_present.all():
        return np.asarray(ratios.mean(axis=1))
    return np.array([row[there].mean() for row, there in zip(ratios, is_present, strict=True)])


@dataclass(frozen=True, slots=True, kw_only=True)
class _Draw:
    """What is drawn with replacement: images or groups, each within its stratum or among all."""

    table: _Table
    by_kind: _Sums | None
    """Adds up images that are drawn by group; None if every image is its own."""
    unit_of_image: _IntArray
    """(N,) unit of each image."""
    drawn: _IntArray
    """(U,) units, those of one stratum side by side; their kinds where a unit is an image."""
    start: _IntArray
    """(U,) where in `drawn` the stratum of the unit there begins."""
    size: _FloatArray
    """(U,) units in that stratum."""

    @classmethod
    def of(cls, table: _Table, groups: _IntArray | None) -> _Draw:
        stratum = table.stratum
        if groups is None:
            return cls._within(table, stratum, np.arange(len(stratum)), by_kind=None)
        unit_of_image, n_units = _by_first_position(groups)
        stratum_of_unit = np.zeros(n_units, dtype=np.int64)
        stratum_of_unit[unit_of_image] = stratum
        if not np.array_equal(stratum_of_unit[unit_of_image], stratum):
            stratum_of_unit[:] = 0  # a group spans classes: one stratum of all groups
        by_kind = _Sums.by(table.kind, n_keys=len(table.n_images))
        return cls._within(table, stratum_of_unit, unit_of_image, by_kind=by_kind)

    @classmethod
    def _within(
        cls, table: _Table, stratum: _IntArray, unit_of_image: _IntArray, *, by_kind: _Sums | None
    ) -> _Draw:
        sizes, order = np.bincount(stratum), np.argsort(stratum, kind="stable")
        return cls(
            table=table,
            by_kind=by_kind,
            unit_of_image=unit_of_image,
            drawn=table.kind[order] if by_kind is None else order,
            start=np.repeat(np.cumsum(sizes) - sizes, sizes),
            size=np.repeat(sizes, sizes).astype(np.float64),
        )

    def counts(self, rng: np.random.Generator, n_resamples: int) -> _IntArray:
        """Return (R, T) how many images of each kind are drawn in each of R resamples."""
        n_units = len(self.drawn)
        shares = rng.random((n_resamples, n_units))
        shares *= self.size
        # Rounded down before the start is added: a sum close to the next stratum might round up.
        chosen = shares.astype(np.int64)
        chosen += self.start
        if self.by_kind is None:
            return _count_rows(self.drawn[chosen], n_values=len(self.table.n_images))
        times = _count_rows(self.drawn[chosen], n_values=n_units)
        return self.by_kind.of(np.take(times, self.unit_of_image, axis=1))


def _count_rows(values: _IntArray, *, n_values: int) -> _IntArray:
    """Count each value in each row of (R, M): (R, n_values)."""
    flat = values + n_values * np.arange(len(values))[:, np.newaxis]
    return np.bincount(flat.ravel(), minlength=len(values) * n_values).reshape(-1, n_values)


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
