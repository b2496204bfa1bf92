"""How many prompts, padded or packed, go through a text tower at once."""

from __future__ import annotations

from clipeval.models import ClipModel

PADDED_AT_ONCE = 128
PACKED_AT_ONCE = {"cpu": 1, "cuda": 32, "mps": 8}
"""By kind of device. On a CPU more than one is slower: what torch's attention multiplies is then not
contiguous."""


def padded_at_once(model: ClipModel) -> int:
    """Return how many padded prompts make a batch.

    On a CPU in half precision it is one. For a larger batch, which is not contiguous there, torch copies the
    weights of every layer once a prompt: 8 at once took 1.4 s, one by one 0.2 s (ViT-B-32 in bf16 on 2 cores
    with AMX). In fp32 the copies cost less than batches gain.
    """
    return 1 if model.device == "cpu" and model.precision != "fp32" else PADDED_AT_ONCE


def packed_at_once(model: ClipModel) -> int:
    """Return how many packed sequences make a batch."""
    return PACKED_AT_ONCE[model.device.partition(":")[0]]
