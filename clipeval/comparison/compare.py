"""Compares two cells on the same images."""

from __future__ import annotations

import numpy as np

from clipeval.comparison.binary import PairedProportions, paired_groups
from clipeval.comparison.changes import cell_changes
from clipeval.comparison.classes import class_differences
from clipeval.comparison.confusion_change import confusion_change
from clipeval.comparison.pairing import PairedCells, pair_images, preprocessing_text
from clipeval.comparison.reproduction import is_reproduction, reproduction_of
from clipeval.comparison.wording import concluded
from clipeval.errors import ComparisonError
from clipeval.records import CellOutcomes, Comparison, Difference, Flip, Notice
from clipeval.records.comparisons import ComparisonKind
from clipeval.records.results import BoolArray, IntArray
from clipeval.stats import MacroMetric, macro_differences


def compare(base: CellOutcomes, candidate: CellOutcomes, *, kind: ComparisonKind) -> Comparison:
    """Compare two cells image by image.

    Everything is mirrored when the two change places, and depends neither on the order of images nor
    on that of classes.

    Raises:
        ComparisonError: they cannot be paired; the message says what differs.
        ScoringError: all images are of one group.
    """
    paired = pair_images(base, candidate)
    then, now = paired.base, paired.candidate
    _refuse_single_class(paired)
    was_right, is_right = then.predicted == then.labels, now.predicted == now.labels
    groups = paired_groups(paired)
    counted = PairedProportions.of(was_right, is_right, groups)
    reproduction = reproduction_of(paired) if is_reproduction(then, now) else None
    macro = _macro(paired, groups)
    is_of_versions = kind in {"baseline", "run"}
    newly_right, newly_wrong = ~was_right & is_right, was_right & ~is_right
    comparison = Comparison(
        kind=kind,
        base=base.cell,
        candidate=candidate.cell,
        dataset=candidate.dataset,
        n_images=len(now.sample_ids),
        n_groups=counted.clustering.n_groups if counted.clustering else None,
        design_effect=counted.clustering.design_effect if counted.clustering else None,
        top1=counted.difference(),
        top5=_top5_difference(paired, groups),
        macro_recall=macro["macro_recall"],
        macro_precision=macro["macro_precision"],
        macro_f1=macro["macro_f1"],
        p_value=None if reproduction else counted.p_value(),
        test=None if reproduction else ("mcnemar-mid-p" if groups is None else "score-rao-scott"),
        n_newly_right=int(np.count_nonzero(newly_right)),
        n_newly_wrong=int(np.count_nonzero(newly_wrong)),
        n_changed=int(np.count_nonzero(then.predicted != now.predicted)),
        negative_flip_rate=float(np.mean(newly_wrong)),
        detectable=counted.detectable(),
        newly_right=_flips(paired, newly_right),
        newly_wrong=_flips(paired, newly_wrong),
        per_class=class_differences(paired, groups, order=candidate.class_keys),
        reproduction=reproduction,
        conclusion="inconclusive",
        message="",
        notices=_notices(paired),
        changes=cell_changes(base, candidate) if is_of_versions else (),
        confusion_change=confusion_change(paired, order=candidate.class_keys)
        if is_of_versions
        else None,
    )
    return concluded(comparison)


def _refuse_single_class(paired: PairedCells) -> None:
    if len(paired.candidate.class_keys) == 1:
        raise ComparisonError(
            f"{paired.candidate.cell}: has one class, so that every answer is right by construction; "
            "there is nothing to compare"
        )


def _top5_difference(paired: PairedCells, groups: IntArray | None) -> Difference | None:
    then, now = paired.base.in_top5, paired.candidate.in_top5
    if then is None or now is None:
        return None
    return PairedProportions.of(then, now, groups).difference()


def _macro(paired: PairedCells, groups: IntArray | None) -> dict[MacroMetric, Difference]:
    measured = macro_differences(
        paired.base.predicted,
        paired.candidate.predicted,
        paired.candidate.labels,
        n_classes=len(paired.candidate.class_keys),
        groups=groups,
    )
    return {
        name: Difference(
            base=one.base,
            candidate=one.candidate,
            value=one.value,
            low=one.low,
            high=one.high,
            lower_bound=one.lower_bound,
            upper_bound=one.upper_bound,
            method="macro" if groups is None else "macro-grouped",
        )
        for name, one in measured.items()
    }


def _flips(paired: PairedCells, flipped: BoolArray) -> tuple[Flip, ...]:
    """List images, those first that the candidate is surest about."""
    base, candidate = paired.base, paired.candidate
    positions = np.flatnonzero(flipped)
    if candidate.confidence is not None:
        surest = np.argsort(-candidate.confidence[positions], kind="stable")
        positions = positions[surest]
    names = candidate.class_names
    return tuple(
        Flip(
            sample_id=candidate.sample_ids[i],
            path=candidate.paths[i],
            label=names[candidate.labels[i]],
            base=names[base.predicted[i]],
            candidate=names[candidate.predicted[i]],
        )
        for i in positions.tolist()
    )


def _notices(paired: PairedCells) -> tuple[Notice, ...]:
    base, candidate = paired.base, paired.candidate
    notices = []
    if base.model.preprocessing_sha256 != candidate.model.preprocessing_sha256:
        notices.append(
            Notice(
                "preprocessing-differs",
                f"{candidate.cell}: the two models preprocess images differently "
                f"({preprocessing_text(base, candidate)}); that is part of the difference.",
            )
        )
    for what, then, now in (
        ("precision", base.precision, candidate.precision),
        ("device", base.device, candidate.device),
        ("backend", base.backend, candidate.backend),
    ):
        if then != now:
            notices.append(
                Notice(
                    f"{what}-differs",
                    f"{candidate.cell}: the base ran with the {what} {then}, the candidate with {now}; "
                    "that is part of the difference.",
                )
            )
    if base.model.random_weights or candidate.model.random_weights:
        notices.append(
            Notice(
                "random-weights-compared",
                f"{candidate.cell}: random weights are compared; the difference means nothing.",
            )
        )
    return tuple(notices)
