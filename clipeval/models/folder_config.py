"""Reads a model folder's own config, and looks at the values before torchvision meets them."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from clipeval.errors import ModelError, did_you_mean
from clipeval.models.hub import CONFIG_FILE
from clipeval.records import Notice

N_CHANNELS = 3
N_SIDES = 2
_DEFAULT_IMAGE_SIZE = 224
"""Source: open_clip.model.CLIPVisionCfg."""
_WORDS = {
    "mode": ("RGB",),
    "interpolation": ("bicubic", "bilinear", "random"),
    "resize_mode": ("shortest", "longest", "squash"),
}
"""What open_clip takes. Source: open_clip.transform.image_transform; `random` is bicubic there."""
_DEFAULTS = {
    "mean": "CLIP's mean",
    "std": "CLIP's std",
    "interpolation": "bicubic",
    "resize_mode": "shortest edge",
}
"""What fills a key that decides about accuracy. Source: open_clip.transform.PreprocessCfg."""
_KEYS = ("mode", "mean", "std", "interpolation", "resize_mode", "fill_color")


def read_config(path: Path) -> dict[str, Any]:
    """Read the config of a folder or hub repository in open_clip's layout.

    Returns:
        The config: `model_cfg` with both towers, and `preprocess_cfg`, where it is there, with
        values that open_clip can use.
    Raises:
        ModelError: the file is missing, of another kind, holds a value that cannot be used, or
            asks to run code.
    """
    config = _read_mapping(path)
    model_cfg = config.get("model_cfg")
    if not isinstance(model_cfg, dict):
        raise ModelError(
            f"{path} has no 'model_cfg'; is it open_clip's config, or another library's?"
        )
    for tower in ("vision_cfg", "text_cfg"):
        if not isinstance(model_cfg.get(tower), dict):
            raise ModelError(f"{path}: 'model_cfg' has no '{tower}'")
    preprocess_cfg = config.get("preprocess_cfg") or {}
    if not isinstance(preprocess_cfg, dict):
        raise ModelError(f"{path}: 'preprocess_cfg' is not a mapping")
    for key, value in preprocess_cfg.items():
        expected = "" if value is None else _problem(key, value)
        if expected:
            raise ModelError(f"{path}: 'preprocess_cfg' has {key}: {value!r}; expected {expected}")
    # transformers would download and run Python code from the repository that the config names.
    if "trust_remote_code" in str(model_cfg["text_cfg"].get("tokenizer_kwargs")):
        raise ModelError(
            f"{path} is refused: 'trust_remote_code' asks to run code that comes with it"
        )
    return config


def known_preprocessing(preprocess_cfg: Mapping[str, Any]) -> dict[str, Any]:
    """Return what open_clip reads of a `preprocess_cfg`, without the size, which the tower says."""
    return {key: preprocess_cfg[key] for key in _KEYS if preprocess_cfg.get(key) is not None}


def preprocessing_notices(config: Mapping[str, Any], path: Path) -> tuple[Notice, ...]:
    """Say where a config's preprocessing is not all that images will go through.

    Args:
        config: as `read_config` returned it.
        path: of the config, for the messages.
    Returns:
        Which settings open_clip's defaults stand in for, and a size that the tower overrules.
    """
    given = config.get("preprocess_cfg") or {}
    notices: list[Notice] = []
    missing = [key for key in _DEFAULTS if given.get(key) is None]
    if missing:
        defaults = ", ".join(_DEFAULTS[key] for key in missing)
        message = (
            f"{path}: 'preprocess_cfg' does not say {', '.join(missing)}: using open_clip's "
            f"default ({defaults}); if the weights were trained with another, add it"
        )
        notices.append(Notice("default-preprocessing", message))
    size = given.get("size")
    image_size = config["model_cfg"]["vision_cfg"].get("image_size", _DEFAULT_IMAGE_SIZE)
    if size is not None and _height_and_width(size) != _height_and_width(image_size):
        message = (
            f"{path}: 'preprocess_cfg' has size {size}, and 'vision_cfg' has image_size "
            f"{image_size}: images are made the tower's size, {image_size}, as open_clip does"
        )
        notices.append(Notice("preprocessing-size-overruled", message))
    return tuple(notices)


def _read_mapping(path: Path) -> dict[str, Any]:
    try:
        config = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise ModelError(
            f"{path} is not there; a model folder needs {CONFIG_FILE}, as open_clip writes it"
        ) from error
    except (OSError, ValueError, RecursionError) as error:
        raise ModelError(f"{path} cannot be read as JSON: {error}") from error
    return dict(config) if isinstance(config, dict) else {}


def _problem(key: str, value: object) -> str:
    """Return what was expected of a value, or an empty string where it can be used."""
    if key in ("mean", "std"):
        words = "three numbers > 0" if key == "std" else "three numbers"
        return "" if _is_rgb(value, positive=key == "std") else words
    if key == "fill_color":
        fits = isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= 255  # noqa: PLR2004 (a byte)
        return "" if fits else "a whole number from 0 to 255"
    if key == "size":
        sides = _height_and_width(value)
        fits = len(sides) == N_SIDES and all(type(side) is int and side > 0 for side in sides)
        return "" if fits else "a whole number > 0, or two of them"
    if key in _WORDS and value not in _WORDS[key]:
        near = did_you_mean(value, _WORDS[key]) if isinstance(value, str) else ""
        return " or ".join(_WORDS[key]) + near
    return ""


def _is_rgb(value: object, *, positive: bool) -> bool:
    if not isinstance(value, list) or len(value) != N_CHANNELS:
        return False
    return all(
        isinstance(x, int | float)
        and not isinstance(x, bool)
        and math.isfinite(x)
        and (x > 0 or not positive)
        for x in value
    )


def _height_and_width(size: object) -> list[object]:
    """Return (height, width) of `size`, `[size]` or `[height, width]`."""
    values = list(size) if isinstance(size, list) else [size]
    return values * 2 if len(values) == 1 else values
