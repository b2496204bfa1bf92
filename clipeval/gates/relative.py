"""Limits on what may have become worse: max_drop and max_negative_flip_rate."""

from __future__ import annotations

import math
from collections.abc import Mapping

from clipeval.comparison.binary import ONE_SIDED
from clipeval.comparison.wording import reproduction_text
from clipeval.gates.settling import (
    images_for_difference,
    images_for_share,
    images_for_top1,
    settle_text,
)
from clipeval.records import Comparison, Difference, GateResult, Verdict
from clipeval.records.gate_images import MAX_NAMED
from clipeval.records.results import GateKind
from clipeval.records.shared_causes import gate_text
from clipeval.stats import Clustering, effective_wilson_interval, wilson_interval
from clipeval.wording import margin_text, p_text, points, points_interval

N_CLASSES = 3
_SAYS: Mapping[Verdict, str] = {
    "pass": "a drop of more than {margin} is ruled out",
    "fail": "a drop of more than {margin} is shown",
    "inconclusive": "a drop of more than {margin} is neither shown nor ruled out",
}


def decide_drop(metric: str, margin: float, comparison: Comparison, *, against: str) -> GateResult:
    """Decide whether a metric dropped by no more than a margin, as a non-inferiority test.

    PASS if the one-sided 95% bound shows a smaller drop, FAIL if the other one shows a larger one, else
    INCONCLUSIVE. The same weights and prompts are no matter of chance: they pass if what changed is
    within the numeric floor, and fail if it is not.
    """
    found = _difference(metric, comparison)
    if found is None:
        message = (
            f"{metric} cannot be compared with {against}: it is not known of both "
            "(top-k needs more than k classes)"
        )
        return undecided(metric, "max_drop", margin, message, against=against)
    numbers = (found.value, found.lower_bound, found.upper_bound)
    if not all(math.isfinite(number) for number in numbers):
        message = f"the difference in {metric} is {found.value}; a gate on it cannot be decided"
        return undecided(metric, "max_drop", margin, message, against=against)
    n_to_settle = None
    if comparison.reproduction is not None:
        state: Verdict = "pass" if comparison.reproduction.is_within else "fail"
        message = f"{metric}: {reproduction_text(comparison.reproduction, comparison.n_images)}"
    else:
        state = non_inferiority(found.lower_bound, found.upper_bound, margin)
        if state == "inconclusive":
            n_to_settle = _n_to_settle(metric, margin, comparison, found)
        message = _drop_message(metric, margin, found, state)
        if state == "inconclusive":
            message += f"; {settle_text(n_to_settle)}"
        elif state == "fail":
            message += _worst_classes(comparison)
    return GateResult(
        metric=metric,
        kind="max_drop",
        limit=margin,
        value=found.value,
        low=found.lower_bound,
        high=found.upper_bound,
        state=state,
        message=message,
        against=against,
        n_to_settle=n_to_settle,
        images=newly_wrong(comparison) if state != "pass" else (),
        n_behind=comparison.n_newly_wrong if state != "pass" else None,
    )


def decide_flip_rate(
    limit: float, comparison: Comparison, *, against: str, clustering: Clustering | None
) -> GateResult:
    """Decide whether the share of newly wrong images is within a limit, by its one-sided 95% bounds.

    Args:
        limit: largest share.
        comparison: of the cell.
        against: what it was compared with.
        clustering: of the newly wrong images; None without groups.
    Source: Yan et al., "Positive-congruent training: towards regression-free model updates", CVPR 2021,
        for the negative flip rate; the bounds are those of the Wilson score interval.
    """
    n_wrong, n_images = comparison.n_newly_wrong, comparison.n_images
    if clustering is not None:
        interval = effective_wilson_interval(n_wrong, n_images, clustering, confidence=ONE_SIDED)
    else:
        interval = wilson_interval(n_wrong, n_images, confidence=ONE_SIDED)
    rate = comparison.negative_flip_rate
    n_to_settle = None
    if comparison.reproduction is not None:
        state: Verdict = "pass" if comparison.reproduction.is_within else "fail"
        message = f"negative flips: {reproduction_text(comparison.reproduction, n_images)}"
    else:
        state = (
            "pass" if interval.high < limit else "fail" if interval.low > limit else "inconclusive"
        )
        message = (
            f"{n_wrong:,} of {n_images:,} images are newly wrong: {rate:.2%} "
            f"[{interval.low:.2%}, {interval.high:.2%}], limit {limit:.2%}"
        )
        if state == "inconclusive":
            n_to_settle = images_for_share(
                share=rate,
                limit=limit,
                n_images=n_images,
                design_effect=clustering.design_effect if clustering else 1.0,
            )
            message += f": neither shown nor ruled out to be above it; {settle_text(n_to_settle)}"
    return GateResult(
        metric="top1",
        kind="max_negative_flip_rate",
        limit=limit,
        value=rate,
        low=interval.low,
        high=interval.high,
        state=state,
        message=message,
        against=against,
        n_to_settle=n_to_settle,
        images=newly_wrong(comparison) if state != "pass" else (),
        n_behind=comparison.n_newly_wrong if state != "pass" else None,
    )


def non_inferiority(lower_bound: float, upper_bound: float, margin: float) -> Verdict:
    """Say on which side of -margin a difference with these one-sided bounds is shown to lie."""
    if lower_bound > -margin:
        return "pass"
    return "fail" if upper_bound < -margin else "inconclusive"


def undecided(
    metric: str,
    kind: GateKind,
    limit: float,
    message: str,
    *,
    against: str | None = None,
    state: Verdict = "error",
    cause: str | None = None,
) -> GateResult:
    """Return a gate for which there is nothing to decide with.

    Args:
        metric: as the suite says.
        kind: as the suite says.
        limit: as the suite says.
        message: what to say of it.
        against: what it was to be compared with.
        state: what that comes to.
        cause: see GateResult.
    """
    return GateResult(
        metric=metric,
        kind=kind,
        limit=limit,
        value=None,
        low=None,
        high=None,
        state=state,
        message=message,
        against=against,
        cause=cause,
    )


def kept_open(
    metric: str,
    kind: GateKind,
    limit: float,
    cause: str,
    *,
    against: str | None = None,
    state: Verdict = "error",
) -> GateResult:
    """Return a gate that cannot be decided for a cause that others may share; it is named before it."""
    message = f"{gate_text(metric, kind, limit)}: {cause}"
    return undecided(metric, kind, limit, message, against=against, state=state, cause=cause)


def newly_wrong(comparison: Comparison) -> tuple[str, ...]:
    """Return the ids of the first newly wrong images."""
    return tuple(flip.sample_id for flip in comparison.newly_wrong[:MAX_NAMED])


def _difference(metric: str, comparison: Comparison) -> Difference | None:
    """Return the difference of a metric; three names of one average are one difference."""
    match metric:
        case "top1":
            return comparison.top1
        case "top5":
            return comparison.top5
        case "macro_precision":
            return comparison.macro_precision
        case "macro_f1":
            return comparison.macro_f1
        case "macro_recall" | "mean_per_class_recall" | "balanced_accuracy":
            return comparison.macro_recall
        case _:
            return None


def _n_to_settle(
    metric: str, margin: float, comparison: Comparison, found: Difference
) -> int | None:
    if metric == "top1":
        return images_for_top1(comparison, margin)
    return images_for_difference(found, margin=margin, n_images=comparison.n_images)


def _drop_message(metric: str, margin: float, found: Difference, state: Verdict) -> str:
    interval = points_interval(found.lower_bound, found.upper_bound)
    says = _SAYS[state].format(margin=margin_text(margin))
    return (
        f"{metric} {found.base:.3f} -> {found.candidate:.3f}, {points(found.value)} points, "
        f"95% bounds {interval}: {says}"
    )


def _worst_classes(comparison: Comparison) -> str:
    """Name the classes that lost most, those first where that is least likely chance."""
    lost = [one for one in comparison.per_class if one.difference < 0]
    lost.sort(key=lambda one: (one.adjusted_p, one.difference))
    named = ", ".join(
        f"{one.name} {points(one.difference)} ({p_text(one.adjusted_p)})"
        for one in lost[:N_CLASSES]
    )
    more = f" and {len(lost) - N_CLASSES} more" if len(lost) > N_CLASSES else ""
    return f"; classes that lost recall: {named}{more}" if lost else ""
