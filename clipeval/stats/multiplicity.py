"""Many tests at once: p-values adjusted so that chance alone does not make a finding.

Two lines of arithmetic each: statsmodels' multipletests collects garbage on every call, half a second where
torch is loaded, and importing scipy.stats takes as long. Tests hold ours against both.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from clipeval.errors import ScoringError


def holm(p_values: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Adjust p-values so that the chance of any false finding stays below the level compared to.

    Args:
        p_values: (K,) in [0, 1].
    Returns:
        (K,) in [0, 1], each at least its p-value, in the same order.
    Raises:
        ScoringError: a p-value is not in [0, 1], or the shape is not (K,).
    Source: Holm, "A simple sequentially rejective multiple test procedure", Scandinavian Journal of
        Statistics 6 (1979) 65-70.
    """
    _check(p_values)
    order = np.argsort(p_values, kind="stable")
    # The smallest is multiplied by K, the next by K - 1, ...; none may be below one before it.
    stepped = np.maximum.accumulate(p_values[order] * np.arange(len(p_values), 0, -1))
    adjusted = np.empty(len(p_values), dtype=np.float64)
    adjusted[order] = np.minimum(stepped, 1.0)
    return adjusted


def benjamini_hochberg(p_values: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Adjust p-values so that the expected share of false findings stays below the level.

    It holds for independent or positively dependent tests.

    Args:
        p_values: (K,) in [0, 1].
    Returns:
        (K,) in [0, 1], each at least its p-value, in the same order.
    Raises:
        ScoringError: a p-value is not in [0, 1], or the shape is not (K,).
    Source: Benjamini & Hochberg, "Controlling the false discovery rate", Journal of the Royal
        Statistical Society B 57 (1995) 289-300.
    """
    _check(p_values)
    if not len(p_values):
        return np.empty(0, dtype=np.float64)
    order = np.argsort(p_values, kind="stable")
    # The largest is multiplied by K / K, the next by K / (K - 1), ...; none may be above one after it.
    stepped = p_values[order] * (len(p_values) / np.arange(1, len(p_values) + 1))
    adjusted = np.empty(len(p_values), dtype=np.float64)
    adjusted[order] = np.minimum.accumulate(stepped[::-1])[::-1]
    return np.clip(adjusted, 0.0, 1.0)


def _check(p_values: npt.NDArray[np.float64]) -> None:
    if p_values.ndim != 1:
        raise ScoringError(f"p-values have shape {p_values.shape}; expected (K,)")
    # A comparison with NaN is false, so NaN counts as wrong.
    wrong = np.flatnonzero(~((p_values >= 0) & (p_values <= 1)))
    if len(wrong):
        raise ScoringError(
            f"p-value {p_values[wrong[0]]} at position {wrong[0]}; expected it in [0, 1]"
        )
