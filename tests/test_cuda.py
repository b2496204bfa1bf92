"""What only a CUDA GPU can show: the same numbers as on the CPU, by ways that a CPU does not go."""

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from clipeval.datasets import open_dataset
from clipeval.encode import PromptEncoder, encode_images
from clipeval.encode.backends import build_tower
from clipeval.encode.prompts import FEW_PROMPTS
from clipeval.models import load_model
from clipeval.records import DatasetSpec, FolderSource
from clipeval.records.model_names import parse_model

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no CUDA GPU")

RANDOM = parse_model("ViT-B-32/random", base=Path())
TINY = parse_model("tiny", base=Path())
NAMES = ("bowl", "pizza", "ramen", "soup", "sushi", "taco")
TEMPLATES = ("a photo of {}", "a photo of the {}, on a plate", "{}", "art of {}")
PROMPTS = [template.replace("{}", name) for name in NAMES for template in TEMPLATES]
TOLERANCES = {"fp32": 1e-5, "bf16": 3e-2, "fp16": 4e-3}
"""Largest difference of a unit embedding's values: docs/design/003-numeric-floor.md."""


@pytest.fixture(scope="module")
def photos(tmp_path_factory):
    root = tmp_path_factory.mktemp("photos")
    random = np.random.default_rng(3)
    for index in range(41):
        folder = root / NAMES[index % len(NAMES)]
        folder.mkdir(exist_ok=True)
        small = random.integers(0, 256, (5, 6, 3), dtype=np.uint8)
        photo = Image.fromarray(small).resize((120, 90), Image.Resampling.BICUBIC)
        photo.save(folder / f"{index}.jpg", quality=90)
    return root


@pytest.fixture(scope="module")
def dataset(photos):
    return open_dataset(DatasetSpec(key="photos", source=FolderSource(photos)))


@pytest.fixture(scope="module", params=[TINY, RANDOM], ids=lambda spec: spec.id)
def spec(request):
    return request.param


@pytest.fixture(scope="module")
def on_cpu(spec, dataset):
    model = load_model(spec, device="cpu", precision="fp32")
    images = encode_images(model, dataset, batch_size=16).embeddings
    padded = torch.nn.functional.normalize(model.encode_text(model.tokenizer(PROMPTS)), dim=-1)
    return images, padded.numpy()


@pytest.mark.parametrize("batch_size", [1, 3, 8, 64])
def test_images_in_fp32_are_those_of_the_cpu(spec, on_cpu, dataset, batch_size):
    """More batches than buffers: one that is filled again before it was copied would show."""
    model = load_model(spec, device="cuda", precision="fp32")
    found = encode_images(model, dataset, batch_size=batch_size).embeddings
    np.testing.assert_allclose(found, on_cpu[0], rtol=0, atol=TOLERANCES["fp32"])


@pytest.mark.parametrize("precision", ["bf16", "fp16"])
def test_images_in_half_precision_are_near_those_in_fp32(spec, on_cpu, dataset, precision):
    model = load_model(spec, device="cuda", precision=precision)
    found = encode_images(model, dataset, batch_size=8).embeddings
    np.testing.assert_allclose(found, on_cpu[0], rtol=0, atol=2 * TOLERANCES[precision])
    assert not np.array_equal(found, on_cpu[0])


@pytest.mark.parametrize("precision", ["fp32", "bf16", "fp16"])
def test_prompts_on_a_tree_are_padded_prompts(spec, on_cpu, precision):
    model = load_model(spec, device="cuda", precision=precision)
    encoded = PromptEncoder(model).encode(PROMPTS)
    assert len(PROMPTS) > FEW_PROMPTS
    assert not encoded.notices  # it was found to be exact
    padded = torch.nn.functional.normalize(
        model.encode_text(model.tokenizer(PROMPTS)).float(), dim=-1
    )
    tolerance = TOLERANCES[precision]
    np.testing.assert_allclose(encoded.embeddings, padded.cpu().numpy(), rtol=0, atol=tolerance)
    np.testing.assert_allclose(encoded.embeddings, on_cpu[1], rtol=0, atol=2 * tolerance)


def test_a_batch_that_does_not_fit_is_halved(dataset):
    model = load_model(RANDOM, device="cuda", precision="fp32")
    expected = encode_images(model, dataset, batch_size=4).embeddings
    torch.cuda.empty_cache()
    total = torch.cuda.get_device_properties(0).total_memory
    room = torch.cuda.memory_reserved() + 60 * 2**20
    torch.cuda.set_per_process_memory_fraction(room / total)
    try:
        found = encode_images(model, dataset, batch_size=41)
    finally:
        torch.cuda.set_per_process_memory_fraction(1.0)
    assert [notice.code for notice in found.notices] == ["batch-size-halved"]
    np.testing.assert_allclose(found.embeddings, expected, rtol=0, atol=TOLERANCES["fp32"])


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_a_compiled_tower_gives_what_torch_eager_gives(dataset, precision):
    model = load_model(RANDOM, device="cuda", precision=precision)
    expected = encode_images(model, dataset, batch_size=8).embeddings
    tower = build_tower(model, "compile", precision)
    found = encode_images(model, dataset, batch_size=8, image_tower=tower).embeddings
    tolerance = 1e-4 if precision == "fp32" else TOLERANCES[precision]
    np.testing.assert_allclose(found, expected, rtol=0, atol=tolerance)


def test_a_run_on_the_gpu_predicts_what_one_on_the_cpu_does(tmp_path):
    cells = {}
    for device in ("cpu", "cuda"):
        command = [
            sys.executable, "-m", "clipeval", "run", "--model", "tiny", "--dataset", "digits",
            "--template", "photo=a photo of the number {}", "--template", "plain={}",
            "--device", device, "--no-cache", "--out", str(tmp_path / device),
        ]  # fmt: skip
        done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, check=False)
        assert done.returncode == 0, done.stderr
        cells[device] = json.loads((tmp_path / device / "run.json").read_text())["cells"]
    for ours, theirs in zip(cells["cuda"], cells["cpu"], strict=True):
        assert ours["device"] == "cuda"
        assert ours["confusion"] == theirs["confusion"]


def test_the_run_says_which_gpu(tmp_path):
    command = [
        sys.executable, "-m", "clipeval", "run", "--model", "tiny", "--dataset", "digits",
        "--template", "{}", "--device", "auto", "--backend", "auto", "--precision", "bf16",
        "--no-cache", "--out", str(tmp_path / "run"),
    ]  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, check=False)
    assert done.returncode == 0, done.stderr
    record = json.loads((tmp_path / "run" / "run.json").read_text())
    assert torch.cuda.get_device_name() in json.dumps(record["environment"])
    (cell,) = record["cells"]
    assert cell["device"] == "cuda"
    assert "picked" in json.dumps(record)


def test_jpegs_decoded_by_the_gpu_are_nearly_those_of_pillow(spec, on_cpu, dataset):
    model = load_model(replace(spec, decode="gpu"), device="cuda", precision="fp32")
    found = encode_images(model, dataset, batch_size=8)
    assert not found.notices  # none of them was left to the CPU
    cosines = (found.embeddings * on_cpu[0]).sum(axis=1)
    assert cosines.min() > 0.99
    assert not np.array_equal(found.embeddings, on_cpu[0])
    assert found.contents == tuple(dataset.content_sha256(i) for i in range(len(dataset.samples)))
