"""Where a function crosses zero; scipy.optimize takes longer to import than a small suite to evaluate."""

from __future__ import annotations

import math
from collections.abc import Callable

_MOST_STEPS = 200


def crossing(
    function: Callable[[float], float], low: float, high: float, *, tolerance: float
) -> float:
    """Find a root of a continuous function between two arguments where it has opposite signs.

    Inverse quadratic interpolation where that is safe, else bisection: the bracket always shrinks.

    Args:
        function: finite at both ends and between them.
        low: one end.
        high: the other end, above it.
        tolerance: of the root, absolute, above what doubles can tell apart.
    Raises:
        ValueError: the function has the same sign at both ends.
    Source: Chandrupatla, "A new hybrid quadratic/bisection algorithm for finding the zero of a nonlinear
        function without using derivatives", Advances in Engineering Software 28 (1997) 145-149.
    """
    a, b = high, low
    f_a, f_b = function(a), function(b)
    if f_a == 0 or f_b == 0:
        return a if f_a == 0 else b
    if math.copysign(1, f_a) == math.copysign(1, f_b):
        raise ValueError(f"no change of sign between {low} and {high}: {f_b} and {f_a}")
    c, f_c, share = a, f_a, 0.5
    for _ in range(_MOST_STEPS):
        x = a + share * (b - a)
        f_x = function(x)
        if math.copysign(1, f_x) == math.copysign(1, f_a):
            c, f_c = a, f_a
        else:
            c, f_c, b, f_b = b, f_b, a, f_a
        a, f_a = x, f_x
        nearest, f_nearest = (a, f_a) if abs(f_a) < abs(f_b) else (b, f_b)
        least = (2 * math.ulp(1.0) * abs(nearest) + tolerance) / abs(b - a)
        if least > 0.5 or f_nearest == 0:  # noqa: PLR2004 (of the bracket)
            return nearest
        xi, phi = (a - b) / (c - b), (f_a - f_b) / (f_c - f_b)
        if 1 - math.sqrt(1 - xi) < phi < math.sqrt(xi):
            share = f_a / (f_b - f_a) * f_c / (f_b - f_c)
            share += (c - a) / (b - a) * f_a / (f_c - f_a) * f_b / (f_c - f_b)
            share = min(1 - least, max(least, share))
        else:
            share = 0.5
    return nearest
