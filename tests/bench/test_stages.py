"""Each stage does what its name says: its result is that of the model's own parts, one after another."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch

from clipeval.bench.inputs import generated_inputs
from clipeval.bench.stages import StageCalls
from clipeval.datasets import read_rgb
from clipeval.encode.backends import EagerTower
from clipeval.models import load_model
from clipeval.records import ModelSpec

BATCH = 3


@pytest.fixture(scope="module")
def model():
    return load_model(ModelSpec(id="tiny", kind="tiny", name="tiny"))


@pytest.fixture(scope="module")
def inputs():
    return generated_inputs()


@pytest.fixture
def calls(model, inputs):
    with ThreadPoolExecutor(2) as pool, torch.inference_mode():
        yield StageCalls(model, EagerTower(model), inputs, BATCH, pool)


def pixels_by_hand(model, inputs, number):
    chosen = [inputs.photos[(number * BATCH + i) % len(inputs.photos)] for i in range(BATCH)]
    return torch.stack([model.preprocess(read_rgb(photo)) for photo in chosen])


def unit(features):
    return torch.nn.functional.normalize(features.float(), dim=-1)


@pytest.mark.parametrize("number", [0, 1, 7])
class TestStages:
    def test_preprocess(self, calls, model, inputs, number):
        found = calls.of("preprocess")(number)
        assert torch.equal(found, pixels_by_hand(model, inputs, number))

    def test_encode_image(self, calls, model, inputs, number):
        found = calls.of("encode_image")(number)
        expected = unit(model.encode_image(pixels_by_hand(model, inputs, number % 4)))
        torch.testing.assert_close(found, expected)

    def test_encode_text(self, calls, model, inputs, number):
        chosen = [inputs.prompts[(number * BATCH + i) % len(inputs.prompts)] for i in range(BATCH)]
        found = calls.of("encode_text")(number)
        torch.testing.assert_close(found, unit(model.encode_text(model.tokenizer(chosen))))

    @pytest.mark.parametrize("stage", ["classify", "end_to_end"])
    def test_classes(self, calls, model, inputs, number, stage):
        taken = number % 4 if stage == "classify" else number
        embeddings = unit(model.encode_image(pixels_by_hand(model, inputs, taken)))
        weights = unit(model.encode_text(model.tokenizer(list(inputs.prompts))))
        expected = (model.logit_scale * embeddings @ weights.T).softmax(dim=-1).topk(5, dim=-1)
        values, indices = calls.of(stage)(number)
        torch.testing.assert_close(values, expected.values)
        assert torch.equal(indices, expected.indices)


class TestInputs:
    def test_rotate_and_are_never_constant(self, calls):
        for stage in ("preprocess", "encode_image", "encode_text"):
            call = calls.of(stage)
            first, second = call(0), call(1)
            assert not torch.equal(first, second)
            assert first.std() > 0

    @pytest.mark.parametrize("size", [1, 2, 8, 15, 16, 17, 31, 32, 64])
    def test_batches_of_any_size_differ_from_call_to_call(self, inputs, size):
        for batch in (inputs.photo_batch, inputs.prompt_batch):
            few = [tuple(batch(number, size)) for number in range(4)]
            assert len(set(few)) == 4

    def test_are_the_same_for_the_same_seed(self, inputs):
        assert generated_inputs() == inputs
        assert generated_inputs(seed=1).photos != inputs.photos

    def test_are_different_photographs_in_size_and_structure(self, inputs):
        assert len(set(inputs.photos)) == len(inputs.photos)
        pictures = [np.asarray(read_rgb(photo)) for photo in inputs.photos]
        assert {picture.shape for picture in pictures} == {(384, 512, 3)}
        assert all(picture.std() > 20 for picture in pictures)
        assert all(20_000 < len(photo) < 120_000 for photo in inputs.photos)
