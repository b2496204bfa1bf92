"""Decides gates: whether a cell's metrics keep the limits that a suite sets."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Literal

from clipeval.errors import ConfigError, did_you_mean
from clipeval.records import GateResult, GateSpec, MetricValue, Verdict

_FROM_BEST: tuple[Verdict, ...] = ("pass", "inconclusive", "fail", "error")
_MIN_DIGITS = 3
_MAX_DIGITS = 17


def applies(gate: GateSpec, *, dataset: str, model: str, template: str) -> bool:
    """Return whether a gate is meant for the cell of these ids; an empty list of ids means all."""
    wanted = ((gate.datasets, dataset), (gate.models, model), (gate.templates, template))
    return all(not ids or one in ids for ids, one in wanted)


def decide(gates: Sequence[GateSpec], metrics: Mapping[str, MetricValue]) -> tuple[GateResult, ...]:
    """Decide the gates that apply to a cell, in their order; min before max.

    The measured value is compared, not its interval. A metric that is absent or not finite is an
    error, never a pass.

    Raises:
        ConfigError: a gate sets neither min nor max, and so would always pass.
    """
    results: list[GateResult] = []
    for gate in gates:
        if gate.min is None and gate.max is None:
            place = f"{gate.where}: " if gate.where else ""
            raise ConfigError(f"{place}gate on '{gate.metric}' has no limit; give min or max")
        if gate.min is not None:
            results.append(_decide_limit(gate.metric, "min", gate.min, metrics))
        if gate.max is not None:
            results.append(_decide_limit(gate.metric, "max", gate.max, metrics))
    return tuple(results)


def worst(states: Iterable[Verdict]) -> Verdict:
    """Return the worst of the states: error, fail, inconclusive, pass; pass if there are none."""
    return max(states, key=_FROM_BEST.index, default="pass")


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
    side = {
        ("min", True): "keeps the minimum",
        ("min", False): "is below the minimum",
        ("max", True): "keeps the maximum",
        ("max", False): "is above the maximum",
    }[kind, is_kept]
    digits = _digits_apart(metric.value, limit)
    interval = ""
    if metric.low is not None and metric.high is not None:
        interval = f" [{metric.low:.{digits}f}, {metric.high:.{digits}f}]"
    message = f"{name} {metric.value:.{digits}f}{interval} {side} {limit:.{digits}f}"
    return ("pass" if is_kept else "fail"), message


def _absent(name: str, metrics: Mapping[str, MetricValue]) -> str:
    if not metrics:
        return f"{name} was not measured: the cell has no metrics (they need two classes or more)"
    return (
        f"{name} was not measured{did_you_mean(name, metrics)}; measured: {', '.join(metrics)} "
        "(top-k needs more than k classes)"
    )


def _digits_apart(value: float, limit: float) -> int:
    """Return how many decimals tell two numbers apart: 0.7996 is not `0.800 below 0.800`."""
    if value == limit:
        return _MIN_DIGITS
    for digits in range(_MIN_DIGITS, _MAX_DIGITS):
        if f"{value:.{digits}f}" != f"{limit:.{digits}f}":
            return digits
    return _MAX_DIGITS
