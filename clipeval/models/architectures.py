"""Builds towers without weights, by open_clip's own factory, and looks at what came out."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import nullcontext
from dataclasses import asdict
from pathlib import Path
from typing import Any, cast

import open_clip
import torch
from open_clip.hf_model import HFTextEncoder
from open_clip.timm_model import TimmModel
from open_clip.transform import PreprocessCfg
from open_clip.transformer import QuickGELU
from torch.overrides import TorchFunctionMode

from clipeval.errors import ModelError
from clipeval.models.hub import CONFIG_FILE
from clipeval.models.open_clip_quiet import quiet_open_clip
from clipeval.records import Precision

SEED = 0
_DRAWING = frozenset(
    {
        "normal_", "uniform_", "trunc_normal_", "erfinv_",
        "kaiming_normal_", "kaiming_uniform_", "xavier_normal_", "xavier_uniform_",
    }
)  # fmt: skip
"""Functions and methods of torch that fill a tensor with what they draw, and return it."""
_BUILD_ERRORS = (
    AssertionError,
    AttributeError,
    ImportError,
    KeyError,
    LookupError,
    OSError,
    RuntimeError,
    TypeError,
    ValueError,
    ZeroDivisionError,
)
"""What a config with wrong values makes open_clip, timm and transformers raise."""


def build_module(
    model_cfg: Mapping[str, Any],
    preprocess_cfg: Mapping[str, Any],
    *,
    precision: Precision,
    drawn: bool,
) -> torch.nn.Module:
    """Build an architecture on the CPU, its parameters drawn from a fixed seed or left as memory was.

    Nothing is downloaded for the towers but the config of a text tower that lives on the hub:
    base weights that open_clip could start a tower from are switched off. The global random state
    is left as it was.

    Args:
        model_cfg: open_clip's config, with `quick_gelu` said.
        preprocess_cfg: what differs from open_clip's default preprocessing.
        precision: of the parameters; bf16 and fp16 as open_clip's precisions of that name have it,
            which keep layer norms in float32.
        drawn: whether parameters are drawn, which takes seconds, and is for nothing where weights replace all
            of them.
    Raises:
        ModelError: the config does not describe an architecture, or needs what is not here.
    """
    config = {"model_cfg": dict(model_cfg), "preprocess_cfg": dict(preprocess_cfg)}
    with (
        tempfile.TemporaryDirectory(prefix="clipeval-") as folder,
        quiet_open_clip(),
        torch.random.fork_rng(devices=[]),
        nullcontext() if drawn else _NothingDrawn(),
    ):
        # As a folder, so that every kind of spec is built from the config that is hashed.
        (Path(folder) / CONFIG_FILE).write_text(json.dumps(config), encoding="utf-8")
        torch.default_generator.manual_seed(SEED)  # torch.manual_seed would seed GPUs for good
        try:
            module = open_clip.create_model(
                f"local-dir:{folder}",
                load_weights=False,
                pretrained_image=False,
                pretrained_text=False,
                precision=precision,
            )
        except _BUILD_ERRORS as error:
            raise ModelError(_cannot_build(model_cfg, error)) from error
    return cast("torch.nn.Module", module)


class _NothingDrawn(TorchFunctionMode):
    """Leaves tensors as they are where torch.nn.init and its like would draw their values."""

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Iterable[type],
        args: tuple[Any, ...] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:  # noqa: ANN401 (whatever torch's function gives)
        if getattr(func, "__name__", "") in _DRAWING:
            return args[0] if args else (kwargs or {})["tensor"]
        return func(*args, **(kwargs or {}))


def preprocessing_of(module: torch.nn.Module) -> PreprocessCfg:
    """Return the preprocessing that open_clip resolved for an architecture.

    Raises:
        ModelError: a value of it is not one that open_clip knows.
    """
    visual: Any = module.visual
    try:
        return PreprocessCfg(**visual.preprocess_cfg)
    except (AssertionError, TypeError) as error:
        raise ModelError(f"preprocessing {visual.preprocess_cfg} is not understood") from error


def as_record(preprocessing: PreprocessCfg) -> dict[str, Any]:
    """Return preprocessing as plain values, sequences as tuples."""
    values = asdict(preprocessing).items()
    return {key: tuple(v) if isinstance(v, list | tuple) else v for key, v in values}


def computes_quick_gelu(module: torch.nn.Module) -> bool:
    """Look which activation open_clip's own towers compute.

    Towers of timm and transformers bring their own and are left out: `quick_gelu` does not reach
    them.

    Raises:
        ModelError: both activations are there.
    """
    activations = {
        type(part) for part in _native_parts(module) if isinstance(part, QuickGELU | torch.nn.GELU)
    }
    if len(activations) > 1:
        raise ModelError("the towers mix QuickGELU and GELU; no published weights need that")
    return QuickGELU in activations


def _native_parts(module: torch.nn.Module) -> Iterator[torch.nn.Module]:
    if isinstance(module, TimmModel | HFTextEncoder):
        return
    yield module
    for child in module.children():
        yield from _native_parts(child)


def _cannot_build(model_cfg: Mapping[str, Any], error: Exception) -> str:
    hub_tower = model_cfg["text_cfg"].get("hf_model_name")
    if hub_tower and isinstance(error, ImportError | RuntimeError) and "transformers" in str(error):
        return f"its text tower '{hub_tower}' needs transformers: pip install 'clipeval[hf]'"
    if hub_tower and isinstance(error, OSError | ImportError):
        return (
            f"its text tower is described by hub repository '{hub_tower}', whose config cannot be "
            f"had: {error}"
        )
    return f"its config does not build: {type(error).__name__}: {error}"
