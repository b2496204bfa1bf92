"""Images of one group (a burst, one video) are not independent: how many are they worth?

The variance of a mean over grouped images, divided by that over independent ones, is the design
effect. Counts and n are divided by it; formulas for independent images then hold.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from clipeval.errors import ScoringError
from clipeval.stats.intervals import Interval, wilson_ends
from clipeval.stats.paired import Discordance

_FEWEST_GROUPS = 2
_WORST_CASE_GROUPS = 5
"""Weight of the worst case, in groups; once many groups differ it no longer matters."""


@dataclass(frozen=True, slots=True)
class Clustering:
    """How strongly images hang together."""

    n_groups: int
    design_effect: float
    """Images per independent image, 1 or more."""

    @property
    def df(self) -> int:
        """Degrees of freedom of Student's t: groups - 1."""
        return self.n_groups - 1


def number_groups(groups: Sequence[str | None]) -> npt.NDArray[np.int64] | None:
    """Number the groups of images; an image without one is a group of its own.

    Returns:
        (N,) int64, in the order in which groups first occur; None if no image has a group.
    """
    if all(group is None for group in groups):
        return None
    names = [position if group is None else group for position, group in enumerate(groups)]
    number = {name: index for index, name in enumerate(dict.fromkeys(names))}
    return np.asarray([number[name] for name in names], dtype=np.int64)


def cluster(values: npt.NDArray[np.float64], groups: npt.NDArray[np.int64]) -> Clustering:
    """Measure the design effect of the mean of `values`.

    D = G / (G - 1) * sum over groups of (sum of deviations)^2 / sum of deviations^2, and 1 at
    least: grouped images never count as more than independent ones. Where the values do not vary
    they say nothing of their groups, and D is that of equal images in a group: sum of squared group
    sizes / N. With few groups that differ, D lies between the two.

    Args:
        values: (N,) one number per image, such as correctness of the candidate minus the base's.
        groups: (N,) int64, which group each image is of; any integers.
    Raises:
        ScoringError: lengths differ, a value is not finite, or there are fewer than two groups.
    Source: Rao & Scott, "A simple method for the analysis of clustered binary data", Biometrics 48
        (1992) 577-585, with the factor G / (G - 1) for few groups; Kish, Survey Sampling (1965), for
        equal images: 1 + (m - 1) * 1 in groups of m.
    """
    if values.shape != groups.shape or values.ndim != 1:
        raise ScoringError(
            f"values have shape {values.shape} and groups {groups.shape}; expected the same (N,)"
        )
    if not np.isfinite(values).all():
        raise ScoringError("a value of an image is not finite; expected numbers")
    _, first, group_of, sizes = np.unique(
        groups, return_index=True, return_inverse=True, return_counts=True
    )
    n_groups = len(sizes)
    if n_groups < _FEWEST_GROUPS:
        raise ScoringError(
            f"{len(values)} images in {n_groups} group(s) do not tell how groups differ; expected "
            "two groups or more"
        )
    if values.min() == values.max():
        return Clustering(n_groups, float(np.square(sizes).sum() / len(values)))
    deviations = values - values.mean()
    of_groups = np.bincount(group_of, weights=deviations)
    ratio = float(np.square(of_groups).sum() / np.square(deviations).sum())
    measured = n_groups / (n_groups - 1) * ratio
    # Few groups that differ say little of how alike images of a group are: the first flipped image must
    # not make a thousand alike ones count as independent.
    n_telling = _groups_that_differ(values, values[first], group_of)
    weight = n_telling / (n_telling + _WORST_CASE_GROUPS)
    worst_case = float(np.square(sizes).sum() / len(values))
    return Clustering(n_groups, max(1.0, weight * measured + (1 - weight) * worst_case))


def _groups_that_differ(
    values: npt.NDArray[np.float64],
    first_values: npt.NDArray[np.float64],
    group_of: npt.NDArray[np.int64],
) -> int:
    """Count groups that are not wholly of the value that most groups are wholly of."""
    n_groups = len(first_values)
    has_others = np.zeros(n_groups, dtype=np.bool_)
    has_others[group_of[values != first_values[group_of]]] = True
    _, n_alike = np.unique(first_values[~has_others], return_counts=True)
    return n_groups - int(n_alike.max(initial=0))


def effective(found: Discordance, clustering: Clustering) -> Discordance:
    """Return what the counts are worth in independent images: all three divided by the effect.

    Take Student's t with clustering.df for intervals and tests of the result.

    Raises:
        ScoringError: the design effect is below 1 or not finite.
    Source: Rao & Scott, Biometrics 48 (1992) 577-585.
    """
    effect = _checked_effect(clustering)
    return Discordance(
        n=found.n / effect,
        newly_right=found.newly_right / effect,
        newly_wrong=found.newly_wrong / effect,
    )


def effective_wilson_interval(
    successes: int, n: int, clustering: Clustering, *, confidence: float = 0.95
) -> Interval:
    """Return the Wilson score interval of a proportion of grouped images.

    The normal quantile is taken, not Student's t: with few groups (below about 20) the interval is
    somewhat too narrow.

    Args:
        successes: count, 0 <= successes <= n.
        n: images.
        clustering: of the images' correctness.
        confidence: coverage of the two-sided interval, in (0, 1).
    Returns:
        An interval in [0, 1] that contains successes / n.
    Raises:
        ScoringError: n is zero, the count or confidence is out of range, or the design effect is
            below 1.
    Source: Rao & Scott, Biometrics 48 (1992) 577-585; Wilson, JASA 22 (1927) 209-212, with numbers that
        are not whole.
    """
    if not 0 <= successes <= n or n == 0:
        raise ScoringError(f"{successes} successes in {n} trials; expected 0 <= successes <= n")
    if not 0 < confidence < 1:
        raise ScoringError(f"confidence {confidence} is outside (0, 1); 0.95 is usual")
    effect = _checked_effect(clustering)
    low, high = wilson_ends(
        np.array([successes / n]), np.array([n / effect]), confidence=confidence
    )
    return Interval(float(low[0]), float(high[0]))


def _checked_effect(clustering: Clustering) -> float:
    effect = clustering.design_effect
    if not (np.isfinite(effect) and effect >= 1):
        raise ScoringError(f"a design effect of {effect}; expected a finite number >= 1")
    return effect
