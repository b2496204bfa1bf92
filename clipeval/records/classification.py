"""What `classify` answers about an image, and the walk that led there."""

from __future__ import annotations

from dataclasses import dataclass

from clipeval.records.results import ModelRecord
from clipeval.records.samples import Notice
from clipeval.records.tokens import TokenizedPrompt


@dataclass(frozen=True, slots=True, kw_only=True)
class RankedLabel:
    """One candidate for an image."""

    label: str
    """Class name, or the prompt itself where prompts were given."""
    cosine: float
    """Cosine similarity of image and class embedding, in [-1, 1]."""
    logit: float
    """logit_scale * cosine."""
    probability: float
    """Softmax over all candidates, in [0, 1]."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One step from file to ranking."""

    name: str
    shape: tuple[int, ...]
    dtype: str
    meaning: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ClassifiedImage:
    """The ranking of one image, best first."""

    path: str
    ranking: tuple[RankedLabel, ...]
    steps: tuple[Step, ...] = ()
    """Filled in where the walk was asked for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Classification:
    """The answer for all images."""

    model: ModelRecord
    device: str
    precision: str
    prompts: tuple[TokenizedPrompt, ...]
    images: tuple[ClassifiedImage, ...]
    notices: tuple[Notice, ...] = ()
