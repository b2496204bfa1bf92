"""Two models on the same images: how sure is their difference in accuracy?

Only images that one model gets right and the other wrong (discordant images) tell the models apart.
The interval and the tests are score methods: unlike the Wald interval they keep their width when
few images, or none, are discordant.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

from scipy.special import bdtr, ndtr, ndtri, stdtr, stdtrit

from clipeval.errors import ScoringError
from clipeval.stats.intervals import Interval
from clipeval.stats.roots import crossing

ROUNDING = 1e-9
"""Counts divided by a design effect may exceed n by this much, relative to n."""
ROOT_TOLERANCE = 1e-14
"""Absolute error of a root in [-1, 1]."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Discordance:
    """How often the candidate is right where the base is wrong, and the other way round.

    Counts are floats: a design effect may divide all three.

    Raises:
        ScoringError: n is not above 0, a count is negative or not finite, or they exceed n.
    """

    n: float
    """Images scored by both models."""
    newly_right: float
    """Images that the candidate alone gets right."""
    newly_wrong: float
    """Images that the base alone gets right."""

    def __post_init__(self) -> None:
        counts = (self.n, self.newly_right, self.newly_wrong)
        if not all(math.isfinite(count) for count in counts) or self.n <= 0:
            raise ScoringError(
                f"{self.newly_right} newly right and {self.newly_wrong} newly wrong in {self.n} "
                "images; expected finite counts and n > 0"
            )
        if min(counts) < 0 or self.newly_right + self.newly_wrong > self.n * (1 + ROUNDING):
            raise ScoringError(
                f"{self.newly_right} newly right and {self.newly_wrong} newly wrong in {self.n} "
                "images; expected counts >= 0 that sum to n at most"
            )

    @property
    def difference(self) -> float:
        """Accuracy of the candidate minus that of the base, in [-1, 1]."""
        difference = (self.newly_right - self.newly_wrong) / self.n
        return min(1.0, max(-1.0, difference))

    @property
    def rate(self) -> float:
        """Share of discordant images, in [0, 1]."""
        return min(1.0, (self.newly_right + self.newly_wrong) / self.n)

    def mirrored(self) -> Discordance:
        """Return the same images with base and candidate swapped."""
        return Discordance(n=self.n, newly_right=self.newly_wrong, newly_wrong=self.newly_right)


def tango_interval(
    found: Discordance, *, confidence: float = 0.95, df: float | None = None
) -> Interval:
    """Return Tango's score interval of the difference in accuracy, candidate minus base.

    It holds every difference that tango_z does not reject. Swapping base and candidate negates the
    ends exactly. The method is asymptotic: benchmarks/verdicts.py measures its coverage.

    Args:
        found: counts of discordant images.
        confidence: coverage of the two-sided interval, in (0, 1).
        df: degrees of freedom of Student's t, for grouped images (groups - 1); None takes the
            normal quantile.
    Returns:
        An interval in [-1, 1] that contains found.difference.
    Raises:
        ScoringError: confidence is not in (0, 1), or df is not above 0.
    Source: Tango, "Equivalence test and confidence interval for the difference in proportions for
        the paired-sample design", Statistics in Medicine 17 (1998) 891-908: the interval.
    """
    check_share("confidence", confidence)
    quantile = normal_or_t((1 + confidence) / 2, df)
    # The upper end is the lower end of the mirrored table, so the mirror is exact; 0.0 - 0.0 is not
    # the -0.0 that a minus sign alone would make.
    return Interval(_lower_end(found, quantile), 0.0 - _lower_end(found.mirrored(), quantile))


def tango_z(found: Discordance, *, difference: float) -> float:
    """Return the score statistic of H0: the true difference equals `difference`.

    Positive when the observed difference is above the hypothesised one; it falls as `difference`
    grows. The variance is zero where the hypothesis leaves no room for chance: at -1 and 1, and at
    0 without discordant images. There it is 0.0 if the observed difference equals the hypothesised
    one, else infinite, with the sign of observed - hypothesised.

    Args:
        found: counts of discordant images.
        difference: hypothesised accuracy of the candidate minus that of the base, in [-1, 1].
    Raises:
        ScoringError: difference is outside [-1, 1].
    Source: Tango, Statistics in Medicine 17 (1998) 891-908: the test against a given difference.
    """
    _check_difference(difference)
    distance = found.difference - difference
    if distance == 0:
        return 0.0
    variance = null_variance(found, difference) / found.n
    if variance == 0:
        return math.copysign(math.inf, distance)
    return distance / math.sqrt(variance)


def score_p_value(
    found: Discordance,
    *,
    difference: float,
    alternative: Literal["less", "greater", "two-sided"],
    df: float | None = None,
) -> float:
    """Return the p-value of Tango's score test; it agrees with the ends of tango_interval.

    Args:
        found: counts of discordant images.
        difference: hypothesised accuracy of the candidate minus that of the base, in [-1, 1].
        alternative: what the true difference is if the hypothesis is wrong: "less" than it,
            "greater", or either.
        df: degrees of freedom of Student's t, for grouped images; None takes the normal.
    Returns:
        In [0, 1].
    Raises:
        ScoringError: difference is outside [-1, 1], df is not above 0, or alternative is unknown.
    Source: Tango, Statistics in Medicine 17 (1998) 891-908: the test.
    """
    z = tango_z(found, difference=difference)
    match alternative:
        case "less":
            return _below(z, df)
        case "greater":
            return _below(-z, df)
        case "two-sided":
            return min(1.0, 2 * _below(-abs(z), df))
    raise ScoringError(
        f"unknown alternative {alternative!r}; expected 'less', 'greater' or 'two-sided'"
    )


def mcnemar_mid_p(*, newly_right: int, newly_wrong: int) -> float:
    """Return the two-sided mid-p value of McNemar's test: are both models equally often right?

    Args:
        newly_right: images that the candidate alone gets right.
        newly_wrong: images that the base alone gets right.
    Returns:
        In (0, 1]; 1.0 without discordant images.
    Raises:
        ScoringError: a count is negative.
    Source: Fagerland, Lydersen & Laake, "The McNemar test for binary matched-pairs data", BMC
        Medical Research Methodology 13:91 (2013); supplement, equation 2 and the case of equal
        counts, which loses half a point probability only.
    """
    if newly_right < 0 or newly_wrong < 0:
        raise ScoringError(
            f"{newly_right} newly right and {newly_wrong} newly wrong images; expected counts >= 0"
        )
    fewer, n = min(newly_right, newly_wrong), newly_right + newly_wrong
    if n == 0:
        return 1.0
    point: float = math.comb(n, fewer) / 2**n
    if newly_right == newly_wrong:
        return 1 - point / 2
    return min(1.0, 2 * float(bdtr(fewer, n, 0.5)) - point)


def null_variance(found: Discordance, difference: float) -> float:
    """Return n times the variance of the observed difference if the true one is `difference`.

    The rate of discordant images is the likeliest one under the hypothesis: a root of a quadratic
    (Tango 1998). Negative differences are mirrored, so that both sides agree to the last bit.
    """
    if difference < 0:
        return null_variance(found.mirrored(), -difference)
    right, wrong = found.newly_right / found.n, found.newly_wrong / found.n
    b = (2 - right + wrong) * difference - right - wrong
    c = wrong * difference * (1 - difference)
    # hypot, for b * b is 0 where b is tiny, and the root must be |b| at least.
    root = math.hypot(b, math.sqrt(8 * c))
    newly_wrong = (root - b) / 4
    return 2 * newly_wrong + difference * (1 - difference)


def _lower_end(found: Discordance, quantile: float) -> float:
    """Return the least difference that the score test does not reject."""
    observed = found.difference
    if observed == -1:
        return -1.0
    # tango_z runs to infinity; z / sqrt(1 + z^2) is bounded and crosses at the same place.
    limit = quantile / math.hypot(1, quantile)

    def excess(difference: float) -> float:
        z = tango_z(found, difference=difference)
        return (1.0 if math.isinf(z) else z / math.hypot(1, z)) - limit

    return min(observed, crossing(excess, -1.0, observed, tolerance=ROOT_TOLERANCE))


def normal_or_t(share: float, df: float | None) -> float:
    """Return a quantile of the normal distribution, or of Student's t with df degrees of freedom."""
    _check_df(df)
    return float(ndtri(share) if df is None else stdtrit(df, share))


def _below(z: float, df: float | None) -> float:
    _check_df(df)
    return float(ndtr(z) if df is None else stdtr(df, z))


def _check_df(df: float | None) -> None:
    if df is not None and not df > 0:
        raise ScoringError(f"{df} degrees of freedom; expected df > 0, or None for the normal")


def check_share(name: str, value: float) -> None:
    """Refuse a confidence or a power that is no share.

    Raises:
        ScoringError: it is not in (0, 1).
    """
    if not 0 < value < 1:
        raise ScoringError(f"{name} {value} is outside (0, 1); 0.95 is usual")


def _check_difference(difference: float) -> None:
    if not -1 <= difference <= 1:
        raise ScoringError(f"a difference of accuracies of {difference}; expected it in [-1, 1]")
