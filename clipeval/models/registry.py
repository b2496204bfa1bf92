"""open_clip's registry: architectures, pretrained tags, and the activation that each tag needs."""

from __future__ import annotations

import fnmatch
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import open_clip
from open_clip.pretrained import get_pretrained_cfg

from clipeval.errors import ModelError, did_you_mean
from clipeval.models.open_clip_quiet import quiet_open_clip

MAX_TAGS = 30


@dataclass(frozen=True, slots=True, kw_only=True)
class AvailableModel:
    """A model that can be named without further files."""

    spec: str
    """What to write in a suite or after --model."""
    name: str
    tag: str | None
    """Pretrained tag; None for `tiny`."""
    quick_gelu: bool
    """Whether the weights were trained with QuickGELU."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PretrainedTag:
    """Published weights, as open_clip's registry describes them."""

    tag: str
    config: Mapping[str, Any]
    """Where to download from, preprocessing, and `quick_gelu`."""
    quick_gelu: bool


def available_models(pattern: str | None = None) -> tuple[AvailableModel, ...]:
    """Return the models that can be named without further files, `tiny` first.

    Args:
        pattern: keep specs that contain this, in any case; with * or ? it matches whole specs.
    """
    models = [AvailableModel(spec="tiny", name="tiny", tag=None, quick_gelu=False)]
    for name, tag in open_clip.list_pretrained():
        trained_with = _trained_with_quick_gelu(name, tag)
        if _is_quick_gelu(architecture(name)) and not trained_with:
            continue  # refused by pretrained_tag, so not offered
        spec = f"{name}/{tag}"
        models.append(AvailableModel(spec=spec, name=name, tag=tag, quick_gelu=trained_with))
    return tuple(model for model in models if pattern is None or _matches(pattern, model.spec))


def architecture(name: str) -> dict[str, Any]:
    """Return open_clip's config of an architecture.

    Raises:
        ModelError: there is no such architecture.
    """
    with quiet_open_clip():
        names = open_clip.list_models()
        if name not in names:
            raise ModelError(
                f"unknown architecture '{name}'{did_you_mean(name, names)}; "
                f"`clipeval list models` names those that have weights"
            )
        return dict(open_clip.get_model_config(name))


def pretrained_tag(name: str, tag: str) -> PretrainedTag:
    """Look up published weights, and the activation that they were trained with.

    Raises:
        ModelError: the architecture or the tag is unknown, or the architecture's own activation
            is not the one that the weights were trained with.
    """
    config = architecture(name)
    entry = get_pretrained_cfg(name, tag)
    if not entry:
        raise ModelError(_unknown_tag(name, tag))
    quick_gelu = bool(entry.get("quick_gelu", False))
    if _is_quick_gelu(config) and not quick_gelu:
        hub = str(entry.get("hf_hub", "")).strip("/")
        way_out = f"; hf-hub:{hub} goes by its own config instead" if hub.count("/") == 1 else ""
        raise ModelError(
            f"architecture '{name}' computes QuickGELU, and open_clip's registry says that "
            f"'{tag}' was trained with GELU: a mismatch silently costs accuracy{way_out}"
        )
    return PretrainedTag(tag=_normalised(tag), config=entry, quick_gelu=quick_gelu)


def resolve_quick_gelu(
    config: Mapping[str, Any], *, name: str, trained_with: bool | None, said: bool | None
) -> bool:
    """Decide on the activation, or refuse where sources contradict each other.

    Args:
        config: the architecture's config.
        name: of the architecture, for errors.
        trained_with: what the weights are known to need; None if nobody knows.
        said: `quick_gelu` of the user's mapping; None if not given.
    Returns:
        Whether to build with QuickGELU.
    Raises:
        ModelError: the user, the weights and the architecture do not agree.
    """
    if said is not None and trained_with is not None and said != trained_with:
        raise ModelError(
            f"quick_gelu: {str(said).lower()} contradicts the weights, which were trained with "
            f"{'QuickGELU' if trained_with else 'GELU'}; leave quick_gelu out"
        )
    wanted = trained_with if trained_with is not None else said
    if wanted is False and _is_quick_gelu(config):
        plain = name.removesuffix("-quickgelu")
        instead = f"; name '{plain}' instead" if plain in open_clip.list_models() else ""
        raise ModelError(
            f"quick_gelu: false contradicts architecture '{name}', which computes QuickGELU"
            f"{instead}"
        )
    return _is_quick_gelu(config) if wanted is None else wanted


def _is_quick_gelu(config: Mapping[str, Any]) -> bool:
    return bool(config.get("quick_gelu", False))


def _trained_with_quick_gelu(name: str, tag: str) -> bool:
    return _is_quick_gelu(get_pretrained_cfg(name, tag))


def _normalised(tag: str) -> str:
    return tag.lower().replace("-", "_")


def _unknown_tag(name: str, tag: str) -> str:
    tags = open_clip.list_pretrained_tags_by_model(name)
    others = [other for other in open_clip.list_pretrained_models_by_tag(tag) if other != name]
    elsewhere = f" It exists for {', '.join(others[:5])}." if others else ""
    if not tags:
        return (
            f"architecture '{name}' has no published weights.{elsewhere} "
            f"'{name}/random' measures speed only"
        )
    listed = ", ".join(tags[:MAX_TAGS]) + (", ..." if len(tags) > MAX_TAGS else "")
    near = did_you_mean(_normalised(tag), tags)
    return f"'{name}' has no weights '{tag}'{near}; available: {listed}.{elsewhere}"


def _matches(pattern: str, spec: str) -> bool:
    if any(wildcard in pattern for wildcard in "*?["):
        return fnmatch.fnmatch(spec.casefold(), pattern.casefold())
    return pattern.casefold() in spec.casefold()
