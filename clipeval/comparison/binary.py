"""Right or wrong, twice for every image: the difference of two proportions on the same images."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

import numpy as np

from clipeval.comparison.pairing import PairedCells
from clipeval.errors import ScoringError
from clipeval.records import CellOutcomes, Difference
from clipeval.records.results import BoolArray, IntArray
from clipeval.stats import (
    Clustering,
    Discordance,
    Interval,
    cluster,
    effective,
    mcnemar_mid_p,
    minimum_detectable_difference,
    number_groups,
    score_p_value,
    tango_interval,
)

ONE_SIDED = 0.90
"""A two-sided interval at 90% has the one-sided 95% bounds as its ends."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PairedProportions:
    """What two cells have right, image by image, counted."""

    n_base: int
    """Images that the base has right."""
    n_candidate: int
    found: Discordance
    clustering: Clustering | None

    @classmethod
    def of(cls, then: BoolArray, now: BoolArray, groups: IntArray | None) -> PairedProportions:
        """Count.

        Args:
            then: (N,) whether the base is right.
            now: (N,) whether the candidate is.
            groups: (N,) indices of groups of dependent images, or None.
        Raises:
            ScoringError: N is zero, or all images are of one group.
        """
        found = Discordance(
            n=len(then),
            newly_right=int(np.count_nonzero(~then & now)),
            newly_wrong=int(np.count_nonzero(then & ~now)),
        )
        clustering = None
        if groups is not None:
            clustering = cluster(now.astype(np.float64) - then, groups)
        return cls(
            n_base=int(np.count_nonzero(then)),
            n_candidate=int(np.count_nonzero(now)),
            found=found,
            clustering=clustering,
        )

    @property
    def counted(self) -> Discordance:
        """The counts that independent images would give as much evidence with."""
        return effective(self.found, self.clustering) if self.clustering else self.found

    @property
    def df(self) -> int | None:
        """Degrees of freedom of the t distribution that groups call for; None without groups."""
        return self.clustering.df if self.clustering else None

    def interval(self, confidence: float = 0.95) -> Interval:
        """Return Tango's interval of the difference."""
        counted = self.counted
        return _tango(counted.newly_right, counted.newly_wrong, counted.n, confidence, self.df)

    def difference(self) -> Difference:
        """Return both proportions, their difference and its intervals."""
        two_sided, one_sided = self.interval(), self.interval(ONE_SIDED)
        return Difference(
            base=self.n_base / self.found.n,
            candidate=self.n_candidate / self.found.n,
            value=self.found.difference,
            low=two_sided.low,
            high=two_sided.high,
            lower_bound=one_sided.low,
            upper_bound=one_sided.high,
            method="tango-rao-scott" if self.clustering else "tango",
        )

    def p_value(self) -> float:
        """Return the two-sided p value of no difference: mid-p McNemar, with groups the score test."""
        if self.clustering is None:
            return mcnemar_mid_p(
                newly_right=int(self.found.newly_right), newly_wrong=int(self.found.newly_wrong)
            )
        return score_p_value(self.counted, difference=0.0, alternative="two-sided", df=self.df)

    def p_beyond(self, difference: float, alternative: Literal["less", "greater"]) -> float:
        """Return the one-sided p value of the true difference not being on that side of a limit."""
        return score_p_value(
            self.counted, difference=difference, alternative=alternative, df=self.df
        )

    def detectable(self) -> float:
        """Return the smallest difference that so many images, so discordant, show in 80% of cases."""
        return minimum_detectable_difference(n=self.counted.n, rate=self.counted.rate, df=self.df)


def group_indices(cell: CellOutcomes) -> IntArray | None:
    """Number the groups of a cell's images; an image without one is a group of its own.

    Returns:
        (N,) int64, or None if no image has a group.
    Raises:
        ScoringError: all images are of one group.
    """
    groups = number_groups(cell.groups)
    if groups is not None and groups.max() == 0:
        raise ScoringError(
            f"{cell.cell}: all {len(groups):,} images are of one group, '{cell.groups[0]}': one group "
            "says nothing about others; expected two or more in the column 'group'"
        )
    return groups


def paired_groups(paired: PairedCells) -> IntArray | None:
    """Number the groups of two cells' images, whichever of the two is called the base.

    Where only one of the two knows groups, its are taken. Where both do, images that either holds to be
    of one group are of one.

    Returns:
        (N,) int64, or None if neither knows groups.
    Raises:
        ScoringError: all images are of one group.
    """
    then, now = group_indices(paired.base), group_indices(paired.candidate)
    if then is None or now is None:
        return now if then is None else then
    if np.array_equal(then, now):
        return now
    # Groups that differ are rare, and importing this takes a tenth of a second.
    from scipy.sparse import coo_array  # noqa: PLC0415
    from scipy.sparse.csgraph import connected_components  # noqa: PLC0415

    n_then, n_now = int(then.max()) + 1, int(now.max()) + 1
    links = coo_array(
        (np.ones(len(then)), (then, n_then + now)), shape=(n_then + n_now, n_then + n_now)
    )
    _, joined = connected_components(links, directed=False)
    return np.asarray(joined[then], dtype=np.int64)


def newly_wrong_clustering(paired: PairedCells) -> Clustering | None:
    """Return how much the newly wrong images keep to their groups; None without groups.

    Not the same as for the difference: images newly right and newly wrong in one group cancel there.
    """
    groups = paired_groups(paired)
    if groups is None:
        return None
    then, now = paired.base, paired.candidate
    newly_wrong = (then.predicted == then.labels) & (now.predicted != now.labels)
    return cluster(newly_wrong.astype(np.float64), groups)


@lru_cache(maxsize=4096)
def _tango(
    newly_right: float, newly_wrong: float, n: float, confidence: float, df: int | None
) -> Interval:
    """Return tango_interval; a thousand classes share few different counts."""
    found = Discordance(n=n, newly_right=newly_right, newly_wrong=newly_wrong)
    return tango_interval(found, confidence=confidence, df=df)
