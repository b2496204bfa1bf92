"""Numbers as the page shows them: rounded, exact, and as a place between 0 and 100%."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from clipeval.records import MetricValue
from clipeval.report import format as fmt
from clipeval.wording import count


@dataclass(frozen=True, slots=True)
class Number:
    """A number and the text it is read as."""

    text: str
    exact: str
    """All digits, as in run.json; empty if there is no value."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plot:
    """A point with its interval on a scale; places and widths are in percent: `93.10%`."""

    value: str
    low: str | None
    width: str | None
    limit: str | None = None
    is_signed: bool = False
    """Whether zero is in the middle."""
    scale: str = ""
    """What the ends stand for, where that is not 0 and 100%."""


@dataclass(frozen=True, slots=True)
class Scale:
    """From where to where a plot goes."""

    start: float
    end: float
    text: str = ""
    """The ends in words; empty for 0 to 100%."""

    def place(self, value: float) -> float:
        """Return where a value lies, in percent of the width, at most at an end."""
        return 100 * min(max((value - self.start) / (self.end - self.start), 0.0), 1.0)


WHOLE = Scale(0.0, 1.0)
_STEPS = (0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0)


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
    return Number(count(value), str(value))


def difference(value: float) -> Number:
    """Show a difference of proportions in signed points."""
    return Number(fmt.points(value), exact(value))


def signed_scale(values: Iterable[float]) -> Scale:
    """Choose a round scale around zero, in points, that holds all values."""
    reach = _reach(values)
    return Scale(-reach, reach, f"{fmt.MINUS}{100 * reach:.0f} to +{100 * reach:.0f} points")


def rate_scale(values: Iterable[float]) -> Scale:
    """Choose a round scale from zero that holds all values."""
    reach = _reach(values)
    return Scale(0.0, reach, f"0 to {100 * reach:.0f}%")


def plot(
    value: float,
    low: float | None,
    high: float | None,
    *,
    limit: float | None = None,
    scale: Scale = WHOLE,
) -> Plot:
    """Place a number and its interval, by default on the scale from 0 to 100%."""
    has_interval = low is not None and high is not None
    width = None
    if low is not None and high is not None:
        width = _percent(scale.place(high) - scale.place(low))
    return Plot(
        value=_percent(scale.place(value)),
        low=_percent(scale.place(low)) if has_interval and low is not None else None,
        width=width,
        limit=None if limit is None else _percent(scale.place(limit)),
        is_signed=scale.start < 0,
        scale=scale.text,
    )


def metric(key: str, found: MetricValue) -> Metric:
    """Show one metric; only proportions get a plot."""
    return Metric(
        key=key,
        name=fmt.metric_name(key),
        number=number(key, found.value),
        interval=fmt.interval(key, found.low, found.high),
        plot=plot(found.value, found.low, found.high) if key in fmt.PROPORTIONS else None,
        n=count(found.n),
    )


def _reach(values: Iterable[float]) -> float:
    largest = max((abs(value) for value in values), default=0.0)
    return next((step for step in _STEPS if largest <= step), _STEPS[-1])


def _percent(place: float) -> str:
    return f"{place:.2f}%"
