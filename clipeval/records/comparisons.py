"""What comparing two cells on the same images says; differences are candidate less base."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from clipeval.records.samples import Notice

ComparisonKind = Literal["template", "model", "baseline", "run"]
ChangedPart = Literal["weights", "model config", "tokenizer", "class names", "prompts"]
Conclusion = Literal["better", "worse", "inconclusive", "same"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """One metric of two cells on the same images."""

    base: float
    candidate: float
    value: float
    """candidate - base."""
    low: float
    """Lower end of the two-sided 95% interval."""
    high: float
    lower_bound: float
    """One-sided 95% bound: the difference is above it."""
    upper_bound: float
    """One-sided 95% bound: the difference is below it."""
    method: Literal["tango", "tango-rao-scott", "macro", "macro-grouped"]
    """How the interval was made; docs/comparisons.md says what the names mean, with sources."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ClassDifference:
    """Recall of one class, on the images of that class."""

    name: str
    n: int
    """Images of this class."""
    base_recall: float
    candidate_recall: float
    difference: float
    low: float
    """Lower end of the 95% interval, not adjusted for the number of classes."""
    high: float
    n_newly_right: int
    n_newly_wrong: int
    p_value: float
    adjusted_p: float
    """Holm over the classes of this comparison."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Flip:
    """An image that one of two cells has right and the other wrong."""

    sample_id: str
    path: str
    label: str
    """True class."""
    base: str
    """Class that the base predicted."""
    candidate: str
    """Class that the candidate predicted."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reproduction:
    """Same weights, same prompts: what differs is numerics, and no test of chance applies."""

    n_changed: int
    """Images with another prediction."""
    n_unexplained: int
    """Of these, images whose two best scores are further apart than the numeric floor."""
    image_drift: float | None
    """Root mean square distance between the unit image embeddings then and now; None if unknown."""
    text_drift: float | None
    """The same for the class weights."""
    floor: float
    """Distance that precision and hardware explain, measured (docs/design/003-numeric-floor.md)."""
    is_within: bool
    """Nothing drifted or flipped beyond the floor."""
    is_cached: bool = False
    """The candidate's image embeddings all came from the cache: the image tower was not run again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CellChange:
    """Something besides its answers that is different about a cell."""

    what: ChangedPart
    example: str = ""
    """Of class names or prompts, one then and now; empty where the texts are not known: a baseline has
    hashes of its prompts."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ConfusionChange:
    """How many more images of one class are taken for another than before."""

    class_names: tuple[str, ...]
    """All, or of many those whose confusion changed most."""
    counts: tuple[tuple[int, ...], ...]
    """Candidate less base; rows are truth, columns prediction."""
    n_classes: int
    """Of the data set."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """Two cells on the same images."""

    kind: ComparisonKind
    base: str
    """Cell id."""
    candidate: str
    """Cell id."""
    dataset: str
    """Data-set key."""
    n_images: int
    n_groups: int | None = None
    """Groups of images that are not independent of each other; None if there are none."""
    design_effect: float | None = None
    """By how much grouping divides the number of images that count as independent."""
    top1: Difference
    top5: Difference | None = None
    """None with five classes or fewer, or where the base does not know."""
    macro_recall: Difference
    macro_precision: Difference
    macro_f1: Difference
    p_value: float | None
    """Of the difference in top-1 by `test`; None for a reproduction, which has nothing to test."""
    test: Literal["mcnemar-mid-p", "score-rao-scott"] | None
    q_value: float | None = None
    """p adjusted for all templates or models compared with the same reference (Benjamini-Hochberg)."""
    n_compared: int = 1
    """How many comparisons the q value is adjusted for."""
    n_newly_right: int
    n_newly_wrong: int
    n_changed: int
    """Images with another prediction, right or wrong."""
    negative_flip_rate: float
    """n_newly_wrong / n_images."""
    detectable: float
    """Smallest difference in top-1 that so many images, so discordant, show in 80% of cases."""
    newly_right: tuple[Flip, ...]
    """In run.json at most 100; n_newly_right counts them all."""
    newly_wrong: tuple[Flip, ...]
    """Those that the candidate is surest about first; in run.json at most 100."""
    per_class: tuple[ClassDifference, ...]
    """Classes that have images, in class order."""
    reproduction: Reproduction | None = None
    conclusion: Conclusion
    message: str
    """The conclusion in one sentence."""
    notices: tuple[Notice, ...] = ()
    changes: tuple[CellChange, ...] = ()
    """What is different about the cell, with the baseline or another run; of templates and models of one
    run, whose difference is meant, nothing."""
    confusion_change: ConfusionChange | None = None
    """With the baseline or another run; null if no image of any class is taken for another than then."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RankedTemplate:
    """A template, as good as it looks on the images that it was chosen on."""

    template: str
    top1: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Holdout:
    """Templates ranked on one part of the images, the winner confirmed once on the other."""

    dataset: str
    model: str
    setting: str
    """Device and precision."""
    fraction: float
    """Share of the images that was held out, as asked for."""
    n_explored: int
    n_held_out: int
    ranking: tuple[RankedTemplate, ...]
    """On the explored images, best first."""
    winner: str
    winner_held_out: float
    """Top-1 of the winner on the held-out images: the number to quote."""
    opponent: str
    """The reference template; the runner-up where there is none, or where it won."""
    confirmation: Comparison
    """Winner less opponent, on the held-out images alone."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BaselineUse:
    """The baseline that a run was compared with."""

    source: str
    """File name, or folder of the run."""
    accepted: str
    """When it was accepted: UTC, ISO 8601."""
    is_gated: bool = False
    """Gates rely on it, so that missing and renamed cells fail the run."""
    missing_cells: tuple[str, ...] = ()
    """Cells of the baseline that the suite no longer has."""
    renamed_cells: tuple[tuple[str, str], ...] = ()
    """Cells of the baseline that the suite has under another id: (then, now)."""
    skipped_cells: tuple[str, ...] = ()
    """Cells of the baseline that were not asked for this time."""
    new_cells: tuple[str, ...] = ()
    """Cells that the baseline does not have."""
    changes: tuple[str, ...] = ()
    """What is different about the environment, a sentence each."""
