"""How much recall single classes may have lost, corrected for how many are looked at (Holm)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from clipeval.comparison.binary import ONE_SIDED, PairedProportions, paired_groups
from clipeval.comparison.classes import class_proportions
from clipeval.comparison.pairing import PairedCells, pair_images
from clipeval.comparison.wording import (
    margin_text,
    p_text,
    points,
    points_interval,
    reproduction_text,
)
from clipeval.gates.per_class import SIGNIFICANCE, chosen_classes, unknown_class
from clipeval.gates.relative import MAX_IMAGES, newly_wrong, undecided
from clipeval.gates.settling import CONFIDENCE, images_for_drop, settle_text
from clipeval.records import CellOutcomes, Comparison, GateResult, GateSpec, Verdict
from clipeval.stats import holm


def decide_class_drops(
    gate: GateSpec,
    margin: float,
    base: CellOutcomes,
    candidate: CellOutcomes,
    comparison: Comparison,
    *,
    against: str,
) -> tuple[GateResult, ...]:
    """Decide max_drop of recall for each class of a gate, as a non-inferiority test on its images.

    A class fails if its drop is shown to be larger than the margin (score test, Holm over the classes),
    and passes if it is shown to be smaller: for all classes to pass, each has to be shown by itself, which
    needs no correction.

    Returns:
        The results of classes that did not pass; one result for all where every class did.
    """
    indices, unknown = chosen_classes(gate, candidate)
    results = [unknown_class(gate, "max_drop", margin, name, candidate) for name in unknown]
    if comparison.reproduction is not None and indices:
        return (*results, _of_reproduction(margin, comparison, against))
    paired = pair_images(base, candidate)
    keys = [candidate.class_keys[index] for index in indices]
    counted = [_count(paired, key) for key in keys]
    results += [_uncounted(margin, one, against) for one in counted if one.proportions is None]
    decided = _decide_all(margin, [one for one in counted if one.proportions is not None], against)
    if len(decided) == 1:
        return (*results, *decided)
    not_passed = [one for one in decided if one.state != "pass"]
    if results or not_passed:
        return (*results, *not_passed)
    return (_all_pass(margin, decided, against),)


@dataclass(frozen=True, slots=True, kw_only=True)
class _ClassPair:
    """One class of two cells."""

    name: str
    n: int
    proportions: PairedProportions | None
    """None if the class has no images, or all of one group."""
    newly_wrong: tuple[str, ...]


def _count(paired: PairedCells, key: str) -> _ClassPair:
    index = paired.candidate.class_keys.index(key)
    of_class = paired.candidate.labels == index
    was_right, is_right = paired.base.predicted == index, paired.candidate.predicted == index
    flipped = np.flatnonzero(of_class & was_right & ~is_right)[:MAX_IMAGES].tolist()
    n_images = int(np.count_nonzero(of_class))
    return _ClassPair(
        name=paired.candidate.class_names[index],
        n=n_images,
        proportions=class_proportions(paired, index, paired_groups(paired)) if n_images else None,
        newly_wrong=tuple(paired.candidate.sample_ids[i] for i in flipped),
    )


def _uncounted(margin: float, one: _ClassPair, against: str) -> GateResult:
    why = "all its images are of one group" if one.n else "the class has no images"
    message = f"recall of '{one.name}' cannot be compared: {why}"
    return undecided("recall", "max_drop", margin, message, against=against)


def _decide_all(margin: float, counted: Sequence[_ClassPair], against: str) -> list[GateResult]:
    pairs = [one.proportions for one in counted if one.proportions is not None]
    p_dropped = holm(np.asarray([one.p_beyond(-margin, "less") for one in pairs], dtype=np.float64))
    p_kept = [one.p_beyond(-margin, "greater") for one in pairs]
    return [
        _decide(
            margin,
            one,
            pair,
            p_fail=float(p_fail),
            p_pass=p_pass,
            n_classes=len(pairs),
            against=against,
        )
        for one, pair, p_fail, p_pass in zip(counted, pairs, p_dropped, p_kept, strict=True)
    ]


def _decide(
    margin: float,
    one: _ClassPair,
    pair: PairedProportions,
    *,
    p_fail: float,
    p_pass: float,
    n_classes: int,
    against: str,
) -> GateResult:
    state: Verdict = "inconclusive"
    if p_fail < SIGNIFICANCE:
        state = "fail"
    elif p_pass < SIGNIFICANCE:
        state = "pass"
    found, interval = pair.found, pair.interval(ONE_SIDED)
    n_to_settle = None
    message = (
        f"recall of '{one.name}' {pair.n_base / found.n:.3f} -> {pair.n_candidate / found.n:.3f}, "
        f"{points(found.difference)} points, 95% bounds {points_interval(interval.low, interval.high)}, on "
        f"{one.n:,} images: a drop of more than {margin_text(margin)} is "
    )
    if state == "inconclusive":
        is_beyond = found.difference < -margin
        n_to_settle = images_for_drop(
            difference=found.difference,
            rate=found.rate,
            margin=margin,
            clustering=pair.clustering,
            # To pass takes no correction, to fail takes that of Holm for the first of all classes.
            confidence=1 - SIGNIFICANCE / n_classes if is_beyond else CONFIDENCE,
        )
        message += (
            f"neither shown nor ruled out ({p_text(p_fail)} by Holm); {settle_text(n_to_settle)}"
        )
    else:
        message += f"shown ({p_text(p_fail)} by Holm)" if state == "fail" else "ruled out"
    return GateResult(
        metric="recall",
        kind="max_drop",
        limit=margin,
        value=found.difference,
        low=interval.low,
        high=interval.high,
        state=state,
        message=message,
        against=against,
        class_name=one.name,
        p_value=p_fail,
        n_to_settle=n_to_settle,
        images=one.newly_wrong if state != "pass" else (),
    )


def _of_reproduction(margin: float, comparison: Comparison, against: str) -> GateResult:
    assert comparison.reproduction is not None
    reproduction = comparison.reproduction
    return GateResult(
        metric="recall",
        kind="max_drop",
        limit=margin,
        value=comparison.macro_recall.value,
        low=comparison.macro_recall.lower_bound,
        high=comparison.macro_recall.upper_bound,
        state="pass" if reproduction.is_within else "fail",
        message=f"recall: {reproduction_text(reproduction, comparison.n_images)}",
        against=against,
        images=() if reproduction.is_within else newly_wrong(comparison),
    )


def _all_pass(margin: float, decided: Sequence[GateResult], against: str) -> GateResult:
    least = min(decided, key=lambda one: one.value if one.value is not None else 0.0)
    return GateResult(
        metric="recall",
        kind="max_drop",
        limit=margin,
        value=least.value,
        low=least.low,
        high=least.high,
        state="pass",
        message=f"recall of all {len(decided)} classes: a drop of more than {margin_text(margin)} is "
        f"ruled out for each; largest: {least.message.partition(':')[0]}",
        against=against,
    )
