"""How many images would settle what these leave open."""

from __future__ import annotations

import math

from scipy.stats import norm

from clipeval.records import Comparison, Difference
from clipeval.stats import images_to_settle

POWER = 0.8
CONFIDENCE = 0.95
_MOST_IMAGES = 10**9


def images_for_top1(comparison: Comparison, margin: float) -> int | None:
    """Return how many images like these would decide a non-inferiority test of top-1."""
    n_discordant = comparison.n_newly_right + comparison.n_newly_wrong
    n_images = images_to_settle(
        difference=comparison.top1.value, rate=n_discordant / comparison.n_images, margin=margin
    )
    if n_images is None or comparison.design_effect is None:
        return n_images
    return math.ceil(n_images * comparison.design_effect)


def images_for_difference(found: Difference, *, margin: float, n_images: int) -> int | None:
    """Return the same for a metric known by its interval alone, whose width shrinks with the root of n."""
    return images_by_width(
        value=found.value,
        limit=-margin,
        low=found.lower_bound,
        high=found.upper_bound,
        n_images=n_images,
    )


def images_by_width(
    *, value: float, limit: float, low: float, high: float, n_images: int
) -> int | None:
    """Scale n until a value lies clear of a limit in 80% of cases; None if no number does.

    Args:
        value: as measured on n_images.
        limit: what it is tested against.
        low: one-sided 95% bound.
        high: the other one.
        n_images: behind the value.
    """
    distance = abs(value - limit)
    if distance == 0:
        return None
    z_test, z_power = norm.ppf(CONFIDENCE), norm.ppf(POWER)
    standard_error = (high - low) / (2 * z_test)
    needed = n_images * ((z_test + z_power) * standard_error / distance) ** 2
    return max(1, math.ceil(needed)) if needed <= _MOST_IMAGES else None


def settle_text(n_to_settle: int | None) -> str:
    """Say how many images it would take."""
    if n_to_settle is None:
        return "no number of images would settle a difference so close to the limit"
    return f"about {n_to_settle:,} images like these would settle it"
