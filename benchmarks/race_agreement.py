"""Do contestants predict the same class for every image and template?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

TIE = 1e-5
"""Two classes whose cosines differ by less, for both contestants, are a tie: float32 breaks it either way."""


class PredictionsError(ValueError):
    """Contestants did not score the same images."""


@dataclass(frozen=True, slots=True)
class Predictions:
    """What one contestant predicts with one template, sorted by path."""

    paths: tuple[str, ...]
    """(N) relative to the folder of photos, in POSIX form."""
    predicted: tuple[str, ...]
    """(N) names of classes."""
    top: npt.NDArray[np.float32]
    """(N,) cosine of the predicted class."""
    margin: npt.NDArray[np.float32]
    """(N,) how far the second class is behind."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Agreement:
    """How two contestants' predictions compare, over images and templates."""

    n: int
    n_ties: int
    """Different predictions where both contestants' best two classes are closer than TIE."""
    n_different: int
    """Different predictions that no tie excuses."""
    largest_difference: float
    """Between the cosines of the predicted classes."""

    @property
    def share(self) -> float:
        """Share of equal predictions."""
        return (self.n - self.n_ties - self.n_different) / self.n


def sorted_predictions(
    paths: Sequence[str],
    predicted: Sequence[str],
    top: npt.NDArray[np.float32],
    margin: npt.NDArray[np.float32],
) -> Predictions:
    """Sort predictions by path."""
    order = sorted(range(len(paths)), key=paths.__getitem__)
    return Predictions(
        paths=tuple(paths[i] for i in order),
        predicted=tuple(predicted[i] for i in order),
        top=top[order],
        margin=margin[order],
    )


def compare_predictions(ours: Sequence[Predictions], theirs: Sequence[Predictions]) -> Agreement:
    """Compare predictions, template by template.

    Raises:
        PredictionsError: the templates or the images are not the same, or there are none.
    """
    if len(ours) != len(theirs) or not ours:
        raise PredictionsError(f"{len(ours)} templates here, {len(theirs)} there; expected as many")
    n = n_ties = n_different = 0
    largest = 0.0
    for mine, other in zip(ours, theirs, strict=True):
        if mine.paths != other.paths or not mine.paths:
            missing = sorted(set(mine.paths) ^ set(other.paths))
            raise PredictionsError(
                f"not the same images: {', '.join(missing[:5]) or 'none at all'}"
            )
        is_different = np.array(mine.predicted) != np.array(other.predicted)
        is_tie = is_different & (np.maximum(mine.margin, other.margin) < TIE)
        n += len(is_different)
        n_ties += int(is_tie.sum())
        n_different += int(is_different.sum() - is_tie.sum())
        largest = max(largest, float(np.abs(mine.top - other.top).max()))
    return Agreement(n=n, n_ties=n_ties, n_different=n_different, largest_difference=largest)
