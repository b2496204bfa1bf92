"""Numbers and counts as every message, table and page says them: one rule each, in one place."""

from __future__ import annotations

SIGNIFICANCE = 0.05
"""A p value below it is called significant; intervals are at 1 - SIGNIFICANCE."""
SMALLEST_P = 0.001
_P_DIGITS = 3
_MAX_DIGITS = 18
"""As many decimals as tell the largest double below 0.05 from 0.05."""


def count(number: int, singular: str | None = None, plural: str | None = None) -> str:
    """Format a count with its noun: `1,024 images`, `1 class`; without a noun the number alone."""
    if singular is None:
        return f"{number:,}"
    return f"{number:,} {singular if number == 1 else plural or singular + 's'}"


def points(difference: float) -> str:
    """Format a difference of proportions in percentage points, signed: `-1.2`, `0.0`; never `-0.0`."""
    text = f"{100 * difference:+.1f}"
    return "0.0" if float(text) == 0 else text


def points_interval(low: float, high: float) -> str:
    """Format an interval of differences: `[-1.9, +0.4]`."""
    return f"[{points(low)}, {points(high)}]"


def margin_text(margin: float) -> str:
    """Format a margin in percentage points: `1 point`, `0.5 points`."""
    number = f"{100 * margin:g}"
    return f"{number} {'point' if number == '1' else 'points'}"


def probability(p: float) -> str:
    """Format a p or q value: `0.031`, or `< 0.001`.

    It gets further digits while rounding would put it on the other side of SIGNIFICANCE: 0.0498 is
    not `0.050`, which nobody would take for significant.
    """
    if p < SMALLEST_P:
        return f"< {SMALLEST_P}"
    for digits in range(_P_DIGITS, _MAX_DIGITS):
        rounded = f"{p:.{digits}f}"
        if (float(rounded) < SIGNIFICANCE) == (p < SIGNIFICANCE):
            return rounded
    return f"{p:.{_MAX_DIGITS}f}"


def p_text(p: float) -> str:
    """Say a p value in running text: `p 0.031`, `p < 0.001`."""
    return f"p {probability(p)}"
