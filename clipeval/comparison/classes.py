"""Which classes changed: recall of each class, on the images of that class."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from clipeval.comparison.binary import PairedProportions
from clipeval.comparison.pairing import PairedCells
from clipeval.records import ClassDifference
from clipeval.records.results import IntArray
from clipeval.stats import holm


def class_differences(
    paired: PairedCells, groups: IntArray | None, *, order: Sequence[str]
) -> tuple[ClassDifference, ...]:
    """Compare recall class by class, p values adjusted by Holm.

    A class whose images are all of one group has the p value 1 and the interval [-1, 1]: nothing is
    known about other groups of it.

    Args:
        paired: the two cells.
        groups: (N,) indices of groups of dependent images, or None.
        order: class keys in the order of the result.
    Returns:
        One entry for each class that has images.
    """
    position = {key: index for index, key in enumerate(paired.candidate.class_keys)}
    present = set(paired.candidate.labels.tolist())
    counted = {
        index: class_proportions(paired, index, groups)
        for index in (position[key] for key in order)
        if index in present
    }
    p_values = [1.0 if one is None else one.p_value() for one in counted.values()]
    adjusted = holm(np.asarray(p_values)).tolist()
    return tuple(
        _difference(paired, index, one, p_value, adjusted_p)
        for (index, one), p_value, adjusted_p in zip(
            counted.items(), p_values, adjusted, strict=True
        )
    )


def class_proportions(
    paired: PairedCells, index: int, groups: IntArray | None
) -> PairedProportions | None:
    """Count one class; None if its images are all of one group."""
    of_class = paired.candidate.labels == index
    then = paired.base.predicted[of_class] == index
    now = paired.candidate.predicted[of_class] == index
    if groups is None:
        return PairedProportions.of(then, now, None)
    _, within = np.unique(groups[of_class], return_inverse=True)
    if within.max() == 0:
        return None
    return PairedProportions.of(then, now, within.astype(np.int64))


def _difference(
    paired: PairedCells,
    index: int,
    counted: PairedProportions | None,
    p_value: float,
    adjusted_p: float,
) -> ClassDifference:
    of_class = paired.candidate.labels == index
    then = paired.base.predicted[of_class] == index
    now = paired.candidate.predicted[of_class] == index
    interval = counted.interval() if counted else None
    return ClassDifference(
        name=paired.candidate.class_names[index],
        n=int(np.count_nonzero(of_class)),
        base_recall=float(np.mean(then)),
        candidate_recall=float(np.mean(now)),
        difference=(int(np.count_nonzero(now)) - int(np.count_nonzero(then))) / len(then),
        low=interval.low if interval else -1.0,
        high=interval.high if interval else 1.0,
        n_newly_right=int(np.count_nonzero(~then & now)),
        n_newly_wrong=int(np.count_nonzero(then & ~now)),
        p_value=p_value,
        adjusted_p=adjusted_p,
    )
