"""Limits on what was measured: min and max."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Literal

from clipeval.errors import did_you_mean
from clipeval.records import GateResult, GateSpec, MetricValue, Verdict

_MIN_DIGITS = 3
_MAX_DIGITS = 17


def decide_limits(gate: GateSpec, metrics: Mapping[str, MetricValue]) -> tuple[GateResult, ...]:
    """Decide min, then max, of one gate.

    The measured value is compared, not its interval. A metric that is absent or not finite is an
    error, never a pass.
    """
    limits: tuple[tuple[Literal["min", "max"], float | None], ...] = (
        ("min", gate.min),
        ("max", gate.max),
    )
    return tuple(
        _decide_limit(gate.metric, kind, limit, metrics)
        for kind, limit in limits
        if limit is not None
    )


def _decide_limit(
    name: str, kind: Literal["min", "max"], limit: float, metrics: Mapping[str, MetricValue]
) -> GateResult:
    metric = metrics.get(name)
    state, message = _judge(name, kind, limit, metrics)
    return GateResult(
        metric=name,
        kind=kind,
        limit=limit,
        # Non-finite numbers do not exist in run.json; the message tells of them.
        value=metric.value if metric and math.isfinite(metric.value) else None,
        low=metric.low if metric else None,
        high=metric.high if metric else None,
        state=state,
        message=message,
    )


def _judge(
    name: str, kind: Literal["min", "max"], limit: float, metrics: Mapping[str, MetricValue]
) -> tuple[Verdict, str]:
    metric = metrics.get(name)
    if metric is None:
        return "error", _absent(name, metrics)
    if not math.isfinite(metric.value):
        return "error", f"{name} is {metric.value}; a gate on it cannot be decided"
    if not math.isfinite(limit):
        return "error", f"{name} has the limit {limit}; expected a finite number"
    is_kept = metric.value >= limit if kind == "min" else metric.value <= limit
    digits = digits_apart(metric.value, limit)
    interval = ""
    if metric.low is not None and metric.high is not None:
        interval = f" [{metric.low:.{digits}f}, {metric.high:.{digits}f}]"
    message = f"{name} {metric.value:.{digits}f}{interval} {side(kind, is_kept=is_kept)} {limit:.{digits}f}"
    return ("pass" if is_kept else "fail"), message


def side(kind: Literal["min", "max"], *, is_kept: bool) -> str:
    """Say on which side of a limit a value lies."""
    return {
        ("min", True): "keeps the minimum",
        ("min", False): "is below the minimum",
        ("max", True): "keeps the maximum",
        ("max", False): "is above the maximum",
    }[kind, is_kept]


def digits_apart(value: float, limit: float) -> int:
    """Return how many decimals tell two numbers apart: 0.7996 is not `0.800 below 0.800`."""
    if value == limit:
        return _MIN_DIGITS
    for digits in range(_MIN_DIGITS, _MAX_DIGITS):
        if f"{value:.{digits}f}" != f"{limit:.{digits}f}":
            return digits
    return _MAX_DIGITS


def _absent(name: str, metrics: Mapping[str, MetricValue]) -> str:
    if not metrics:
        return f"{name} was not measured: the cell has no metrics (they need two classes or more)"
    return (
        f"{name} was not measured{did_you_mean(name, metrics)}; measured: {', '.join(metrics)} "
        "(top-k needs more than k classes)"
    )
