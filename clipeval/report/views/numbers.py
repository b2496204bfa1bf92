"""Numbers as the page shows them: rounded, exact, and as a place between 0 and 100%."""

from __future__ import annotations

from dataclasses import dataclass

from clipeval.records import MetricValue
from clipeval.report import format as fmt


@dataclass(frozen=True, slots=True)
class Number:
    """A number and the text it is read as."""

    text: str
    exact: str
    """All digits, as in run.json; empty if there is no value."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plot:
    """A point with its interval on a fixed scale; places and widths are in percent: `93.10%`."""

    value: str
    low: str | None
    width: str | None
    limit: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Metric:
    """One metric of one cell."""

    key: str
    name: str
    number: Number
    interval: str
    """`[91.2, 94.6]`, or empty."""
    plot: Plot | None
    n: str


ABSENT = Number(fmt.DASH, "")


def exact(value: float) -> str:
    """Return every digit of a value, as JSON has it."""
    return repr(value)


def number(metric: str, value: float | None) -> Number:
    """Round one value in the unit of its metric."""
    return ABSENT if value is None else Number(fmt.metric_number(metric, value), exact(value))


def integer(value: int) -> Number:
    """Show a count."""
    return Number(fmt.count(value), str(value))


def plot(
    value: float, low: float | None, high: float | None, *, limit: float | None = None
) -> Plot:
    """Place a proportion and its interval on the scale from 0 to 100%."""
    has_interval = low is not None and high is not None
    return Plot(
        value=_position(value),
        low=_position(low) if has_interval and low is not None else None,
        width=_position(high - low) if low is not None and high is not None else None,
        limit=None if limit is None else _position(limit),
    )


def metric(key: str, found: MetricValue) -> Metric:
    """Show one metric; only proportions get a plot."""
    return Metric(
        key=key,
        name=fmt.metric_name(key),
        number=number(key, found.value),
        interval=fmt.interval(key, found.low, found.high),
        plot=plot(found.value, found.low, found.high) if key in fmt.PROPORTIONS else None,
        n=fmt.count(found.n),
    )


def _position(proportion: float) -> str:
    return f"{100 * min(max(proportion, 0.0), 1.0):.2f}%"
