"""Numbers and text as the page and the summary show them.

Points, counts and p values are said by the rules of `clipeval.wording`, with a true minus sign.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime
from urllib.parse import quote

from clipeval import wording

MINUS = "\N{MINUS SIGN}"
DASH = "\N{EN DASH}"
"""Stands for a value that does not exist, such as the precision of a class never predicted."""
PROPORTIONS = frozenset(
    {
        "top1", "top5", "mean_per_class_recall", "balanced_accuracy", "macro_precision",
        "macro_recall", "macro_f1", "ece", "recall", "precision", "f1",
    }
)  # fmt: skip
"""Metrics in [0, 1] that are shown in percent; all others keep their own unit."""
_METRIC_NAMES = {
    "top1": "Top-1",
    "top5": "Top-5",
    "mean_per_class_recall": "Mean recall",
    "balanced_accuracy": "Balanced accuracy",
    "macro_precision": "Macro precision",
    "macro_recall": "Macro recall",
    "macro_f1": "Macro F1",
    "nll": "NLL",
    "brier": "Brier",
    "ece": "ECE",
    "recall": "Recall",
    "precision": "Precision",
    "f1": "F1",
    "negative_flip_rate": "Newly wrong",
}
_UNSAFE_TO_SHOW = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff\ufffe\uffff]"
)
_KIB = 1024
_MINUTE_S = 60
_HOUR_S = 3600


def percent(value: float) -> str:
    """Format a proportion with one decimal: 0.9306 -> `93.1%`."""
    return f"{_signless_zero(100 * value, 1)}%"


def metric_number(metric: str, value: float) -> str:
    """Format a metric's value in its own unit: percent for proportions, else three decimals."""
    return percent(value) if metric in PROPORTIONS else _signless_zero(value, 3)


def interval(metric: str, low: float | None, high: float | None) -> str:
    """Format an interval, `[91.2, 94.6]`; an empty string where there is none."""
    if low is None or high is None:
        return ""
    if metric in PROPORTIONS:
        return f"[{_signless_zero(100 * low, 1)}, {_signless_zero(100 * high, 1)}]"
    return f"[{_signless_zero(low, 3)}, {_signless_zero(high, 3)}]"


def points(difference: float) -> str:
    """Format a difference of proportions in percentage points, always signed: `+1.2`, `0.0`."""
    return wording.points(difference).replace("-", MINUS)


def points_interval(low: float | None, high: float | None) -> str:
    """Format an interval of a difference in points, both ends signed: `[-3.9, +0.8]`."""
    if low is None or high is None:
        return ""
    return wording.points_interval(low, high).replace("-", MINUS)


def points_apart(distance: float) -> str:
    """Format a distance in points, which has no direction: `1.2`."""
    return _signless_zero(100 * abs(distance), 1)


def signed_number(value: float) -> str:
    """Format a difference in a metric's own unit, signed: `+0.031`."""
    text = f"{value:+.3f}"
    return "0.000" if float(text) == 0 else text.replace("-", MINUS)


def limit_number(limit: float) -> str:
    """Format a limit times 100 with as many decimals as it has, at least one: 0.0025 -> `0.25`."""
    text = f"{100 * limit:.10g}"
    return (text if "." in text or "e" in text else f"{text}.0").replace("-", MINUS)


def tiny(value: float) -> str:
    """Format a numeric distance, where only the order of magnitude matters: `3.1e-07`."""
    return f"{value:.1e}".replace("-", MINUS) if value else "0"


def metric_name(metric: str) -> str:
    """Return a metric's name as headings say it; unknown ones keep their key."""
    return _METRIC_NAMES.get(metric, metric)


def duration(seconds: float) -> str:
    """Format a duration: `4.2 ms`, `3.21 s`, `1 min 15 s`, `1 h 2 min`."""
    if seconds < 1:
        return f"{1000 * seconds:.1f} ms"
    if seconds < _MINUTE_S:
        return f"{seconds:.2f} s"
    whole = round(seconds)
    if whole < _HOUR_S:
        return f"{whole // _MINUTE_S} min {whole % _MINUTE_S} s"
    return f"{whole // _HOUR_S} h {whole % _HOUR_S // _MINUTE_S} min"


def latency(seconds: float) -> str:
    """Format a timing with three digits that say something: `0.0512 ms`, `41.2 ms`, `1.23 s`."""
    if seconds < 1:
        return f"{1000 * seconds:.3g} ms"
    return f"{seconds:.2f} s" if seconds < _MINUTE_S else duration(seconds)


def size(n_bytes: int) -> str:
    """Format a size in binary units: `15.6 GiB`."""
    amount, unit = float(n_bytes), "B"
    for larger in ("KiB", "MiB", "GiB", "TiB"):
        if amount < _KIB:
            break
        amount, unit = amount / _KIB, larger
    return f"{amount:.0f} B" if unit == "B" else f"{amount:.1f} {unit}"


def url_path(path: str) -> str:
    """Return a relative path as it stands in a link: `a b` becomes `a%20b`."""
    return quote(path.replace("\\", "/"), errors="surrogatepass")


def timestamp(created: str) -> str:
    """Format an ISO 8601 instant as `2026-11-23 22:56 UTC`; text that is none is kept as it is."""
    try:
        instant = datetime.fromisoformat(created)
    except ValueError:
        return created
    if instant.tzinfo is not None:
        instant = instant.astimezone(UTC)
    return instant.strftime("%Y-%m-%d %H:%M UTC")


def visible(text: str) -> str:
    """Replace what would be invisible, reorder its surroundings or not encode as UTF-8 by U+FFFD.

    These are control characters other than tab and newline, line separators, overrides of the
    writing direction, and the lone surrogates that stand for undecodable bytes of file names.
    """
    return _UNSAFE_TO_SHOW.sub("\N{REPLACEMENT CHARACTER}", text)


def _signless_zero(value: float, n_decimals: int) -> str:
    """Round, with a true minus sign, and without one before zero."""
    text = f"{value:.{n_decimals}f}"
    return text.lstrip("-") if float(text) == 0 else text.replace("-", MINUS)
