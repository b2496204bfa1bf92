"""What a cell said about every image, wherever it comes from: a run folder, a baseline, or memory."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from clipeval.records.results import (
    BoolArray,
    EmbeddingSketch,
    Environment,
    FloatArray,
    IntArray,
    MetricValue,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelIdentity:
    """What makes two models the same."""

    id: str
    weights_sha256: str
    config_sha256: str
    tokenizer_sha256: str
    preprocessing_sha256: str
    preprocessing: Mapping[str, str | int | float | tuple[int, ...] | tuple[float, ...]]
    random_weights: bool
    logit_scale: float


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class CellOutcomes:
    """One cell, image by image; arrays are aligned on their first axis."""

    cell: str
    """Cell id."""
    dataset: str
    """Data-set key."""
    class_keys: tuple[str, ...]
    class_names: tuple[str, ...]
    model: ModelIdentity
    template: str
    """Template id."""
    prompts_sha256: str
    """Hash of every class's prompts, by class key."""
    device: str
    precision: str
    sample_ids: tuple[str, ...]
    paths: tuple[str, ...]
    groups: tuple[str | None, ...]
    contents: tuple[str, ...]
    """The first 8 hex digits of the SHA-256 of each image."""
    labels: IntArray
    """(N,) class indices."""
    predicted: IntArray
    """(N,) class indices."""
    in_top5: BoolArray | None
    """(N,) whether the label is among the five best; None with five classes or fewer."""
    confidence: FloatArray | None
    """(N,) probability of the predicted class; None in a baseline."""
    score_gap: FloatArray | None
    """(N,) best less second-best cosine similarity; None in a baseline."""
    sketch: EmbeddingSketch | None
    backend: str = "torch"
    """What ran the image tower."""
    is_cached: bool = False
    """No image embedding was computed for it: all came from the cache."""
    prompts: Mapping[str, Sequence[str]] | None = None
    """Of each class, by its key; None in a baseline."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class BaselineCell:
    """One cell of a baseline."""

    outcomes: CellOutcomes
    metrics: Mapping[str, MetricValue]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Baseline:
    """A run that was accepted as what later ones are held against."""

    source: str
    """File name or run folder, for messages."""
    suite: str
    accepted: str
    """UTC, ISO 8601."""
    environment: Environment
    cells: Mapping[str, BaselineCell]
    """By cell id, in the order of the run."""
