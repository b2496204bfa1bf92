"""Arithmetic as open_clip publishes it, and what the machine could do."""

import pytest
import torch
from torch.utils.benchmark import Timer

from clipeval.bench.costs import matrix_peak, memory_bandwidth, model_size, weight_bytes
from clipeval.models import load_model
from clipeval.records.model_names import parse_model

# Source: open_clip, docs/model_profile.csv: (mparams, image_gflops, text_gflops).
PUBLISHED = {
    "ViT-B-32": (151.28, 8.82, 5.96),
    "ViT-S-32": (63.09, 2.29, 3.38),
    "ViT-M-16": (102.02, 15.98, 5.96),
    "RN50": (102.01, 12.22, 5.96),
}


@pytest.mark.parametrize("name", PUBLISHED)
def test_parameters_and_operations_are_the_published_ones(name, tmp_path):
    model = load_model(parse_model(f"{name}/random", base=tmp_path))
    size = model_size(model)
    mparams, image_gflop, text_gflop = PUBLISHED[name]
    assert size.n_parameters / 1e6 == pytest.approx(mparams, abs=0.01)
    assert size.flop_per_image / 1e9 == pytest.approx(image_gflop, rel=0.02)
    assert size.flop_per_prompt / 1e9 == pytest.approx(text_gflop, rel=0.02)


def test_matrix_peak_is_of_the_size_that_a_plain_product_reaches():
    left, right = torch.randn(1024, 1024), torch.randn(1024, 1024)
    watch = Timer("left @ right", globals={"left": left, "right": right})
    plain = 2 * 1024**3 / watch.timeit(20).median
    assert 0.3 < matrix_peak("fp32", device="cpu").flop_per_s / plain < 5


def test_weights_of_the_towers_without_the_table_of_token_embeddings(tmp_path):
    model = load_model(parse_model("ViT-S-32/random", base=tmp_path))
    size = weight_bytes(model, "fp32")
    total = 4 * sum(one.numel() for one in model.module.parameters())
    table = 4 * model.module.token_embedding.weight.numel()
    n_of_image = sum(one.numel() for one in model.module.visual.parameters())
    assert size.image == 4 * n_of_image
    assert size.image + size.text == total - table
    int8 = weight_bytes(model, "int8")
    assert (int8.image, int8.text) == (n_of_image, size.text)


def test_weights_in_half_precision_are_half_as_many_bytes(tmp_path):
    spec = parse_model("ViT-S-32/random", base=tmp_path)
    whole = weight_bytes(load_model(spec), "fp32")
    half = weight_bytes(load_model(spec, precision="bf16"), "bf16")
    assert 0.5 <= half.image / whole.image < 0.52  # norms stay in fp32


def test_memory_bandwidth_is_that_of_a_plain_copy():
    source, target = torch.rand(64 * 2**20), torch.empty(64 * 2**20)
    plain = (
        2
        * 4
        * 64
        * 2**20
        / Timer("target.copy_(source)", globals={"source": source, "target": target})
        .timeit(5)
        .median
    )
    assert 0.2 < memory_bandwidth("cpu") / plain < 5
