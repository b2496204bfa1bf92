"""A cell with its scores."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from clipeval.datasets import ImageDataset
from clipeval.plan import Cell
from clipeval.prompts import ClassPrompts
from clipeval.records import (
    ImageEmbeddings,
    ModelRecord,
    PrecisionCost,
    PromptEmbeddings,
    Sample,
    TokenizedPrompt,
)
from clipeval.records.results import FloatArray, IntArray
from clipeval.scoring import Scores


@dataclass(frozen=True, slots=True, kw_only=True)
class ScoredCell:
    """A cell with its scores, and all that led to them."""

    cell: Cell
    model: ModelRecord
    device: str
    dataset: ImageDataset
    samples: tuple[Sample, ...]
    """(N) the samples that were scored, aligned with the scores."""
    images: ImageEmbeddings
    text: PromptEmbeddings
    prompts: ClassPrompts
    tokenized: tuple[TokenizedPrompt, ...]
    """The first prompts, as the tokenizer sees them."""
    weights: FloatArray
    """(C, D) unit class weights."""
    scores: Scores
    load_s: float
    score_s: float
    cost: PrecisionCost | None = None
    """Of precision and backend; None for fp32 on torch."""
    cost_s: float = 0.0
    """Seconds that the embeddings took which it is measured by."""

    @property
    def labels(self) -> IntArray:
        """(N,) int64 true class indices."""
        return np.asarray([sample.label for sample in self.samples], dtype=np.int64)

    @property
    def class_names(self) -> tuple[str, ...]:
        """(C) display names."""
        return tuple(label.names[0] for label in self.dataset.classes)
