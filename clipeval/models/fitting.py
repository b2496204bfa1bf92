"""Fits weights to the architecture that they are for, exactly."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from open_clip.convert import convert_state_dict
from open_clip.model import (
    convert_to_custom_text_state_dict,
    resize_pos_embed,
    resize_text_pos_embed,
)

from clipeval.errors import ModelError
from clipeval.models.weights import StateDict

MAX_LISTED = 10
_POSITION_IDS = "text.transformer.embeddings.position_ids"
_LEARNED_SCALARS = ("logit_scale", "logit_bias")


def fit_weights(
    module: torch.nn.Module, state_dict: StateDict, *, resize_positions: bool, source: str
) -> tuple[StateDict, tuple[str, ...]]:
    """Bring weights into the names that the architecture has, and check that they fit one to one.

    Renames what open_clip renames (MobileCLIP's own names, towers saved before the text tower had
    its own prefix) and nothing else.

    Args:
        module: the architecture.
        state_dict: as read; not changed.
        resize_positions: interpolate position embeddings of another length, as open_clip does for
            published weights; otherwise they are an error like any other shape.
        source: what the weights are called in errors.
    Returns:
        Weights with the module's names and shapes, and the names that were resized.
    Raises:
        ModelError: names are missing or unexpected, or shapes differ; each is named, up to ten.
    """
    fitted = _rename(module, state_dict)
    resized: tuple[str, ...] = ()
    if resize_positions:
        before = {name: tensor.shape for name, tensor in fitted.items()}
        resize_pos_embed(fitted, module)
        resize_text_pos_embed(fitted, module)
        resized = tuple(name for name, t in fitted.items() if before.get(name) != t.shape)
    problems = _problems(module.state_dict(), fitted)
    if problems:
        raise ModelError(
            f"{source} does not fit the architecture: {'; '.join(problems)}. "
            "Check that the architecture is the one that the weights were trained in"
        )
    return fitted, resized


def _rename(module: torch.nn.Module, state_dict: StateDict) -> StateDict:
    fitted: StateDict = dict(convert_state_dict(module, state_dict))
    if "positional_embedding" in fitted and not hasattr(module, "positional_embedding"):
        fitted = dict(convert_to_custom_text_state_dict(fitted))
    for name in _LEARNED_SCALARS:
        own: Any = getattr(module, name, None)
        given = fitted.get(name)
        if own is not None and given is not None and given.numel() == own.numel() == 1:
            fitted[name] = given.reshape(own.shape)
    # A buffer that transformers saved before 4.31 and that newer versions compute.
    if _POSITION_IDS in fitted and _POSITION_IDS not in module.state_dict():
        del fitted[_POSITION_IDS]
    return fitted


def _problems(expected: Mapping[str, torch.Tensor], given: StateDict) -> list[str]:
    missing = [name for name in expected if name not in given]
    unexpected = [name for name in given if name not in expected]
    misshapen = [
        f"{name} {tuple(given[name].shape)}, expected {tuple(tensor.shape)}"
        for name, tensor in expected.items()
        if name in given and given[name].shape != tensor.shape
    ]
    mistyped = [
        f"{name} {given[name].dtype}, expected {tensor.dtype}"
        for name, tensor in expected.items()
        if name in given and given[name].is_floating_point() != tensor.is_floating_point()
    ]
    kinds = {
        "missing": missing,
        "unexpected": unexpected,
        "of another shape": misshapen,
        "of another type": mistyped,
    }
    return [f"{len(names)} {kind}: {_listed(names)}" for kind, names in kinds.items() if names]


def _listed(names: Sequence[str]) -> str:
    more = f", ... and {len(names) - MAX_LISTED} more" if len(names) > MAX_LISTED else ""
    return ", ".join(names[:MAX_LISTED]) + more
