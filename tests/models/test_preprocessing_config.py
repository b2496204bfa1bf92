"""What a model folder says about preprocessing, and what its logit scale may be."""

import json
import shutil
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

import clipeval
from clipeval.errors import ModelError
from clipeval.models import load_model
from clipeval.records import ModelSpec

TINY = Path(clipeval.__file__).parent / "models" / "tiny"


@pytest.fixture
def folder(tmp_path):
    shutil.copytree(TINY, tmp_path / "copy")
    return tmp_path / "copy"


def load(folder):
    return load_model(ModelSpec(id="mine", kind="local-dir", name=str(folder)))


def edit(folder, **preprocess_cfg):
    path = folder / "open_clip_config.json"
    config = json.loads(path.read_text())
    config["preprocess_cfg"] |= preprocess_cfg
    path.write_text(json.dumps(config))


@pytest.mark.parametrize(
    ("key", "value", "expected"),
    [
        ("mean", "x", "three numbers"),
        ("mean", [0.5, 0.5], "three numbers"),
        ("mean", [0.5, "a", 0.5], "three numbers"),
        ("std", [0, 0, 0], "three numbers > 0"),
        ("interpolation", "lanczos", "bicubic or bilinear"),
        ("resize_mode", "crop", "shortest or longest or squash"),
        ("interpolation", "bicubi", "did you mean 'bicubic'"),
        ("mean", [0.5, float("nan"), 0.5], "three numbers"),
        ("std", [0.5, True, 0.5], "three numbers > 0"),
        ("fill_color", "black", "a whole number from 0 to 255"),
        ("fill_color", 256, "a whole number from 0 to 255"),
        ("size", "big", "a whole number > 0, or two of them"),
        ("mode", "L", "RGB"),
    ],
)
def test_a_value_that_no_image_would_survive_is_refused(folder, key, value, expected):
    edit(folder, **{key: value})
    with pytest.raises(ModelError, match=expected) as refused:
        load(folder)
    assert "open_clip_config.json" in str(refused.value)
    assert key in str(refused.value)


def test_defaults_that_stand_in_are_said(folder):
    edit(folder, mean=None, std=None)
    (notice,) = load(folder).notices
    assert notice.code == "default-preprocessing"
    assert "mean, std" in notice.message


def test_a_folder_without_any_preprocessing_says_all_that_was_filled(folder):
    path = folder / "open_clip_config.json"
    model_cfg = json.loads(path.read_text())["model_cfg"]
    path.write_text(json.dumps({"model_cfg": model_cfg}))
    (notice,) = load(folder).notices
    assert "does not say mean, std, interpolation, resize_mode" in notice.message


@pytest.mark.parametrize("size", [32, [32], [32, 32]])
def test_a_size_that_is_the_towers_own_needs_no_notice(folder, size):
    edit(folder, size=size)
    assert load(folder).notices == ()


def test_a_size_that_the_tower_overrules_is_said(folder):
    edit(folder, size=[64, 64])
    model = load(folder)
    (notice,) = model.notices
    assert notice.code == "preprocessing-size-overruled"
    assert "has size [64, 64], and 'vision_cfg' has image_size 32" in notice.message
    assert model.record.image_size == (32, 32)


def test_a_config_that_says_it_all_needs_no_notice(folder):
    assert load(folder).notices == ()


@pytest.mark.parametrize("learned", [float("nan"), float("inf"), 1000.0])
def test_a_logit_scale_that_is_no_number_is_refused(folder, learned):
    path = folder / "open_clip_model.safetensors"
    weights = load_file(path)
    save_file(weights | {"logit_scale": torch.tensor(learned)}, path)
    with pytest.raises(ModelError, match=r"model 'mine': .*logit_scale"):
        load(folder)
