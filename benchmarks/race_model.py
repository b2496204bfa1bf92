"""The checkpoint that every contestant of a race loads: ViT-B-32 with random weights, saved once."""

from __future__ import annotations

import hashlib
import json
import logging
import re
from pathlib import Path

import open_clip
import torch
from safetensors.torch import save_file

ARCHITECTURE = "ViT-B-32"
SEED = 0
ATTENTION_GAIN = 2.0
"""open_clip's initial weights give all images nearly the same embedding, and so the same class: agreement
would show nothing. Attention twice as strong spreads them (cosine between images about 0.3, not 0.95)."""


def save_random_model(home: Path, *, architecture: str = ARCHITECTURE) -> Path:
    """Return a folder in open_clip's layout with random weights, made if it is not there.

    Args:
        home: folders of models are kept here.
        architecture: one of open_clip's.
    """
    recipe = f"{architecture} {SEED} {ATTENTION_GAIN} {open_clip.__version__} {torch.__version__}"
    name = f"{architecture.lower()}-{hashlib.sha256(recipe.encode()).hexdigest()[:12]}"
    folder = home / name
    if (folder / "open_clip_config.json").is_file():
        return folder
    folder.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(SEED)
    logging.disable(
        logging.WARNING
    )  # it would warn that the weights are random: they are meant to be
    try:
        model = open_clip.create_model(architecture, pretrained_text=False)
    finally:
        logging.disable(logging.NOTSET)
    _strengthen_attention(model)
    state = {key: value.contiguous() for key, value in model.state_dict().items()}
    save_file(state, folder / "open_clip_model.safetensors")
    config = {
        "model_cfg": open_clip.get_model_config(architecture),
        "preprocess_cfg": {
            key: list(value) if isinstance(value, tuple) else value
            for key, value in open_clip.get_model_preprocess_cfg(model).items()
            if key in ("mean", "std", "interpolation", "resize_mode")
        },
    }
    # Written last: it says that the folder is whole.
    (folder / "open_clip_config.json").write_text(json.dumps(config, indent=2), encoding="utf-8")
    return folder


def random_class_names(n_classes: int) -> tuple[str, ...]:
    """Return names of ImageNet's classes that can be names of folders, the first by position.

    Raises:
        ValueError: there are fewer.
    """
    usable = re.compile(r"[\w '.,()-]+")
    names = [one for one in dict.fromkeys(open_clip.IMAGENET_CLASSNAMES) if usable.fullmatch(one)]
    if n_classes > len(names):
        raise ValueError(f"--n-classes {n_classes}: there are {len(names)} names; use --photos")
    return tuple(names[:n_classes])


@torch.no_grad()
def _strengthen_attention(model: torch.nn.Module) -> None:
    for name, weight in model.named_parameters():
        if name.endswith(("attn.in_proj_weight", "attn.out_proj.weight")):
            weight.mul_(ATTENTION_GAIN)
