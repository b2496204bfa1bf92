"""From a spec to a model that is ready to encode."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from open_clip.transform import image_transform_v2
from PIL import Image

from clipeval.devices import check_precision, is_out_of_memory, resolve_device
from clipeval.errors import DeviceError, ModelError
from clipeval.file_stamps import FileStamp
from clipeval.models.architectures import (
    as_record,
    build_module,
    computes_quick_gelu,
    preprocessing_of,
)
from clipeval.models.clip_model import ClipModel
from clipeval.models.fingerprints import canonical_config, hash_json, hash_weights
from clipeval.models.fitting import fit_weights
from clipeval.models.patch_embedding import multiply_patches
from clipeval.models.preprocessing import Preprocessing
from clipeval.models.sources import ModelSource, find_source, naming
from clipeval.models.tokenizers import Tokenizer, load_tokenizer
from clipeval.models.weights import StateDict, read_weights, strip_ddp_prefix
from clipeval.records import ModelRecord, ModelSpec, Notice, Precision

_HASHED: dict[tuple[str, tuple[FileStamp, ...]], str] = {}
"""What weights were found to be, by the config that they were fitted to and how their files were before they
were read."""


def load_model(spec: ModelSpec, *, device: str = "cpu", precision: Precision = "fp32") -> ClipModel:
    """Load a model, or say in one sentence why it cannot be trusted to be what the spec names.

    Args:
        spec: any kind of spec; hub repositories are downloaded if they are not in the hub's cache.
        device: auto, cpu, cuda, cuda:N or mps.
        precision: of weights and inputs.
    Returns:
        The model in eval mode on its device, with its fingerprint.
    Raises:
        DeviceError: the device or the precision is not available here.
        ModelError: the model cannot be found, fetched, read, built or fitted.
    """
    resolved = resolve_device(device)
    check_precision(resolved, precision)
    with naming(spec):
        return _load(spec, device=resolved, precision=precision)


@dataclass(frozen=True, slots=True)
class _Filled:
    """Towers with their weights, and what is to be said about them."""

    module: torch.nn.Module
    weights: StateDict
    """As stored: before any cast, which would round the logit scale too."""
    notices: tuple[Notice, ...] = ()


def _load(spec: ModelSpec, *, device: str, precision: Precision) -> ClipModel:
    source = find_source(spec)
    files = _stamps(source)  # before the weights are read: they may change meanwhile
    config = canonical_config(source.model_cfg, quick_gelu=source.quick_gelu)
    tokenizer = load_tokenizer(source.tokenizer, model_cfg=config)
    filled = _fill(source, config, precision)
    record = _describe(
        spec,
        source,
        config,
        filled,
        tokenizer,
        weights_sha256=_weights_sha256(filled.weights, config, files),
    )
    module = filled.module.eval().requires_grad_(requires_grad=False)
    if device.startswith("cuda") and precision != "fp32":
        multiply_patches(module)
    model = ClipModel(
        spec=spec,
        record=record,
        module=_move(module, device),
        preprocess=_preprocessing(module),
        tokenizer=tokenizer,
        logit_scale=record.logit_scale,
        device=device,
        precision=precision,
        notices=(*source.notices, *filled.notices),
        files=files,
    )
    if precision != "fp32":
        _check_runs(model)
    return model


def _preprocessing(module: torch.nn.Module) -> Callable[[Image.Image], torch.Tensor]:
    transform = image_transform_v2(preprocessing_of(module), is_train=False)
    return Preprocessing.of(transform) or transform


def _stamps(source: ModelSource) -> tuple[FileStamp, ...] | None:
    try:
        return None if source.files is None else tuple(FileStamp.of(file) for file in source.files)
    except OSError:
        return None


def _fill(source: ModelSource, config: Mapping[str, Any], precision: Precision) -> _Filled:
    # Where there are weights, fit_weights makes sure that they fill every parameter.
    module = build_module(
        config,
        source.preprocess_cfg,
        precision=precision,
        drawn=source.weights is None and precision == "fp32",
    )
    if computes_quick_gelu(module) != source.quick_gelu:
        wanted = "QuickGELU" if source.quick_gelu else "GELU"
        raise ModelError(
            f"its weights need {wanted}, and the towers that open_clip built from '{source.name}' "
            "do not compute it"
        )
    if source.weights is None:
        return _fill_randomly(module, source, config, precision)
    label = str(source.weights)
    stored, stripped = strip_ddp_prefix(read_weights(source.weights))
    weights, resized = fit_weights(module, stored, resize_positions=source.published, source=label)
    module.load_state_dict(weights)
    notices: list[Notice] = []
    if stripped:
        message = f"{label}: took the prefix 'module.' of distributed training off every name"
        notices.append(Notice("ddp-prefix-stripped", message))
    if resized:
        message = f"{label}: position embeddings interpolated to fit, as open_clip does: {resized}"
        notices.append(Notice("positions-resized", message))
    return _Filled(module, weights, tuple(notices))


def _fill_randomly(
    module: torch.nn.Module, source: ModelSource, config: Mapping[str, Any], precision: Precision
) -> _Filled:
    """Give every precision the same weights: the ones that the seed draws in float32."""
    if precision == "fp32":
        return _Filled(module, module.state_dict())
    drawn = build_module(config, source.preprocess_cfg, precision="fp32", drawn=True)
    full = drawn.state_dict()
    module.load_state_dict(full)
    return _Filled(module, full)


def _describe(
    spec: ModelSpec,
    source: ModelSource,
    config: Mapping[str, Any],
    filled: _Filled,
    tokenizer: Tokenizer,
    *,
    weights_sha256: str,
) -> ModelRecord:
    preprocessing = as_record(preprocessing_of(filled.module))
    if spec.decode != "exact":
        # As part of the preprocessing it is in the key of the cache, and no comparison overlooks it.
        preprocessing["decode"] = spec.decode
    return ModelRecord(
        id=spec.id,
        spec=source.spec,
        name=source.name,
        pretrained=source.pretrained,
        quick_gelu=source.quick_gelu,
        random_weights=source.weights is None,
        n_parameters=sum(parameter.numel() for parameter in filled.module.parameters()),
        embed_dim=int(config["embed_dim"]),
        image_size=_height_and_width(preprocessing["size"]),
        context_length=tokenizer.context_length,
        logit_scale=_logit_scale(filled.weights),
        preprocessing=preprocessing,
        weights_sha256=weights_sha256,
        config_sha256=hash_json(config),
        preprocessing_sha256=hash_json(preprocessing),
        tokenizer_sha256=tokenizer.sha256,
    )


def _weights_sha256(
    weights: StateDict, config: Mapping[str, Any], files: tuple[FileStamp, ...] | None
) -> str:
    """Hash weights once in a process, whatever the precisions that they are loaded in."""
    if not files:
        return hash_weights(weights)
    key = (hash_json(config), files)
    if key not in _HASHED:
        _HASHED[key] = hash_weights(weights)
    return _HASHED[key]


def _height_and_width(size: int | tuple[int, int]) -> tuple[int, int]:
    return (size, size) if isinstance(size, int) else (size[0], size[1])


def _logit_scale(weights: StateDict) -> float:
    learned = weights["logit_scale"]
    if learned.numel() != 1:
        raise ModelError(f"logit_scale has {learned.numel()} values; expected one")
    scale = float(learned.detach().float().exp().item())
    if not math.isfinite(scale) or scale <= 0:
        raise ModelError(
            f"its learned logit_scale is {float(learned)}, so similarities would be multiplied by "
            f"{scale}; expected a finite exponent (CLIP's is about 4.6): the weights are damaged"
        )
    return scale


def _move(module: torch.nn.Module, device: str) -> torch.nn.Module:
    try:
        return module.to(device)
    except (RuntimeError, MemoryError) as error:
        if not is_out_of_memory(error):
            raise
        raise ModelError(f"its weights do not fit in the memory of {device}: {error}") from error


def _check_runs(model: ClipModel) -> None:
    """Run one blank image and one prompt: not every tower can compute in every precision."""
    blank = torch.zeros(1, 3, *model.record.image_size)
    try:
        model.encode_image(blank)
        model.encode_text(model.tokenizer(["a photo"]))
    except (RuntimeError, TypeError, MemoryError) as error:
        if is_out_of_memory(error):
            raise ModelError(
                f"it does not fit in the memory of {model.device} with one image and one prompt: "
                f"{error}; use a smaller model or another --device"
            ) from error
        raise DeviceError(
            f"model '{model.spec.id}' cannot compute in {model.precision} on {model.device}: "
            f"{error}; use precision fp32"
        ) from error
