"""Model folders with random weights, small enough to make in passing, in open_clip's layout."""

import json
from dataclasses import dataclass
from pathlib import Path

import open_clip
import pytest
import torch
from PIL import Image
from safetensors.torch import save_file
from tokenizers import Tokenizer as HubTokenizer
from tokenizers.models import WordLevel
from tokenizers.pre_tokenizers import Whitespace
from tokenizers.processors import TemplateProcessing
from transformers import BertConfig, PreTrainedTokenizerFast

WEIGHTS = "open_clip_model.safetensors"
CONFIG = "open_clip_config.json"
CONTEXT_LENGTH = 16
SIMPLE_TEXT = {
    "context_length": CONTEXT_LENGTH,
    "vocab_size": 49408,
    "width": 16,
    "heads": 2,
    "layers": 2,
}
VIT = {
    "embed_dim": 24,
    "vision_cfg": {"image_size": 32, "patch_size": 16, "width": 32, "head_width": 16, "layers": 2},
    "text_cfg": SIMPLE_TEXT,
}
RESNET = {
    "embed_dim": 24,
    "quick_gelu": True,
    "vision_cfg": {"image_size": 64, "layers": [1, 1, 1, 1], "width": 8, "patch_size": None},
    "text_cfg": SIMPLE_TEXT,
}
CUSTOM_TEXT = {**VIT, "custom_text": True}
WORDS = ("<pad>", "</s>", "<unk>", "a", "photo", "of", "ramen", "pizza", "bowl", "the")
SIGLIP = {
    "embed_dim": 64,
    "init_logit_bias": -10,
    "custom_text": True,
    "vision_cfg": {
        "image_size": 160,
        "timm_model_name": "test_vit",
        "timm_model_pretrained": False,
        "timm_pool": "map",
        "timm_proj": "none",
    },
    "text_cfg": {
        "context_length": CONTEXT_LENGTH,
        "vocab_size": len(WORDS),
        "hf_tokenizer_name": "some-org/some-siglip",
        "tokenizer_kwargs": {"clean": "canonicalize"},
        "width": 32,
        "heads": 2,
        "layers": 2,
        "no_causal_mask": True,
        "proj_bias": True,
        "pool_type": "last",
        "norm_kwargs": {"eps": 1e-6},
    },
}
SIGLIP_PREPROCESS = {
    "mean": [0.5, 0.5, 0.5],
    "std": [0.5, 0.5, 0.5],
    "interpolation": "bicubic",
    "resize_mode": "squash",
}
ARCHITECTURES = {"vit": VIT, "resnet": RESNET, "custom-text": CUSTOM_TEXT, "siglip": SIGLIP}


@dataclass(frozen=True)
class ModelFolder:
    """A folder, and the weights in it."""

    path: Path
    state_dict: dict


def write_config(folder, model_cfg, preprocess_cfg=None):
    folder.mkdir(parents=True, exist_ok=True)
    config = {"model_cfg": model_cfg, "preprocess_cfg": preprocess_cfg or {}}
    (folder / CONFIG).write_text(json.dumps(config), encoding="utf-8")


def make_folder(folder, model_cfg, preprocess_cfg=None, *, seed=1):
    """Write config and seeded random weights, as open_clip's own factory makes them."""
    write_config(folder, model_cfg, preprocess_cfg)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        module = open_clip.create_model(
            f"local-dir:{folder}", load_weights=False, pretrained_text=False
        )
    state_dict = {name: t.clone().contiguous() for name, t in module.state_dict().items()}
    save_file(state_dict, folder / WEIGHTS)
    return ModelFolder(folder, state_dict)


def write_tokenizer(folder):
    """Write a tokenizer in the hub's layout: one id a word, `</s>` at the end, as SigLIP's has it."""
    vocabulary = {word: i for i, word in enumerate(WORDS)}
    tokenizer = HubTokenizer(WordLevel(vocabulary, unk_token="<unk>"))
    tokenizer.pre_tokenizer = Whitespace()
    tokenizer.post_processor = TemplateProcessing(single="$A </s>", special_tokens=[("</s>", 1)])
    PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, unk_token="<unk>", eos_token="</s>", pad_token="<pad>"
    ).save_pretrained(folder)


@pytest.fixture(scope="session")
def folders(tmp_path_factory):
    root = tmp_path_factory.mktemp("architectures")
    made = {}
    for name, config in ARCHITECTURES.items():
        made[name] = make_folder(
            root / name, config, SIGLIP_PREPROCESS if name == "siglip" else None
        )
    write_tokenizer(made["siglip"].path)
    return made


def make_hub_text(root, *, embed_dim, vision_cfg):
    """A model whose text tower is one of transformers, described by a folder of its own."""
    BertConfig(
        vocab_size=len(WORDS),
        hidden_size=32,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=32,
        pad_token_id=0,
    ).save_pretrained(root / "tower")
    text_cfg = {
        "context_length": CONTEXT_LENGTH,
        "hf_model_name": str(root / "tower"),
        "hf_tokenizer_name": "some-org/some-bert",
        "hf_pooler_type": "mean_pooler",
        "hf_proj_type": "mlp",
    }
    config = {"embed_dim": embed_dim, "vision_cfg": vision_cfg, "text_cfg": text_cfg}
    made = make_folder(root / "model", config)
    write_tokenizer(made.path)
    return made


@pytest.fixture(scope="session")
def hub_text(tmp_path_factory):
    """Beside a timm image tower: no activation is open_clip's."""
    root = tmp_path_factory.mktemp("hub-text")
    return make_hub_text(root, embed_dim=64, vision_cfg=SIGLIP["vision_cfg"])


@pytest.fixture(scope="session")
def mixed_text(tmp_path_factory):
    """Beside open_clip's image tower, whose half precision transformers does not know."""
    root = tmp_path_factory.mktemp("mixed-text")
    return make_hub_text(root, embed_dim=24, vision_cfg=VIT["vision_cfg"])


@pytest.fixture(scope="session")
def vit(folders):
    return folders["vit"]


@pytest.fixture(scope="session")
def picture():
    """A 40x30 gradient: neither square nor of any model's size."""
    pixels = bytes(value for y in range(30) for x in range(40) for value in (x * 6, y * 8, 90))
    return Image.frombytes("RGB", (40, 30), pixels)
