"""What a comparison comes to, decided and said."""

from __future__ import annotations

from dataclasses import replace

from clipeval.records import Comparison, Difference, Reproduction
from clipeval.records.comparisons import Conclusion
from clipeval.wording import SIGNIFICANCE, count, p_text, points, points_interval


def concluded(comparison: Comparison) -> Comparison:
    """Decide a comparison and say so in one sentence.

    Better or worse takes both: a p value, adjusted where many were compared, below 0.05, and a 95%
    interval without zero. The same weights and prompts have no p value: beyond the numeric floor the
    interval alone decides. Anything else is inconclusive, which is not the same as equal.
    """
    conclusion = _conclusion(comparison)
    return replace(comparison, conclusion=conclusion, message=_message(comparison, conclusion))


def reproduction_text(found: Reproduction, n_images: int) -> str:
    """Say how exactly a model was reproduced."""
    drifts = [drift for drift in (found.image_drift, found.text_drift) if drift is not None]
    drift = f"embeddings drift by {max(drifts):.1e}" if drifts else "drift unknown"
    text = (
        f"same weights and prompts: {found.n_changed:,} of {count(n_images, 'prediction')} changed, {drift} "
        f"(numeric floor {found.floor:.0e}){', embeddings from the cache' if found.is_cached else ''}"
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
        f"{count(comparison.n_images, 'image')}, so discordant, you cannot see less than "
        f"{100 * comparison.detectable:.1f} points"
    )


def _difference_text(found: Difference) -> str:
    return f"{points(found.value)} points {points_interval(found.low, found.high)}"


def _chance_text(comparison: Comparison) -> str:
    if comparison.q_value is not None and comparison.n_compared > 1:
        return f"{p_text(comparison.q_value)} adjusted for {comparison.n_compared} comparisons"
    return p_text(comparison.p_value) if comparison.p_value is not None else "no test"
