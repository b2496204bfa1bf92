"""Hashes by which a model is told from every other."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch


def hash_json(value: object) -> str:
    """Return the sha256 of a value as JSON with sorted keys and no spaces."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    return hashlib.sha256(text.encode("ascii")).hexdigest()


def hash_file(path: Path) -> str:
    """Return the sha256 of a file's bytes."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def hash_weights(state_dict: Mapping[str, torch.Tensor]) -> str:
    """Return the sha256 of weights, whatever file format they came in.

    Hashed in the order of their names, each as name, dtype, shape and bytes in memory order, in the
    dtype that they were stored in: before any cast to the precision of a run.

    Args:
        state_dict: dense tensors on the CPU.
    """
    digest = hashlib.sha256()
    for name in sorted(state_dict):
        tensor = state_dict[name].detach().contiguous()
        digest.update(f"{name}|{tensor.dtype}|{tuple(tensor.shape)}\n".encode())
        digest.update(tensor.reshape(-1).view(torch.uint8).numpy().data)
    return digest.hexdigest()


def canonical_config(model_cfg: Mapping[str, Any], *, quick_gelu: bool) -> dict[str, Any]:
    """Return a model config in which the activation is always said.

    `ViT-B-32-quickgelu` and `ViT-B-32` built with QuickGELU are one architecture, with one hash.
    """
    return {**model_cfg, "quick_gelu": quick_gelu}
