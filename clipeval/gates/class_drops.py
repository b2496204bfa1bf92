"""How much recall single classes may have lost, corrected for how many are looked at (Holm)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from clipeval.comparison.binary import ONE_SIDED, PairedProportions, paired_groups
from clipeval.comparison.classes import class_proportions
from clipeval.comparison.pairing import PairedCells, pair_images
from clipeval.comparison.wording import reproduction_text
from clipeval.gates.per_class import chosen_classes, unknown_classes
from clipeval.gates.relative import newly_wrong, undecided
from clipeval.gates.settling import CONFIDENCE, images_for_drop, settle_text
from clipeval.records import (
    CellOutcomes,
    Comparison,
    GateResult,
    GateSpec,
    Reproduction,
    Verdict,
)
from clipeval.records.gate_images import MAX_NAMED
from clipeval.records.results import IntArray
from clipeval.stats import Interval, holm
from clipeval.wording import SIGNIFICANCE, count, margin_text, p_text, points, points_interval


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
        The results of classes that did not pass; one result for all where every class did, and where the
        same weights and prompts were run again, for numerics know no classes.
    """
    indices, unknown = chosen_classes(gate, candidate)
    results = unknown_classes(gate, "max_drop", margin, unknown, candidate)
    if comparison.reproduction is not None and indices:
        return (*results, _of_reproduction(margin, comparison.reproduction, comparison, against))
    paired = pair_images(base, candidate)
    groups = paired_groups(paired)
    counted = [_count(paired, candidate.class_keys[index], groups) for index in indices]
    results += [_uncounted(margin, one, against) for one in counted if one.proportions is None]
    tested = _test_all(margin, counted)
    decided = [_result(margin, one, n_classes=len(tested), against=against) for one in tested]
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
    """The first of them."""
    n_newly_wrong: int


@dataclass(frozen=True, slots=True, kw_only=True)
class _TestedClass:
    """A class and what the two one-sided tests say of its drop."""

    name: str
    n: int
    proportions: PairedProportions
    newly_wrong: tuple[str, ...]
    """The first of them."""
    n_newly_wrong: int
    p_dropped: float
    """Of the drop being within the margin, by Holm over the classes."""
    p_kept: float
    """Of the drop being beyond it; not adjusted."""

    @property
    def state(self) -> Verdict:
        if self.p_dropped < SIGNIFICANCE:
            return "fail"
        return "pass" if self.p_kept < SIGNIFICANCE else "inconclusive"


def _count(paired: PairedCells, key: str, groups: IntArray | None) -> _ClassPair:
    index = paired.candidate.class_keys.index(key)
    of_class = paired.candidate.labels == index
    was_right, is_right = paired.base.predicted == index, paired.candidate.predicted == index
    flipped = np.flatnonzero(of_class & was_right & ~is_right).tolist()
    n_images = int(np.count_nonzero(of_class))
    return _ClassPair(
        name=paired.candidate.class_names[index],
        n=n_images,
        proportions=class_proportions(paired, index, groups) if n_images else None,
        newly_wrong=tuple(paired.candidate.sample_ids[i] for i in flipped[:MAX_NAMED]),
        n_newly_wrong=len(flipped),
    )


def _uncounted(margin: float, one: _ClassPair, against: str) -> GateResult:
    why = "all its images are of one group" if one.n else "the class has no images"
    message = f"recall of '{one.name}' cannot be compared: {why}"
    return undecided("recall", "max_drop", margin, message, against=against)


def _test_all(margin: float, counted: Sequence[_ClassPair]) -> list[_TestedClass]:
    """Test the classes that can be compared."""
    pairs = [(one, one.proportions) for one in counted if one.proportions is not None]
    p_values = [pair.p_beyond(-margin, "less") for _, pair in pairs]
    adjusted = holm(np.asarray(p_values, dtype=np.float64)).tolist()
    return [
        _TestedClass(
            name=one.name,
            n=one.n,
            proportions=pair,
            newly_wrong=one.newly_wrong,
            n_newly_wrong=one.n_newly_wrong,
            p_dropped=p_dropped,
            p_kept=pair.p_beyond(-margin, "greater"),
        )
        for (one, pair), p_dropped in zip(pairs, adjusted, strict=True)
    ]


def _result(margin: float, one: _TestedClass, *, n_classes: int, against: str) -> GateResult:
    interval = one.proportions.interval(ONE_SIDED)
    n_to_settle = None
    if one.state == "inconclusive":
        n_to_settle = _n_to_settle(margin, one.proportions, n_classes=n_classes)
    return GateResult(
        metric="recall",
        kind="max_drop",
        limit=margin,
        value=one.proportions.found.difference,
        low=interval.low,
        high=interval.high,
        state=one.state,
        message=_message(margin, one, interval, n_to_settle),
        against=against,
        class_name=one.name,
        p_value=one.p_dropped,
        n_to_settle=n_to_settle,
        images=one.newly_wrong if one.state != "pass" else (),
        n_behind=one.n_newly_wrong if one.state != "pass" else None,
    )


def _n_to_settle(margin: float, pair: PairedProportions, *, n_classes: int) -> int | None:
    is_beyond = pair.found.difference < -margin
    return images_for_drop(
        difference=pair.found.difference,
        rate=pair.found.rate,
        margin=margin,
        clustering=pair.clustering,
        # To pass takes no correction, to fail takes that of Holm for the first of all classes.
        confidence=1 - SIGNIFICANCE / n_classes if is_beyond else CONFIDENCE,
    )


def _message(margin: float, one: _TestedClass, interval: Interval, n_to_settle: int | None) -> str:
    pair, found = one.proportions, one.proportions.found
    by_holm = f"({p_text(one.p_dropped)} by Holm)"
    says = {
        "pass": "ruled out",
        "fail": f"shown {by_holm}",
        "inconclusive": f"neither shown nor ruled out {by_holm}; "
        f"{settle_text(n_to_settle, 'of this class')}",
    }
    return (
        f"recall of '{one.name}' {pair.n_base / found.n:.3f} -> {pair.n_candidate / found.n:.3f}, "
        f"{points(found.difference)} points, 95% bounds {points_interval(interval.low, interval.high)}, on "
        f"{count(one.n, 'image')}: a drop of more than {margin_text(margin)} is {says[one.state]}"
    )


def _of_reproduction(
    margin: float, reproduction: Reproduction, comparison: Comparison, against: str
) -> GateResult:
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
        n_behind=None if reproduction.is_within else comparison.n_newly_wrong,
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
