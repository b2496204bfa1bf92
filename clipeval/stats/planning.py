"""Planning a comparison: what can be seen with so many images, and how many would decide."""

from __future__ import annotations

import math

from clipeval.errors import ScoringError
from clipeval.stats.paired import (
    ROOT_TOLERANCE,
    ROUNDING,
    Discordance,
    check_share,
    normal_or_t,
    null_variance,
)
from clipeval.stats.roots import crossing

_MOST_IMAGES = 1e9
"""Past so many images images_to_settle answers that none would do."""
_LEAST_POWER = 0.5
"""Below it the formula of the detectable difference is not monotone."""


def minimum_detectable_difference(
    *, n: float, rate: float, power: float = 0.8, confidence: float = 0.95, df: float | None = None
) -> float:
    """Return the smallest |difference| that the two-sided paired test would find.

    A difference d needs a share d of discordant images at least: where the formula's d exceeds
    `rate`, the rate is taken as d. That also answers rate = 0 (no discordant image seen), about
    7.8 / n at the defaults, so no half image need be added to an empty table. Where fewer than
    about 20 discordant images are expected the formula is cautious: the power is above the one
    asked for, up to 0.95 instead of 0.8 (tests/stats sum it exactly).

    Args:
        n: images, or effective images.
        rate: share of discordant images, in [0, 1].
        power: chance to find it, in [0.5, 1).
        confidence: 1 - significance of the two-sided test, in (0, 1).
        df: degrees of freedom of Student's t, for grouped images; None takes the normal.
    Returns:
        In (0, 1]; 1.0 also where no difference would be found so often.
    Raises:
        ScoringError: an argument is outside its range.
    Source: Connett, Smith & McHugh, "Sample size and power for pair-matched case-control studies",
        Statistics in Medicine 6 (1987) 53-59; Miettinen, Biometrics 24 (1968) 339-352.
    """
    _check_plan(rate, power=power, confidence=confidence)
    if not (math.isfinite(n) and n > 0):
        raise ScoringError(f"a plan for {n} images has no answer; expected a finite n > 0")
    z_test, z_power = normal_or_t((1 + confidence) / 2, df), normal_or_t(power, df)

    def excess(d: float) -> float:
        discordant = max(rate, d)
        spread = z_test * math.sqrt(discordant) + z_power * math.sqrt(max(0.0, discordant - d * d))
        return math.sqrt(n) * d - spread

    if excess(1.0) <= 0:
        return 1.0
    # Close to 0 it is negative whatever n; at 0 itself it is zero if the rate is.
    least = min(z_test * z_test / n, 1.0) * 1e-6
    return crossing(excess, least, 1.0, tolerance=ROOT_TOLERANCE)


def images_to_settle(
    *, difference: float, rate: float, margin: float, power: float = 0.8, confidence: float = 0.95
) -> int | None:
    """Return how many images a one-sided test against -margin would need to decide.

    The test is of "difference > -margin" or of "difference < -margin", whichever side `difference`
    is on; both numbers are taken as observed.

    Args:
        difference: accuracy of the candidate minus that of the base, |difference| <= rate.
        rate: share of discordant images, in [0, 1].
        margin: drop that is still accepted, in [0, 1).
        power: chance to decide, in [0.5, 1).
        confidence: 1 - significance of the one-sided test, in (0, 1).
    Returns:
        1 or more; None where difference equals -margin, or beyond 1e9 images.
    Raises:
        ScoringError: an argument is outside its range.
    Source: the sample size of Tango's test with its own null variance, as in Nam, Biometrics 53
        (1997) 1422-1430, and Connett, Smith & McHugh, Statistics in Medicine 6 (1987) 53-59.
    """
    _check_plan(rate, power=power, confidence=confidence)
    if not 0 <= margin < 1:
        raise ScoringError(f"margin {margin} is outside [0, 1); 0.01 is one point of accuracy")
    if not abs(difference) <= rate + ROUNDING:
        raise ScoringError(
            f"difference {difference} at {rate} discordant images; expected |difference| <= rate"
        )
    distance = abs(difference + margin)
    if distance == 0:
        return None
    right, wrong = max(0.0, rate + difference) / 2, max(0.0, rate - difference) / 2
    null = null_variance(Discordance(n=1.0, newly_right=right, newly_wrong=wrong), -margin)
    true = max(0.0, rate - difference * difference)
    z_test, z_power = normal_or_t(confidence, None), normal_or_t(power, None)
    spread = z_test * math.sqrt(null) + z_power * math.sqrt(true)
    root = spread / distance
    n = root * root  # `**` would raise where this is infinite
    return max(1, math.ceil(n)) if n <= _MOST_IMAGES else None


def _check_plan(rate: float, *, power: float, confidence: float) -> None:
    check_share("confidence", confidence)
    if not 0 <= rate <= 1:
        raise ScoringError(f"a share {rate} of discordant images is outside [0, 1]")
    if not _LEAST_POWER <= power < 1:
        raise ScoringError(f"power {power} is outside [{_LEAST_POWER}, 1); 0.8 is usual")
