"""The same simulation for macro recall, precision and F1, whose classes may be small and unlike in size.

Part of verdicts.py. Runs are fewer, for a bootstrap takes long. It can only widen an interval, so it is
made only where the score interval alone would decide; with fewer draws than the package's.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from simulation import CLAIMED_SHARE, Row, claim_of, false_share, is_at_most

from clipeval.stats import MacroEffects, MacroMetric, macro_differences

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]

METRICS: tuple[MacroMetric, ...] = ("macro_recall", "macro_precision", "macro_f1")
STATES = ("FAIL", "PASS")
IMAGES = (100, 500, 2000)
RUNS_SHARE = 10
"""Here there is one run for so many of the other tables."""
N_RESAMPLES = 500
RATE = 0.1
"""Chance that an image is discordant."""
DROP = 0.03
BASE_ACCURACY = 0.8
GROUP_SIZE = 5
CORRELATION = 0.9


@dataclass(frozen=True, slots=True, kw_only=True)
class Design:
    """Images of a data set: their classes, and which belong together."""

    labels: Ints
    """(N,) true classes."""
    groups: Ints | None = None
    """(N,) groups of images that are mostly alike, each within one class."""

    @property
    def n_classes(self) -> int:
        """Classes, all with images."""
        return int(self.labels.max()) + 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Simulated:
    """Two models on a data set, again and again."""

    design: Design
    base: Ints
    """(runs, N) predicted classes."""
    candidate: Ints


def of_classes(n_classes: int) -> Callable[[int], Design]:
    """Return data sets of classes alike in size."""
    return lambda n: Design(labels=np.sort(np.arange(n) % n_classes))


def one_image_each(n: int) -> Design:
    """Return a data set with as many classes as images."""
    return Design(labels=np.arange(n))


def long_tailed(n: int) -> Design:
    """Return 20 classes whose sizes fall off, from 36 to 48% of all images to two, or ten of 2,000."""
    shares = np.arange(1, 21, dtype=np.float64) ** -1.5
    sizes = np.maximum(2, np.floor(n * shares / shares.sum())).astype(np.int64)
    sizes[0] += n - sizes.sum()
    return Design(labels=np.repeat(np.arange(20), sizes))


def in_groups(n: int) -> Design:
    """Return five classes alike in size, of groups of images."""
    return Design(labels=np.sort(np.arange(n) % 5), groups=np.arange(n) // GROUP_SIZE)


def of_sizes(*sizes: int) -> Design:
    """Return classes with so many images each."""
    return Design(labels=np.repeat(np.arange(len(sizes)), sizes))


SMALL_CLASSES_WORSE: tuple[tuple[str, Design, Floats], ...] = (
    ("50 x 4, 2", of_sizes(50, 50, 50, 50, 2), np.array([0, 0, 0, 0, 0.5])),
    ("95, 5", of_sizes(95, 5), np.array([0, 0.3])),
    ("30 x 5, 1 x 5", of_sizes(*[30] * 5, *[1] * 5), np.repeat([0, 0.3], 5)),
    ("long tail, 500 in 20", long_tailed(500), np.repeat([0, 0.3], [15, 5])),
)
"""What the classes are, and how much of recall each loses."""
DESIGNS: tuple[tuple[str, Callable[[int], Design]], ...] = (
    ("5", of_classes(5)),
    ("20", of_classes(20)),
    ("one image each", one_image_each),
    ("20, long tail", long_tailed),
    (f"5, groups of {GROUP_SIZE}", in_groups),
)


def simulate(
    design: Design, *, drop: float | Floats, runs: int, rng: np.random.Generator
) -> Simulated:
    """Draw models of which the candidate loses `drop` of recall; wrong answers are any.

    Args:
        design: the images.
        drop: in every class, or (C,) in each; where it is more than RATE, nothing else changes.
        runs: how many pairs of models.
        rng: draws them.
    """
    drops = np.broadcast_to(drop, design.n_classes)[design.labels]
    rates = np.maximum(RATE, drops)
    newly_wrong, newly_right = (rates + drops) / 2, (rates - drops) / 2
    n = len(design.labels)
    fates = _alike(design.groups, rng.random((runs, n)), rng)
    places = 1 + np.floor(
        _alike(design.groups, rng.random((runs, n)), rng) * (design.n_classes - 1)
    )
    wrong = (design.labels + places.astype(np.int64)) % design.n_classes
    both = (fates >= rates) & (fates < rates + BASE_ACCURACY - newly_wrong)
    base = np.where(both | (fates < newly_wrong), design.labels, wrong)
    is_new = (fates >= newly_wrong) & (fates < newly_wrong + newly_right)
    return Simulated(
        design=design, base=base, candidate=np.where(both | is_new, design.labels, wrong)
    )


def _alike(groups: Ints | None, own: Floats, rng: np.random.Generator) -> Floats:
    """Give images their group's number with the chance that makes two of them alike by CORRELATION."""
    if groups is None:
        return own
    common = rng.random((len(own), groups.max() + 1))[:, groups]
    return np.where(rng.random(own.shape) < CORRELATION, common, own)


def macro_ends(found: Simulated, *, drop: float | Floats) -> Floats:
    """Return (runs, 3, 2): the 90% interval of every run, less the true differences.

    That of recall is the mean drop. Those of precision and F1 hang on how many images a class has: they
    are the means of all runs. With no drop all are 0. An interval that holds the truth is not made wider.
    """
    scores = [_scores(found, run) for run in range(len(found.base))]
    is_worse = bool(np.any(drop))
    truth = (
        np.mean([values for values, _ in scores], axis=0) if is_worse else np.zeros(len(METRICS))
    )
    truth[METRICS.index("macro_recall")] = -np.mean(drop)
    ends = np.array([interval for _, interval in scores]) - truth[:, None]
    decides = (ends[:, :, 0] > 0) | (ends[:, :, 1] < 0)
    for run in np.flatnonzero(decides.any(axis=1)).tolist():
        ends[run] = _package_ends(found, run) - truth[:, None]
    return ends


def identical_models(*, runs: int, rng: np.random.Generator) -> Iterable[Row]:
    """Judge models that differ by noise alone: how often is a FAIL called at margin 0?"""
    for cells, ends in _all_designs(drop=0.0, runs=runs // RUNS_SHARE, rng=rng):
        failed = np.mean(ends[:, :, 1] < 0, axis=0).tolist()
        yield _row(cells, failed, len(ends))


def models_at_the_margin(*, runs: int, rng: np.random.Generator) -> Iterable[Row]:
    """Judge models whose true drop is the margin: neither verdict is right, each at most 5%."""
    for cells, ends in _all_designs(drop=DROP, runs=runs // RUNS_SHARE, rng=rng):
        yield _row_of_verdicts(cells, ends)


def small_classes_worse(*, runs: int, rng: np.random.Generator) -> Iterable[Row]:
    """Judge models of which the smallest classes alone got worse, by the margin on average."""
    for name, design, drops in SMALL_CLASSES_WORSE:
        found = simulate(design, drop=drops, runs=max(1, runs // RUNS_SHARE), rng=rng)
        ends = macro_ends(found, drop=drops)
        yield _row_of_verdicts((name, f"{np.mean(drops):.3f}"), ends)


_VERDICT_COLUMNS = tuple(
    f"{name} {state}" for name in ("recall", "precision", "F1") for state in STATES
)
MACRO_TABLES = (
    (
        "Macro metrics, identical models with label noise: FAIL at margin 0 (stated: at most 5%)",
        ("images", "classes", "recall", "precision", "F1"),
        identical_models,
    ),
    (
        f"Macro metrics, true drop and margin {DROP}: FAIL and PASS (stated: at most 5% each)",
        ("images", "classes", *_VERDICT_COLUMNS),
        models_at_the_margin,
    ),
    (
        "Macro metrics, only the smallest classes worse, on average by the margin: FAIL, PASS (stated: 5%)",
        ("images of classes", "margin", *_VERDICT_COLUMNS),
        small_classes_worse,
    ),
)


def _all_designs(
    *, drop: float, runs: int, rng: np.random.Generator
) -> Iterable[tuple[tuple[str, str], Floats]]:
    runs = max(1, runs)
    for name, design_of in DESIGNS:
        for n in IMAGES:
            found = simulate(design_of(n), drop=drop, runs=runs, rng=rng)
            yield (f"{n}", name), macro_ends(found, drop=drop)


def _row_of_verdicts(cells: tuple[str, ...], ends: Floats) -> Row:
    failed = np.mean(ends[:, :, 1] < 0, axis=0)
    passed = np.mean(ends[:, :, 0] > 0, axis=0)
    return _row(cells, np.stack([failed, passed], axis=1).ravel().tolist(), len(ends))


def _row(cells: tuple[str, ...], shares: list[float], runs: int) -> Row:
    holds = all(is_at_most(share, CLAIMED_SHARE, runs) for share in shares)
    return Row((*cells, *(false_share(share, runs) for share in shares)), claim_of(holds=holds))


def _scores(found: Simulated, run: int) -> tuple[Floats, list[tuple[float, float]]]:
    effects = MacroEffects.of(
        found.base[run],
        found.candidate[run],
        found.design.labels,
        n_classes=found.design.n_classes,
        groups=found.design.groups,
    )
    intervals = effects.score_intervals(confidence=0.9)
    return effects.differences, [(intervals[name].low, intervals[name].high) for name in METRICS]


def _package_ends(found: Simulated, run: int) -> Floats:
    differences = macro_differences(
        found.base[run],
        found.candidate[run],
        found.design.labels,
        n_classes=found.design.n_classes,
        groups=found.design.groups,
        n_resamples=N_RESAMPLES,
    )
    bounds = [differences[name] for name in METRICS]
    return np.array([(one.lower_bound, one.upper_bound) for one in bounds])
