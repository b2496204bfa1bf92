import numpy as np
import pytest
import torch

from clipeval.encode import encode_prompts
from clipeval.errors import EncodingError


def test_rows_are_unit_and_in_the_order_of_the_prompts(stand_in):
    model = stand_in()
    prompts = ["a photo of ramen", "a photo of pizza", "ramen"]
    together = encode_prompts(model, prompts).embeddings
    one_by_one = [encode_prompts(model, [prompt]).embeddings[0] for prompt in prompts]
    np.testing.assert_allclose(together, one_by_one, atol=1e-6)
    np.testing.assert_allclose(np.linalg.norm(together, axis=1), 1, atol=1e-6)
    assert together.dtype == np.float32
    assert len({tuple(row) for row in together}) == 3


def test_a_repeated_prompt_is_encoded_once(stand_in, towers):
    tower = towers()
    encoded = encode_prompts(stand_in(tower), ["a", "b", "a", "a"]).embeddings
    assert tower.text_calls == [2]
    assert encoded.shape == (4, 4)
    assert (encoded[0] == encoded[2]).all()
    assert (encoded[0] != encoded[1]).any()


def test_many_prompts_go_through_in_batches(stand_in, towers):
    tower = towers()
    prompts = [f"number {i}" for i in range(300)]
    encoded = encode_prompts(stand_in(tower), prompts)
    assert tower.text_calls == [128, 128, 44]
    assert encoded.embeddings.shape == (300, 4)
    assert not encoded.notices


def test_out_of_memory_halves_the_batch_and_says_so(stand_in, towers):
    tower = towers(fits=40)
    prompts = [f"number {i}" for i in range(100)]
    encoded = encode_prompts(stand_in(tower), prompts)
    assert tower.text_calls == [100, 50, 25, 25, 25, 25]
    np.testing.assert_array_equal(
        encoded.embeddings, encode_prompts(stand_in(), prompts).embeddings
    )
    (notice,) = encoded.notices
    assert notice.code == "batch-size-halved"
    assert "with 50 prompts a batch: went on with 25" in notice.message


def test_non_finite_values_are_an_error_that_names_a_prompt(stand_in, towers):
    class Broken(towers):
        def encode_text(self, tokens, normalize):
            features = super().encode_text(tokens, normalize)
            features[1] = torch.inf
            return features

    with pytest.raises(EncodingError, match=r"1 of 3 prompts, the first being 'pizza'"):
        encode_prompts(stand_in(Broken()), ["ramen", "pizza", "cola"])
