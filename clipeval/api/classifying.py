"""Classify single images."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from clipeval.config import resolve_template
from clipeval.devices import resolve_device
from clipeval.engine.classification import classify_images
from clipeval.errors import ConfigError
from clipeval.models import load_model
from clipeval.prompts import check_class_names, check_prompts, render_prompts
from clipeval.records import (
    Classification,
    ClassLabel,
    Notice,
    Precision,
    TemplateSpec,
)
from clipeval.records.model_names import parse_model

DEFAULT_TEMPLATE = "a photo of {}"


def classify(
    images: Sequence[Path],
    *,
    model: str,
    class_names: Sequence[str] = (),
    template: str | None = None,
    prompts: Sequence[str] = (),
    top: int | None = None,
    device: str = "auto",
    precision: Precision = "fp32",
    explain: bool = False,
) -> Classification:
    """Rank classes, or whole prompts, for each image.

    Args:
        images: image files.
        model: a model string, as in suites.
        class_names: candidates, put into `template`.
        template: for class names only; `a photo of {}`, and said, if None.
        prompts: whole prompts, instead of class names.
        top: how many of the best to return; all if None.
        device: auto, cpu, cuda, cuda:N or mps.
        precision: of both towers.
        explain: also return tokens, shapes and every step.
    Raises:
        ConfigError: neither or both of class names and prompts, or a bad template.
        ModelError, DeviceError, DatasetError, PromptError: what stands in the way.
    """
    _check_candidates(class_names, template, prompts)
    here = Path.cwd()
    notices: tuple[Notice, ...] = ()
    if class_names and template is None:
        notices = (Notice("default-template", f"no --template given: using '{DEFAULT_TEMPLATE}'"),)
    spec = (
        TemplateSpec(id="prompts", class_prompts={prompt: (prompt,) for prompt in prompts})
        if prompts
        else resolve_template(template or DEFAULT_TEMPLATE, base=here)
    )
    labels = [ClassLabel(name, (name,)) for name in (prompts or class_names)]
    candidates = render_prompts(spec, labels, where="command line")
    if class_names:
        notices += check_class_names(labels, where="--class")
    notices += check_prompts(candidates, spec)
    loaded = load_model(
        parse_model(model, base=here, where="--model"),
        device=resolve_device(device),
        precision=precision,
    )
    return classify_images(loaded, images, candidates, top=top, explain=explain, notices=notices)


def _check_candidates(
    class_names: Sequence[str], template: str | None, prompts: Sequence[str]
) -> None:
    if bool(class_names) == bool(prompts):
        raise ConfigError(
            "classify needs either --class (with --template) or --prompt, "
            f"and got {'both' if prompts else 'neither'}; "
            "for example: --class ramen --class cola --template 'a photo of {}'"
        )
    if prompts and template is not None:
        raise ConfigError("--template goes with --class; --prompt gives whole prompts already")
    candidates = list(prompts or class_names)
    repeated = [name for i, name in enumerate(candidates) if name in candidates[:i]]
    if repeated:
        raise ConfigError(f"'{repeated[0]}' is given twice; name each candidate once")
