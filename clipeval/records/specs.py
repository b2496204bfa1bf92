"""What a suite asks for, after parsing and cross-checks: no defaults left open, paths absolute."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from clipeval.records.samples import Notice

Precision = Literal["fp32", "bf16", "fp16", "int8"]
BackendName = Literal["torch", "compile", "openvino", "onnxruntime"]
"""What runs the image tower: torch eager, torch.compile, OpenVINO, ONNX Runtime."""
BackendChoice = Literal["auto", "torch", "compile", "openvino", "onnxruntime"]
"""`auto`: the fastest of those that are there, by measuring."""
DEFAULT_BACKEND: BackendName = "torch"
Decode = Literal["exact", "fast", "gpu"]
"""`fast`: JPEGs at 1/2, 1/4 or 1/8 of their size where that is still enough for the model's input."""
StageName = Literal[
    "load", "cold", "preprocess", "encode_image", "encode_text", "classify", "end_to_end"
]
"""What can be timed of a model."""
CallStage = Literal["preprocess", "encode_image", "encode_text", "classify", "end_to_end"]
"""Stages that can be called again and again."""
OnError = Literal["fail", "skip"]
Question = Literal["digit", "ink", "background"]
ModelKind = Literal["tiny", "pretrained", "random", "checkpoint", "hf-hub", "local-dir"]


@dataclass(frozen=True, slots=True)
class DigitsSource:
    """scikit-learn's digits, composited in colour; one set of images, three questions."""

    split: Literal["train", "test"] = "test"
    question: Question = "digit"


@dataclass(frozen=True, slots=True)
class FolderSource:
    """One folder of images per class."""

    root: Path


@dataclass(frozen=True, slots=True)
class TableSource:
    """A CSV or Parquet file with columns image, label and optionally id, group."""

    table: Path
    root: Path
    """Folder that the `image` column is relative to."""


@dataclass(frozen=True, slots=True)
class TorchvisionSource:
    """One of torchvision's labelled classification sets."""

    name: str
    split: str
    root: Path
    download: bool = False


Source = DigitsSource | FolderSource | TableSource | TorchvisionSource


@dataclass(frozen=True, slots=True, kw_only=True)
class DatasetSpec:
    """One entry of datasets.yaml, or one made on the command line."""

    key: str
    source: Source
    where: str = ""
    """`file:line:column` of the entry, for messages."""
    classes: tuple[str, ...] | None = None
    """Keep these classes only, in this order."""
    per_class: int | None = None
    """Keep at most so many images of each class, chosen by `seed`."""
    limit: int | None = None
    """Keep at most so many images in all, chosen by `seed`, spread over the classes."""
    seed: int = 0
    class_names: Mapping[str, str] = field(default_factory=dict)
    """Class key -> name that prompts use instead."""
    aliases: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Class key -> further names, whose prompts are averaged with the first."""
    on_error: OnError = "fail"
    """What to do about images that cannot be read: refuse after listing all of them, or leave them out."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelSpec:
    """Which weights, in which architecture. Made by `clipeval.records.model_names.parse_model`."""

    id: str
    """Name in reports and cell ids."""
    kind: ModelKind
    name: str
    """open_clip architecture, `ORG/REPO` for hf-hub, absolute folder for local-dir, `tiny`."""
    pretrained: str | None = None
    """Pretrained tag, for kind `pretrained`."""
    checkpoint: Path | None = None
    """Weights file, for kind `checkpoint`."""
    quick_gelu: bool | None = None
    """Activation the weights were trained with; must be said for `checkpoint`, else resolved."""
    decode: Decode = "exact"
    """How JPEGs become its input: a part of its preprocessing."""
    where: str = ""
    """`file:line:column` that named it, for messages."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TemplateSpec:
    """A prompt template, an ensemble of templates, or prompts per class."""

    id: str
    templates: tuple[str, ...] = ()
    """Each with one `{}` or `{c}`; several are an ensemble. Empty if class_prompts is given."""
    class_prompts: Mapping[str, tuple[str, ...]] | None = None
    """Class name or key -> its own full prompts (as CuPL's JSON has it)."""
    origin: str = "inline"
    """`inline`, the named set (`@openai-imagenet`), or the file that the prompts come from."""
    where: str = ""
    """`file:line:column` that named it, for messages."""


Against = Literal["baseline", "reference_template", "reference_model"]
OnInconclusive = Literal["warn", "fail"]


@dataclass(frozen=True, slots=True, kw_only=True)
class GateSpec:
    """Limits on one metric, for the cells that they apply to."""

    metric: str
    """A metric of the cell, or with `classes` recall or precision."""
    min: float | None = None
    max: float | None = None
    max_drop: float | None = None
    """Largest drop of the metric that is tolerated, compared with `against`; in [0, 1)."""
    max_negative_flip_rate: float | None = None
    """Largest share of images that may be newly wrong, compared with `against`; in [0, 1)."""
    against: Against = "baseline"
    on_inconclusive: OnInconclusive = "warn"
    """Whether a gate that the images cannot decide passes with a warning, or fails."""
    classes: tuple[str, ...] | Literal["all"] = ()
    """Class names or keys that the limits hold for one by one; `all` of them; empty: the whole cell."""
    cells: tuple[str, ...] = ()
    """Ids of the cells that it applies to; empty means all."""
    where: str = ""
    datasets: tuple[str, ...] = ()
    """Keys of the data sets that it applies to; empty means all."""
    models: tuple[str, ...] = ()
    """Ids of the models that it applies to; empty means all."""
    templates: tuple[str, ...] = ()
    """Ids of the templates that it applies to; empty means all."""


LatencyAgainst = Literal["baseline", "reference_model"]


@dataclass(frozen=True, slots=True, kw_only=True)
class LatencyGateSpec:
    """Limits on the median of one stage; those that are None do not apply."""

    stage: CallStage
    max_ms: float | None = None
    """Of one call."""
    min_per_s: float | None = None
    """Images, or prompts, a second."""
    max_slowdown: float | None = None
    """Share by which it may take longer than `against`: 0.10 is ten per cent."""
    against: LatencyAgainst = "baseline"
    on_inconclusive: OnInconclusive = "warn"
    batch_sizes: tuple[int, ...] = ()
    """That it applies to; empty: all."""
    models: tuple[str, ...] = ()
    """Ids of those that it applies to; empty: all."""
    where: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class LatencySpec:
    """What a suite wants timed, for each of its models, devices and precisions."""

    stages: tuple[StageName, ...] = ("preprocess", "encode_image", "encode_text", "end_to_end")
    batch_sizes: tuple[int, ...] = (1, 32)
    thread_counts: tuple[int, ...] = ()
    """torch's own number if empty."""
    n_samples: int = 64
    """Calls of each stage."""
    n_blocks: int = 8
    """Of processes in the order A, B, B, A, for `max_slowdown`."""
    sweep_to: int | None = None
    """Largest batch of a sweep of encode_image; None: no sweep."""
    gates: tuple[LatencyGateSpec, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class SuiteSpec:
    """One suite: every data set x model x template x device x precision is a cell."""

    name: str
    path: Path | None
    """The suite file; None if made on the command line."""
    datasets: tuple[DatasetSpec, ...]
    models: tuple[ModelSpec, ...]
    templates: tuple[TemplateSpec, ...]
    dataset_templates: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Data-set key -> ids of the templates that apply to it; a key that is absent takes all."""
    reference_templates: Mapping[str, str] = field(default_factory=dict)
    """Data-set key -> id of the template that the others are compared with."""
    reference_model: str | None = None
    """Id of the model that the others are compared with."""
    devices: tuple[str, ...] = ("auto",)
    precisions: tuple[Precision, ...] = ("fp32",)
    backend: BackendChoice = DEFAULT_BACKEND
    """What runs the image tower."""
    decode: Decode = "exact"
    """How JPEGs are decoded, for all models."""
    batch_size: int = 64
    gates: tuple[GateSpec, ...] = ()
    latency: LatencySpec | None = None
    """What is timed after the cells are scored; None: nothing."""
    notices: tuple[Notice, ...] = ()
    """What is worth saying about how the suite was put together."""
    description: str = ""
    """What the suite is for, in the author's words."""
    baseline: Path | None = None
    """Baseline file or run folder that was named; None: baselines/SUITE.json, if it is there."""
    holdout: float | None = None
    """Share of the images on which the best template is confirmed; None: not asked for."""
    is_whole: bool = True
    """The cells are those of the file: neither models, data sets, templates nor settings were replaced."""
