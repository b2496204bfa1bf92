"""What a run found: the shape of run.json, and the per-image arrays behind it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, TypeAlias

from clipeval.records.comparisons import BaselineUse, Comparison, Holdout
from clipeval.records.latency_gates import LatencyOutcome
from clipeval.records.samples import ImageFailure, Notice
from clipeval.records.similarities import SimilaritySample
from clipeval.records.specs import BackendName, Precision
from clipeval.records.tokens import TokenizedPrompt
from clipeval.records.verdicts import Verdict

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

# As text: whoever only reads records, `clipeval --help` among them, does not pay for numpy.
FloatArray: TypeAlias = "npt.NDArray[np.float32]"
IntArray: TypeAlias = "npt.NDArray[np.int64]"
BoolArray: TypeAlias = "npt.NDArray[np.bool_]"

SCHEMA_VERSION = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class MetricValue:
    """One metric of one cell."""

    value: float
    low: float | None = None
    """Lower end of the 95% interval; None for metrics without one."""
    high: float | None = None
    n: int
    """Number of images, or of classes for metrics averaged over classes, behind the value."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ClassMetrics:
    """One class of one cell. A ratio whose denominator is zero is None, never 0 or 1."""

    name: str
    n: int
    """Images of this class."""
    n_predicted: int
    """Images predicted as this class."""
    recall: float | None
    recall_low: float | None
    recall_high: float | None
    precision: float | None
    f1: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ConfusedPair:
    """`n_images` images of class `true` were taken for `predicted`."""

    true: str
    predicted: str
    n_images: int


@dataclass(frozen=True, slots=True, kw_only=True)
class CalibrationBin:
    """Images whose confidence (softmax of the best class) lies in (low, high]."""

    low: float
    high: float
    n_images: int
    confidence: float | None
    """Mean confidence in the bin; None if it is empty."""
    accuracy: float | None


GateKind = Literal["min", "max", "max_drop", "max_negative_flip_rate"]


@dataclass(frozen=True, slots=True, kw_only=True)
class GateResult:
    """One gate, decided."""

    metric: str
    kind: GateKind
    limit: float
    """What `value` must not pass; for max_drop the largest drop allowed, a positive number."""
    value: float | None
    """What was measured; for max_drop the difference, candidate less base."""
    low: float | None
    high: float | None
    """Ends of the value's interval: two-sided 95%, and for max_drop and flip rates the two one-sided 95%
    bounds that decide."""
    state: Verdict
    message: str
    against: str | None = None
    """Cell id that it was compared with, or `baseline`; None for absolute limits."""
    class_name: str | None = None
    """For a limit on one class."""
    p_value: float | None = None
    """For limits on classes: of the class keeping the limit, Holm-adjusted; small where it does not."""
    n_to_settle: int | None = None
    """How many images would settle an inconclusive gate; None where none would, or nothing is open."""
    images: tuple[str, ...] = ()
    """Sample ids behind a gate that did not pass, at most 20: those newly wrong, or wrong."""
    n_behind: int | None = None
    """How many images are behind such a gate; None where it passed, or nobody counted them."""
    gate: int = 0
    """Which of the suite's gates that apply to the cell this is of, from 0: a limit on classes has a result
    for each class that does not keep it."""
    cause: str | None = None
    """What kept it from being decided, without the name of the gate: several gates may share it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelRecord:
    """The model as it was loaded."""

    id: str
    spec: str
    name: str
    pretrained: str | None
    quick_gelu: bool
    random_weights: bool
    n_parameters: int
    embed_dim: int
    image_size: tuple[int, int]
    context_length: int
    logit_scale: float
    """Multiplies cosine similarities: exp of the learned parameter."""
    preprocessing: Mapping[str, str | int | float | tuple[int, ...] | tuple[float, ...]]
    weights_sha256: str
    config_sha256: str
    preprocessing_sha256: str
    tokenizer_sha256: str


@dataclass(frozen=True, slots=True, kw_only=True)
class DatasetRecord:
    """The data set as it was scored: n_expected = n_images + n_failed."""

    key: str
    source: str
    n_expected: int
    n_images: int
    n_failed: int
    class_names: tuple[str, ...]
    class_keys: tuple[str, ...]
    samples_sha256: str
    """Hash of sample ids, labels and class keys: two runs with the same one are paired image by image."""
    contents_sha256: str
    """Hash of the content of every scored image, in order: the same files, or the same pixels."""
    failures: tuple[ImageFailure, ...] = ()
    notices: tuple[Notice, ...] = ()
    """What was said about it when it was opened; the cells say it too."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TemplateRecord:
    """The prompts as they were encoded."""

    id: str
    origin: str
    templates: tuple[str, ...]
    prompts: tuple[str, ...]
    """Every prompt, class by class."""
    prompts_per_class: tuple[int, ...]
    tokenized: tuple[TokenizedPrompt, ...] = ()
    """The first prompts, at most 20, as the tokenizer sees them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EmbeddingSketch:
    """Unit embeddings of a few images and classes, projected to a few numbers: enough to measure drift.

    The mean squared distance of two sketches estimates that of the embeddings.

    Source: Johnson and Lindenstrauss 1984; Achlioptas 2003 for random signs.
    """

    image: tuple[tuple[float, ...], ...]
    """At most 32 images, chosen by a hash of their ids."""
    text: tuple[tuple[float, ...], ...]
    """Class weights of at most 32 classes, chosen by a hash of their keys."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PrecisionCost:
    """What a precision or a backend changes: a few images beside the same model in fp32 on torch."""

    n_images: int
    """At most 64, chosen by a hash of their ids."""
    cosine_mean: float
    """Mean cosine similarity of the image embeddings to those of fp32 on torch."""
    cosine_min: float
    """That of the image that changed most."""
    n_flips: int
    """Images that another class comes out best for, with the class weights of the cell."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CellResult:
    """One data set x model x template x device x precision, scored."""

    id: str
    model: ModelRecord
    dataset: DatasetRecord
    template: TemplateRecord
    device: str
    precision: Precision
    backend: BackendName = "torch"
    """What ran the image tower; where `auto` was asked for, what it picked."""
    metrics: Mapping[str, MetricValue]
    per_class: tuple[ClassMetrics, ...]
    confusion: tuple[tuple[int, ...], ...]
    """Rows are truth, columns prediction."""
    confused_pairs: tuple[ConfusedPair, ...]
    calibration: tuple[CalibrationBin, ...]
    gates: tuple[GateResult, ...]
    timings: Mapping[str, float]
    """Seconds under names ending in _s, rates under names ending in _per_s. The image pass is shared by
    every template of a model x data set."""
    image_embeddings: Literal["computed", "cached"] = "computed"
    """Where the image embeddings came from; `cached` makes encode_image_s the time to read them."""
    text_embeddings: Literal["computed", "cached"] = "computed"
    """Where the prompts' embeddings came from; `cached` makes encode_text_s the time to read them."""
    notices: tuple[Notice, ...] = ()
    sketch: EmbeddingSketch | None = None
    """Lets a later run with the same weights and prompts measure how far the numbers drifted."""
    cost: PrecisionCost | None = None
    """What precision and backend change; null for fp32 on torch, which is what they are measured by."""
    similarity: SimilaritySample | None = None
    """Cosines of a few images with a few classes; null in runs of before there was one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CellError:
    """A cell that could not be evaluated."""

    id: str
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Environment:
    """Where and how a run was made."""

    clipeval: str
    python: str
    platform: str
    packages: Mapping[str, str]
    git_commit: str | None
    git_dirty: bool | None
    cpu: str
    n_cores: int
    n_threads: int
    memory_bytes: int | None
    """Of the whole machine; null where the platform does not say."""
    gpus: tuple[str, ...]
    argv: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class RunRecord:
    """The whole of run.json."""

    schema_version: Literal[1]
    suite: str
    status: Literal["complete", "partial"]
    verdict: Verdict
    created: str
    """UTC, ISO 8601."""
    environment: Environment
    planned_cells: tuple[str, ...]
    cells: tuple[CellResult, ...]
    errors: tuple[CellError, ...] = ()
    notices: tuple[Notice, ...] = ()
    reference_templates: Mapping[str, str] = field(default_factory=dict)
    """Data-set key -> id of the template that the others are compared with, as the suite says."""
    reference_model: str | None = None
    """Id of the model that the others are compared with, as the suite says."""
    comparisons: tuple[Comparison, ...] = ()
    """Templates with the reference template, models with the reference model, cells with the baseline."""
    holdouts: tuple[Holdout, ...] = ()
    """The best template of each data set and model, confirmed on images that it was not chosen on."""
    baseline: BaselineUse | None = None
    latency: LatencyOutcome | None = None
    """Limits on latency; null where the suite has nothing timed."""
    guest_cells: tuple[str, ...] = ()
    """Ids of cells that tests in Python added to the suite: they have no gates."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Predictions:
    """What one cell said about each image; arrays are aligned on their first axis."""

    cell: str
    sample_ids: tuple[str, ...]
    paths: tuple[str, ...]
    groups: tuple[str | None, ...]
    contents: tuple[str, ...]
    """The first 8 hex digits of the SHA-256 of each image: of its file, or of its pixels if it has none."""
    labels: IntArray
    """(N,) class indices."""
    predicted: IntArray
    """(N,) class indices."""
    confidence: FloatArray
    """(N,) softmax probability of the predicted class, in [0, 1]."""
    top5: IntArray
    """(N, min(5, C)) class indices, best first."""
    top5_scores: FloatArray
    """(N, min(5, C)) logits, aligned with top5."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Thumbnail:
    """A small copy of one image, kept in the run folder so that a report can show it anywhere."""

    dataset: str
    """Data-set key."""
    sample_id: str
    webp: bytes


@dataclass(frozen=True, slots=True)
class EvaluatedCell:
    """Everything that one cell contributes to a run folder."""

    result: CellResult
    predictions: Predictions
    thumbnails: tuple[Thumbnail, ...]
