"""What moved, in words, for the top of the page and for pull requests."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from clipeval.records import ClassDifference, Comparison, RunRecord
from clipeval.records.comparisons import ComparisonKind, Conclusion
from clipeval.report import format as fmt
from clipeval.report.views.grouping import comparison_anchor
from clipeval.wording import SIGNIFICANCE, count, p_text

MARKS: dict[Conclusion, str] = {"better": "▲", "worse": "▼", "inconclusive": "○", "same": "="}
"""A conclusion is never told by colour alone."""
WORDS: dict[Conclusion, str] = {
    "better": "better",
    "worse": "worse",
    "inconclusive": "no difference shown",
    "same": "same",
}
HELD_AGAINST: dict[ComparisonKind, str] = {
    "baseline": "the baseline",
    "run": "the base",
    "model": "the reference model",
    "template": "the reference template",
}
MAX_CLASSES = 3
_KINDS: tuple[ComparisonKind, ...] = ("baseline", "run", "model", "template")
"""Versions before templates: that one template is worse than another is rarely news."""

Quote = Callable[[str], str]
"""Makes a name from outside safe where the text goes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Move:
    """One comparison that shows a difference."""

    anchor: str
    conclusion: Conclusion
    mark: str
    text: str


def moves(record: RunRecord, *, quote: Quote) -> tuple[Move, ...]:
    """Say every comparison that shows a difference, worse first, versions before templates."""
    moved = [(i, one) for i, one in enumerate(record.comparisons) if _has_moved(one)]
    moved.sort(key=lambda pair: _urgency(pair[1]))
    return tuple(
        Move(
            anchor=comparison_anchor(i),
            conclusion=one.conclusion,
            mark=mark_of(one),
            text=_move_text(one, quote),
        )
        for i, one in moved
    )


def held_against(record: RunRecord) -> dict[str, Comparison]:
    """Return the comparison that says most about each cell that has one: versions before templates."""
    found: dict[str, Comparison] = {}
    for one in sorted(record.comparisons, key=lambda one: _KINDS.index(one.kind)):
        found.setdefault(one.candidate, one)
    return found


def unmoved(record: RunRecord) -> tuple[str, ...]:
    """Count what did not move: with what could have been seen, and what was reproduced."""
    rest = [one for one in record.comparisons if not _has_moved(one)]
    tested = [one for one in rest if one.reproduction is None]
    open_ones = [one for one in tested if one.conclusion == "inconclusive"]
    n_same = len(tested) - len(open_ones)
    lines = [_no_difference(open_ones)] if open_ones else []
    if n_same:
        verb = "finds" if n_same == 1 else "find"
        lines.append(f"{count(n_same, 'comparison')} {verb} both sides the same")
    reproduced = [one for one in rest if one.reproduction is not None]
    for is_baseline in (True, False):
        found = [one for one in reproduced if (one.kind == "baseline") == is_baseline]
        if found:
            lines.append(_reproduced(found, is_baseline=is_baseline))
    return tuple(lines)


def mark_of(comparison: Comparison) -> str:
    """Return the sign that stands beside the word."""
    return "!" if _is_broken(comparison) else MARKS[comparison.conclusion]


def word_of(comparison: Comparison) -> str:
    """Say the conclusion; a model that drifted without getting better or worse is not the same."""
    return "not reproduced" if _is_broken(comparison) else WORDS[comparison.conclusion]


def against_words(comparison: Comparison, quote: Quote) -> str:
    """Say what the candidate was compared with: a cell, or the baseline."""
    has_own_name = comparison.base != comparison.candidate
    if comparison.kind == "baseline":
        return f"baseline (then {quote(comparison.base)})" if has_own_name else "baseline"
    return quote(comparison.base) if has_own_name else "the base"


def significant(per_class: Sequence[ClassDifference], *, sign: int) -> tuple[ClassDifference, ...]:
    """Return the classes that moved one way by more than chance, those first that moved most."""
    found = [
        one for one in per_class if one.adjusted_p < SIGNIFICANCE and sign * one.difference > 0
    ]
    return tuple(sorted(found, key=lambda one: (-abs(one.difference), one.adjusted_p)))


def _has_moved(comparison: Comparison) -> bool:
    return _is_broken(comparison) or comparison.conclusion in ("better", "worse")


def _is_broken(comparison: Comparison) -> bool:
    """Tell a reproduction beyond the numeric floor that shows no direction."""
    found = comparison.reproduction
    has_direction = comparison.conclusion in ("better", "worse")
    return found is not None and not found.is_within and not has_direction


def _urgency(comparison: Comparison) -> tuple[int, int, float]:
    order = {"worse": 0, "better": 2}.get(comparison.conclusion, 1)
    return (order, _KINDS.index(comparison.kind), -abs(comparison.top1.value))


def _move_text(comparison: Comparison, quote: Quote) -> str:
    top1 = comparison.top1
    subject = f"{quote(comparison.candidate)} against {against_words(comparison, quote)}"
    moved = f"top-1 {fmt.points(top1.value)} points {fmt.points_interval(top1.low, top1.high)}"
    flips = (
        f"{count(comparison.n_newly_wrong)} newly wrong, "
        f"{count(comparison.n_newly_right)} newly right"
    )
    return f"{subject}: {moved}, {flips}{_numerics(comparison)}{_classes(comparison, quote)}"


def _numerics(comparison: Comparison) -> str:
    found = comparison.reproduction
    if found is None or found.is_within:
        return ""
    flips = f"{found.n_unexplained} of {count(found.n_changed, 'flip')} unexplained"
    return (
        "; same weights and prompts, yet beyond the numeric floor "
        f"({flips if found.n_unexplained else 'embeddings drifted'})"
    )


def _classes(comparison: Comparison, quote: Quote) -> str:
    if comparison.conclusion not in ("better", "worse"):
        return ""
    is_worse = comparison.conclusion == "worse"
    found = significant(comparison.per_class, sign=-1 if is_worse else 1)
    if not found:
        return ""
    named = ", ".join(
        f"{quote(one.name)} {fmt.points(one.difference)} ({p_text(one.adjusted_p)})"
        for one in found[:MAX_CLASSES]
    )
    n_more = len(found) - MAX_CLASSES
    more = f" and {n_more} more" if n_more > 0 else ""
    return f"; {'worst' if is_worse else 'best'} classes: {named}{more}"


def _no_difference(found: Sequence[Comparison]) -> str:
    least, most = (fmt.points_apart(pick(one.detectable for one in found)) for pick in (min, max))
    if len(found) == 1:
        return f"1 comparison shows no difference; the least it could have seen is {least} points"
    start = f"{len(found)} comparisons show no difference; the least"
    if least == most:
        return f"{start} any of them could have seen is {least} points"
    return f"{start} they could have seen is {least} to {most} points"


def _reproduced(found: Sequence[Comparison], *, is_baseline: bool) -> str:
    n_flips = sum(one.n_changed for one in found)
    verb = "reproduces" if len(found) == 1 else "reproduce"
    noun, base = ("cell", "the baseline") if is_baseline else ("comparison", "the base")
    flips = count(n_flips, "flip")
    n_cached = sum(one.reproduction is not None and one.reproduction.is_cached for one in found)
    all_or_some = "" if n_cached == len(found) else f" of {n_cached}"
    cached = f", embeddings{all_or_some} from the cache" if n_cached else ""
    return f"{count(len(found), noun)} {verb} {base}: same weights and prompts, {flips}{cached}"
