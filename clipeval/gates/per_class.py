"""Limits on single classes, corrected for how many are looked at (Holm)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from scipy.special import bdtr, bdtrc

from clipeval.comparison.binary import group_indices
from clipeval.errors import did_you_mean
from clipeval.gates.absolute import digits_apart, side
from clipeval.gates.relative import kept_open, undecided
from clipeval.gates.settling import images_for_share, settle_text
from clipeval.records import CellOutcomes, GateResult, GateSpec, Verdict
from clipeval.records.gate_images import MAX_NAMED
from clipeval.records.results import BoolArray, IntArray
from clipeval.stats import (
    Clustering,
    Interval,
    cluster,
    effective_wilson_interval,
    holm,
    wilson_interval,
)
from clipeval.wording import SIGNIFICANCE, count, p_text


def decide_class_limits(gate: GateSpec, cell: CellOutcomes) -> tuple[GateResult, ...]:
    """Decide min and max for each class of a gate.

    A class that keeps the limit passes. One beyond it fails if that is more than chance (one-sided exact
    binomial test, Holm over the classes of the gate), and is inconclusive if not.

    Returns:
        The results of classes that did not pass; one result for all where every class did.
    """
    limits: tuple[tuple[Literal["min", "max"], float | None], ...] = (
        ("min", gate.min),
        ("max", gate.max),
    )
    results: list[GateResult] = []
    for kind, limit in limits:
        if limit is not None:
            results += _decide_kind(gate, kind, limit, cell)
    return tuple(results)


def chosen_classes(gate: GateSpec, cell: CellOutcomes) -> tuple[list[int], list[str]]:
    """Return the indices of a gate's classes, and the names that the data set does not have."""
    if gate.classes == "all":
        return list(range(len(cell.class_keys))), []
    index_of = {
        **{key: i for i, key in enumerate(cell.class_keys)},
        **{name: i for i, name in enumerate(cell.class_names)},
    }
    unknown = [name for name in gate.classes if name not in index_of]
    # A class may be named twice, by its key and by its name; Holm must count it once.
    known = dict.fromkeys(index_of[name] for name in gate.classes if name in index_of)
    return list(known), unknown


def unknown_classes(
    gate: GateSpec,
    kind: Literal["min", "max", "max_drop"],
    limit: float,
    names: Sequence[str],
    cell: CellOutcomes,
) -> list[GateResult]:
    """Return the error of a gate on classes that do not exist; nothing if there are no such names."""
    if not names:
        return []
    known = (*cell.class_names, *cell.class_keys)
    told = ", ".join(f"'{name}'{did_you_mean(name, known)}" for name in names)
    cause = (
        f"{cell.dataset} has no {'class' if len(names) == 1 else 'classes'} {told}; "
        f"available: {', '.join(cell.class_names[:MAX_NAMED])}"
    )
    return [kept_open(gate.metric, kind, limit, cause)]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Counted:
    """One class: how many of its images (of those predicted as it) are right."""

    name: str
    n_right: int
    n: int
    clustering: Clustering | None
    """Of dependent images; None without groups."""
    wrong_images: tuple[str, ...]

    @property
    def value(self) -> float:
        return self.n_right / self.n

    @property
    def design_effect(self) -> float:
        """By how much groups of dependent images divide what the counts are worth; 1 without groups."""
        return self.clustering.design_effect if self.clustering else 1.0

    def independent(self, kind: Literal["min", "max"]) -> tuple[int, int]:
        """How many right of how many independent images this is worth, in whole images.

        Part of an image is rounded towards the limit being kept, so that rounding alone fails no class.
        """
        if self.design_effect == 1:
            return self.n_right, self.n
        n = max(1, math.floor(self.n / self.design_effect))
        in_favour = math.ceil if kind == "min" else math.floor
        return in_favour(self.n_right * n / self.n), n

    def interval(self) -> Interval:
        if self.clustering is None:
            return wilson_interval(self.n_right, self.n)
        return effective_wilson_interval(self.n_right, self.n, self.clustering)


def _decide_kind(
    gate: GateSpec, kind: Literal["min", "max"], limit: float, cell: CellOutcomes
) -> list[GateResult]:
    indices, unknown = chosen_classes(gate, cell)
    results = unknown_classes(gate, kind, limit, unknown, cell)
    groups = group_indices(cell) if indices else None
    counted = [_count(gate.metric, cell, index, groups) for index in indices]
    empty = [one for one in counted if one.n == 0]
    results += [_without_images(gate.metric, kind, limit, one) for one in empty]
    measured = [one for one in counted if one.n > 0]
    decided = _decide_all(gate.metric, kind, limit, measured)
    open_or_failed = [one for one in decided if one.state != "pass"]
    if len(decided) == 1:
        return [*results, *decided]
    if results or open_or_failed:
        return [*results, *open_or_failed]
    return [_all_pass(gate.metric, kind, limit, measured)]


def _count(metric: str, cell: CellOutcomes, index: int, groups: IntArray | None) -> _Counted:
    is_label: BoolArray = cell.labels == index
    is_predicted: BoolArray = cell.predicted == index
    considered = is_label if metric == "recall" else is_predicted
    wrong = np.flatnonzero(considered & (is_label != is_predicted))[:MAX_NAMED]
    return _Counted(
        name=cell.class_names[index],
        n_right=int(np.count_nonzero(is_label & is_predicted)),
        n=int(np.count_nonzero(considered)),
        clustering=_clustering(is_label == is_predicted, considered, groups),
        wrong_images=tuple(cell.sample_ids[i] for i in wrong.tolist()),
    )


def _clustering(
    right: BoolArray, considered: BoolArray, groups: IntArray | None
) -> Clustering | None:
    if groups is None or not considered.any():
        return None
    within = groups[considered]
    if within.min() == within.max():
        # One group, however many images, is one observation.
        return Clustering(n_groups=1, design_effect=float(len(within)))
    return cluster(right[considered].astype(np.float64), within)


def _decide_all(
    metric: str, kind: Literal["min", "max"], limit: float, measured: Sequence[_Counted]
) -> list[GateResult]:
    beyond: Literal["less", "greater"] = "less" if kind == "min" else "greater"
    p_values = [_binomial_p(*one.independent(kind), limit, alternative=beyond) for one in measured]
    adjusted = holm(np.asarray(p_values, dtype=np.float64)).tolist()
    return [
        _decide_class(metric, kind, limit, one, p_value, n_classes=len(measured))
        for one, p_value in zip(measured, adjusted, strict=True)
    ]


def _binomial_p(
    n_right: int, n: int, share: float, *, alternative: Literal["less", "greater"]
) -> float:
    """Return the p-value of the exact one-sided binomial test: scipy.stats.binomtest, slow to import."""
    if alternative == "less":
        return float(bdtr(n_right, n, share))
    return float(bdtrc(n_right - 1, n, share)) if n_right else 1.0


def _decide_class(
    metric: str,
    kind: Literal["min", "max"],
    limit: float,
    one: _Counted,
    p_value: float,
    *,
    n_classes: int,
) -> GateResult:
    is_kept = one.value >= limit if kind == "min" else one.value <= limit
    state: Verdict = "pass" if is_kept else "fail" if p_value < SIGNIFICANCE else "inconclusive"
    interval = one.interval()
    message = (
        f"{_measured_text(metric, limit, one, interval)} {side(kind, is_kept=is_kept)} {limit:g}"
    )
    n_to_settle = None
    if state == "fail":
        message += f" ({p_text(p_value)} by Holm)"
    elif state == "inconclusive":
        n_to_settle = _n_to_settle(limit, one, n_classes=n_classes)
        message += _open_text(metric, p_value, n_to_settle)
    return GateResult(
        metric=metric,
        kind=kind,
        limit=limit,
        value=one.value,
        low=interval.low,
        high=interval.high,
        state=state,
        message=message,
        class_name=one.name,
        p_value=p_value,
        n_to_settle=n_to_settle,
        images=one.wrong_images if state != "pass" else (),
        n_behind=one.n - one.n_right if state != "pass" else None,
    )


def _n_to_settle(limit: float, one: _Counted, *, n_classes: int) -> int | None:
    return images_for_share(
        share=one.value,
        limit=limit,
        n_images=one.n,
        design_effect=one.design_effect,
        confidence=1 - SIGNIFICANCE / n_classes,
    )


def _open_text(metric: str, p_value: float, n_to_settle: int | None) -> str:
    which = "of this class" if metric == "recall" else "predicted as this class"
    chance = f"{p_text(p_value)} by Holm"
    return f", but that may be chance ({chance}); {settle_text(n_to_settle, which)}"


def _measured_text(metric: str, limit: float, one: _Counted, interval: Interval) -> str:
    digits = digits_apart(one.value, limit)
    return (
        f"{metric} of '{one.name}' {one.value:.{digits}f} "
        f"[{interval.low:.{digits}f}, {interval.high:.{digits}f}] of {count(one.n, 'image')}"
    )


def _without_images(
    metric: str, kind: Literal["min", "max"], limit: float, one: _Counted
) -> GateResult:
    why = "has no images" if metric == "recall" else "was never predicted"
    message = f"{metric} of '{one.name}' does not exist: the class {why}"
    return undecided(metric, kind, limit, message)


def _all_pass(
    metric: str, kind: Literal["min", "max"], limit: float, measured: Sequence[_Counted]
) -> GateResult:
    nearest = (min if kind == "min" else max)(measured, key=lambda one: one.value)
    interval = nearest.interval()
    word = "lowest" if kind == "min" else "highest"
    limit_word = "minimum" if kind == "min" else "maximum"
    return GateResult(
        metric=metric,
        kind=kind,
        limit=limit,
        value=nearest.value,
        low=interval.low,
        high=interval.high,
        state="pass",
        message=f"{metric} of all {len(measured)} classes keeps the {limit_word} {limit:g}; "
        f"{word}: '{nearest.name}' {nearest.value:.3f}",
    )
