"""Which of several choices no other beats in both respects."""

from __future__ import annotations

from collections.abc import Sequence


def pareto_front(costs: Sequence[float], gains: Sequence[float]) -> tuple[bool, ...]:
    """Say of each choice whether it is on the Pareto front.

    Nothing else is then at least as good in both respects, and better in one.

    Args:
        costs: (N,) less is better, such as seconds.
        gains: (N,) more is better, such as accuracy.
    Returns:
        (N,) in the same order; equal choices are both on the front, or both not.
    Raises:
        ValueError: lengths differ.
    """
    if len(costs) != len(gains):
        raise ValueError(f"{len(costs)} costs and {len(gains)} gains; expected as many")
    points = list(zip(costs, gains, strict=True))
    return tuple(
        not any(
            other_cost <= cost and other_gain >= gain and (other_cost, other_gain) != (cost, gain)
            for other_cost, other_gain in points
        )
        for cost, gain in points
    )
