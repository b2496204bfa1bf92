"""How many images would settle what these leave open."""

from __future__ import annotations

import math

from scipy.special import ndtri, stdtrit

from clipeval.records import Comparison, Difference
from clipeval.stats import Clustering, images_to_settle
from clipeval.wording import count

POWER = 0.8
CONFIDENCE = 0.95
_MOST_IMAGES = 10**9


def images_for_top1(comparison: Comparison, margin: float) -> int | None:
    """Return how many images like these would decide a non-inferiority test of top-1."""
    n_discordant = comparison.n_newly_right + comparison.n_newly_wrong
    clustering = None
    if comparison.n_groups is not None and comparison.design_effect is not None:
        clustering = Clustering(comparison.n_groups, comparison.design_effect)
    return images_for_drop(
        difference=comparison.top1.value,
        rate=n_discordant / comparison.n_images,
        margin=margin,
        clustering=clustering,
    )


def images_for_drop(
    *,
    difference: float,
    rate: float,
    margin: float,
    clustering: Clustering | None,
    confidence: float = CONFIDENCE,
) -> int | None:
    """Return images_to_settle; of grouped images it takes the design effect times as many.

    Few groups cost more, by Student's t: cautious, for more images would bring more groups.
    """
    n_images = images_to_settle(
        difference=difference, rate=rate, margin=margin, confidence=confidence
    )
    if n_images is None or clustering is None:
        return n_images
    price_of_few = float(stdtrit(clustering.df, confidence) / ndtri(confidence)) ** 2
    needed = n_images * clustering.design_effect * price_of_few
    return math.ceil(needed) if needed <= _MOST_IMAGES else None


def images_for_share(
    *,
    share: float,
    limit: float,
    n_images: int,
    design_effect: float = 1.0,
    confidence: float = CONFIDENCE,
) -> int | None:
    """Return how many images show in 80% of cases on which side of a limit a share of images lies.

    Args:
        share: as measured on n_images, which left it open: it takes more.
        limit: what it is tested against.
        n_images: behind the share.
        design_effect: images per independent image.
        confidence: 1 - significance of the one-sided test.
    Returns:
        None where the share is the limit, or beyond 1e9 images.
    Source: the sample size of the score test of one proportion, whose interval is Wilson's.
    """
    distance = abs(share - limit)
    if distance == 0:
        return None
    z_test, z_power = float(ndtri(confidence)), float(ndtri(POWER))
    spread = z_test * math.sqrt(limit * (1 - limit)) + z_power * math.sqrt(share * (1 - share))
    root = float(spread) / distance
    needed = design_effect * root * root  # `**` would raise where this is infinite
    return max(n_images + 1, math.ceil(needed)) if needed <= _MOST_IMAGES else None


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
    z_test, z_power = float(ndtri(CONFIDENCE)), float(ndtri(POWER))
    # The side that the limit is on: intervals of macro averages are lopsided.
    side = value - low if limit < value else high - value
    # In this order nothing is rounded away, however small both are.
    root = (side / distance) * (z_test + z_power) / z_test
    needed = n_images * root * root
    return max(1, math.ceil(needed)) if needed <= _MOST_IMAGES else None


def settle_text(n_to_settle: int | None, which: str = "like these") -> str:
    """Say how many images it would take, and which."""
    if n_to_settle is None:
        return "no number of images would settle a difference so close to the limit"
    return f"about {count(n_to_settle, 'image')} {which} would settle it"
