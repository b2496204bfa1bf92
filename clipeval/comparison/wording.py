"""What a comparison comes to, decided and said."""

from __future__ import annotations

from dataclasses import replace

from clipeval.records import Comparison, Difference, Reproduction
from clipeval.records.comparisons import Conclusion

SIGNIFICANCE = 0.05
_SMALLEST_P = 0.001
_ONE_POINT = 0.01


def concluded(comparison: Comparison) -> Comparison:
    """Decide a comparison and say so in one sentence.

    Better or worse takes both: a p value, adjusted where many were compared, below 0.05, and a 95%
    interval without zero. Anything else is inconclusive, which is not the same as equal.
    """
    conclusion = _conclusion(comparison)
    return replace(comparison, conclusion=conclusion, message=_message(comparison, conclusion))


def points(difference: float) -> str:
    """Format a difference of proportions in percentage points, signed: `-1.2`; never `-0.0`."""
    text = f"{100 * difference:+.1f}"
    return "0.0" if float(text) == 0 else text


def margin_text(margin: float) -> str:
    """Format a margin in percentage points: `1 point`, `0.5 points`."""
    return f"{100 * margin:g} point{'' if margin == _ONE_POINT else 's'}"


def points_interval(low: float, high: float) -> str:
    """Format an interval of differences: `[-1.9, +0.4]`."""
    return f"[{points(low)}, {points(high)}]"


def p_text(p_value: float) -> str:
    """Format a p value: `p 0.031`, `p < 0.001`."""
    if p_value < _SMALLEST_P:
        return f"p < {_SMALLEST_P}"
    rounded = f"{p_value:.3f}"
    is_misleading = (float(rounded) < SIGNIFICANCE) != (p_value < SIGNIFICANCE)
    return f"p {p_value:.6f}" if is_misleading else f"p {rounded}"


def reproduction_text(found: Reproduction, n_images: int) -> str:
    """Say how exactly a model was reproduced."""
    drifts = [drift for drift in (found.image_drift, found.text_drift) if drift is not None]
    drift = f"embeddings drift by {max(drifts):.1e}" if drifts else "drift unknown"
    text = (
        f"same weights and prompts: {found.n_changed:,} of {n_images:,} predictions changed, {drift} "
        f"(numeric floor {found.floor:.0e})"
    )
    if found.is_within:
        return text
    return (
        f"{text}: more than numerics explain"
        + (f", {found.n_unexplained:,} not near a tie" if found.n_unexplained else "")
        + "; the code, a library or the images have changed"
    )


def _conclusion(comparison: Comparison) -> Conclusion:
    if comparison.reproduction is not None and comparison.reproduction.is_within:
        return "same"
    p_value = comparison.q_value if comparison.q_value is not None else comparison.p_value
    if p_value is not None and p_value >= SIGNIFICANCE:
        return "inconclusive"
    if comparison.top1.low > 0:
        return "better"
    return "worse" if comparison.top1.high < 0 else "inconclusive"


def _message(comparison: Comparison, conclusion: Conclusion) -> str:
    if comparison.reproduction is not None:
        return reproduction_text(comparison.reproduction, comparison.n_images)
    difference = _difference_text(comparison.top1)
    chance = _chance_text(comparison)
    flips = f"{comparison.n_newly_wrong:,} newly wrong, {comparison.n_newly_right:,} newly right"
    if conclusion in {"better", "worse"}:
        return f"{conclusion}: top-1 {difference}, {chance}; {flips}"
    return (
        f"inconclusive, no difference shown: top-1 {difference}, {chance}; {flips}; with "
        f"{comparison.n_images:,} images, so discordant, you cannot see less than "
        f"{100 * comparison.detectable:.1f} points"
    )


def _difference_text(found: Difference) -> str:
    return f"{points(found.value)} points {points_interval(found.low, found.high)}"


def _chance_text(comparison: Comparison) -> str:
    if comparison.q_value is not None and comparison.n_compared > 1:
        return f"{p_text(comparison.q_value)} adjusted for {comparison.n_compared} comparisons"
    return p_text(comparison.p_value) if comparison.p_value is not None else "no test"
