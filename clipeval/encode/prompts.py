"""Text tower: prompts -> one unit embedding each, every distinct prompt encoded once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch

from clipeval.encode.backing_off import BackingOffTower
from clipeval.errors import EncodingError
from clipeval.models import ClipModel
from clipeval.progress import Progress, SilentProgress
from clipeval.records import Notice
from clipeval.records.results import FloatArray

PROMPTS_A_BATCH = 128


@dataclass(frozen=True, slots=True)
class PromptEmbeddings:
    """What the text tower says of prompts."""

    embeddings: FloatArray
    """(P, D) float32, unit rows, in the order of the prompts."""
    notices: tuple[Notice, ...] = ()


def encode_prompts(
    model: ClipModel, prompts: Sequence[str], *, progress: Progress | None = None
) -> PromptEmbeddings:
    """Encode prompts with the model's own tokenizer and text tower.

    Args:
        model: its tokenizer pads, its tower encodes; nothing is trimmed.
        prompts: (P) texts, repeats allowed; already checked to fit the context length.
        progress: told of every distinct prompt done.
    Returns:
        One unit row a prompt, in the order of `prompts`.
    Raises:
        EncodingError: an embedding is not finite, or one prompt does not fit in memory.
    """
    distinct = list(dict.fromkeys(prompts))
    rows: list[torch.Tensor] = []
    tower = BackingOffTower(model, PROMPTS_A_BATCH, unit="prompts")
    watcher = progress or SilentProgress()
    label = f"prompts x {model.record.id}"
    with watcher.stage(label, total=len(distinct), unit="prompts") as advance:
        for start in range(0, len(distinct), PROMPTS_A_BATCH):
            batch = distinct[start : start + PROMPTS_A_BATCH]
            rows.append(tower.encode(model.tokenizer(batch)))
            advance(len(batch))
    embeddings = torch.cat(rows).numpy()
    _check_finite(embeddings, distinct, model)
    position = {prompt: i for i, prompt in enumerate(distinct)}
    in_order = np.ascontiguousarray(embeddings[[position[prompt] for prompt in prompts]])
    return PromptEmbeddings(in_order, tower.notices)


def _check_finite(embeddings: FloatArray, prompts: Sequence[str], model: ClipModel) -> None:
    bad = np.flatnonzero(~np.isfinite(embeddings).all(axis=1))
    if bad.size:
        raise EncodingError(
            f"model '{model.record.id}' at {model.precision} gives non-finite embeddings for "
            f"{bad.size} of {len(prompts)} prompts, the first being '{prompts[bad[0]]}'; "
            "try --precision fp32, or check the weights"
        )
