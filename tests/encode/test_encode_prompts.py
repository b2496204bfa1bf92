import weakref
from contextlib import contextmanager
from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from clipeval.encode import PromptEncoder, encode_prompts
from clipeval.encode.prompts import FEW_PROMPTS, PROMPTS_TOKENIZED_AT_ONCE
from clipeval.errors import EncodingError
from clipeval.models import load_model
from clipeval.records import ModelSpec

NUMBERS = [f"a photo of number {i}" for i in range(300)]
# Tokens are separated, so that these are other texts and the same tokens.
ALIKE = ["a photo of number 1", "A  photo of number 1 "]


class RecordingProgress:
    """Keeps the stages, and how many units each step of them was."""

    def __init__(self):
        self.stages = []
        self.steps = []

    @contextmanager
    def stage(self, description, *, total, unit):
        self.stages.append((description, total, unit))
        yield self.steps.append


class RecordingTokenizer:
    """Tokenizes as another; keeps how much it was asked for, and what of it was still held then."""

    def __init__(self, tokenizer):
        self.tokenizer = tokenizer
        self.context_length = tokenizer.context_length
        self.calls = []
        self.n_held = []
        self._given = []

    def __call__(self, texts):
        self.calls.append(len(texts))
        self.n_held.append(sum(given() is not None for given in self._given))
        tokens = self.tokenizer(texts).numpy().copy()  # numpy's array lives as long as the memory
        self._given.append(weakref.ref(tokens))
        return torch.from_numpy(tokens)


@pytest.fixture(scope="module")
def shared_model(text_model):
    return text_model()


@pytest.fixture
def tree_model(shared_model):
    """A model whose prompts are encoded on a tree, and (rows, tokens) of each of its forward passes."""
    passes = []

    def record(_module, inputs):
        passes.append(tuple(inputs[0].shape[:2]))

    handle = shared_model.module.transformer.register_forward_pre_hook(record)
    yield shared_model, passes
    handle.remove()


def encode_padded(model, prompts):
    """Encode each prompt by itself as open_clip does: the slow, obvious reference."""
    rows = [model.encode_text(model.tokenizer([prompt]))[0].float() for prompt in prompts]
    return torch.nn.functional.normalize(torch.stack(rows), dim=-1).numpy()


class TestOnATree:
    def test_rows_are_unit_and_in_the_order_of_the_prompts(self, tree_model):
        model, _ = tree_model
        shuffled = np.random.default_rng(3).permutation(NUMBERS).tolist()
        encoded = encode_prompts(model, shuffled)
        np.testing.assert_allclose(
            encoded.embeddings, encode_padded(model, shuffled), rtol=0, atol=1e-5
        )
        np.testing.assert_allclose(np.linalg.norm(encoded.embeddings, axis=1), 1, atol=1e-6)
        assert encoded.embeddings.dtype == np.float32
        assert encoded.embeddings.flags["C_CONTIGUOUS"]
        assert not encoded.notices

    def test_shared_beginnings_are_computed_once(self, tree_model):
        model, passes = tree_model
        encoder = PromptEncoder(model)
        encoder.encode(NUMBERS)
        passes.clear()
        encoder.encode(NUMBERS)
        # "<start> a photo of number", then per prompt at most three digits and its end.
        n_tokens = sum(rows * tokens for rows, tokens in passes)
        assert n_tokens < 5 * len(passes) + 4 * len(NUMBERS)
        assert all(rows == 1 and tokens <= 256 for rows, tokens in passes)

    def test_repeats_and_equal_tokens_are_encoded_once(self, tree_model):
        model, passes = tree_model
        encoder = PromptEncoder(model)
        once = encoder.encode(NUMBERS)
        passes.clear()
        encoder.encode(NUMBERS)
        expected = list(passes)
        passes.clear()
        twice = encoder.encode([*NUMBERS, *ALIKE, *reversed(NUMBERS)])
        assert passes == expected
        np.testing.assert_array_equal(twice.embeddings[:300], once.embeddings)
        np.testing.assert_array_equal(twice.embeddings[302:], once.embeddings[::-1])
        np.testing.assert_array_equal(twice.embeddings[300:302], once.embeddings[[1, 1]])

    def test_progress_counts_distinct_prompts(self, tree_model):
        progress = RecordingProgress()
        encode_prompts(tree_model[0], [*NUMBERS, *ALIKE, "a"], progress=progress)
        assert progress.stages == [("prompts x small", 302, "prompts")]
        assert sum(progress.steps) == 302
        assert len(progress.steps) > 1

    def test_both_ways_are_compared_once(self, tree_model):
        model, passes = tree_model
        encoder = PromptEncoder(model)
        encoder.encode(NUMBERS[:20])
        padded = [shape for shape in passes if shape == (4, 77)]
        assert len(padded) == 1
        passes.clear()
        encoder.encode(NUMBERS[20:40])
        assert len(passes) == 1

    def test_few_prompts_are_padded_and_nothing_is_compared(self, tree_model):
        model, passes = tree_model
        encoded = encode_prompts(model, NUMBERS[:FEW_PROMPTS])
        assert passes == [(FEW_PROMPTS, 77)]
        assert not encoded.notices
        passes.clear()
        encode_prompts(model, NUMBERS[: FEW_PROMPTS + 1])
        assert len(passes) > 1

    def test_few_prompts_come_out_the_same_whatever_was_encoded_before(self, tree_model):
        model, _ = tree_model
        few, encoder = NUMBERS[:FEW_PROMPTS], PromptEncoder(model)
        before = encoder.encode(few)
        encoder.encode(NUMBERS)
        after = encoder.encode(few)
        np.testing.assert_array_equal(after.embeddings, before.embeddings)
        assert after.notices == before.notices == ()

    @settings(deadline=None, max_examples=20)
    @given(
        st.lists(st.text(max_size=8), max_size=30),
        st.lists(st.sampled_from(["{}", "a {}", "a {}s"])),
    )
    def test_any_prompts(self, shared_model, names, templates):
        prompts = [template.replace("{}", name) for template in templates for name in names]
        found = encode_prompts(shared_model, prompts).embeddings
        assert found.shape == (len(prompts), 24)
        if prompts:
            expected = encode_padded(shared_model, prompts)
            np.testing.assert_allclose(found, expected, rtol=0, atol=1e-5)

    def test_the_shipped_model_is_run_on_a_tree(self):
        model = load_model(ModelSpec(id="tiny", kind="tiny", name="tiny"))
        encoded = encode_prompts(model, NUMBERS)
        assert not encoded.notices
        np.testing.assert_allclose(
            encoded.embeddings, encode_padded(model, NUMBERS), rtol=0, atol=1e-5
        )

    def test_padding_is_not_kept(self, text_model):
        small = text_model(text_cfg={"width": 8, "heads": 1, "layers": 1})
        tokenizer = RecordingTokenizer(small.tokenizer)
        n_blocks = 4
        prompts = [f"a{i}" for i in range(n_blocks * PROMPTS_TOKENIZED_AT_ONCE)]
        encode_prompts(replace(small, tokenizer=tokenizer), prompts)
        assert tokenizer.calls[1:] == [PROMPTS_TOKENIZED_AT_ONCE] * n_blocks
        assert max(tokenizer.n_held) <= 1

    def test_a_pack_that_does_not_fit_is_an_error(self, tree_model):
        model, _ = tree_model
        encoder = PromptEncoder(model)
        encoder.encode(NUMBERS)

        def does_not_fit(_module, _inputs):
            raise torch.OutOfMemoryError("out of memory: tried to allocate 20.00 MiB")

        handle = model.module.transformer.register_forward_pre_hook(does_not_fit)
        with pytest.raises(EncodingError, match="'small' does not fit in the memory of cpu"):
            encoder.encode(NUMBERS)
        handle.remove()

    def test_non_finite_values_are_an_error_that_names_a_prompt(self, tree_model):
        model, _ = tree_model
        encoder = PromptEncoder(model)
        encoder.encode(NUMBERS)
        (token,) = model.tokenizer.token_ids("ramen")[1:-1]

        def breaks(_module, inputs, output):
            return output.masked_fill((inputs[0] == token).unsqueeze(-1), torch.nan)

        handle = model.module.token_embedding.register_forward_hook(breaks)
        with pytest.raises(EncodingError, match=r"2 of 4 prompts, the first being 'hot ramen'"):
            encoder.encode(["pizza", "hot ramen", "ramen", "cola"])
        handle.remove()


class TestPadded:
    def test_rows_are_unit_and_in_the_order_of_the_prompts(self, stand_in):
        model = stand_in()
        prompts = ["a photo of ramen", "a photo of pizza", "ramen"]
        together = encode_prompts(model, prompts).embeddings
        one_by_one = [encode_prompts(model, [prompt]).embeddings[0] for prompt in prompts]
        np.testing.assert_allclose(together, one_by_one, atol=1e-6)
        np.testing.assert_allclose(np.linalg.norm(together, axis=1), 1, atol=1e-6)
        assert together.dtype == np.float32
        assert len({tuple(row) for row in together}) == 3

    def test_a_repeated_prompt_is_encoded_once(self, stand_in, towers):
        tower = towers()
        encoded = encode_prompts(stand_in(tower), ["a", "b", "a", "a"]).embeddings
        assert tower.text_calls == [2]
        assert encoded.shape == (4, 4)
        assert (encoded[0] == encoded[2]).all()
        assert (encoded[0] != encoded[1]).any()

    def test_many_prompts_of_a_tower_that_is_not_open_clips_go_through_in_batches(
        self, stand_in, towers
    ):
        tower = towers()
        progress = RecordingProgress()
        encoded = encode_prompts(stand_in(tower), NUMBERS, progress=progress)
        assert tower.text_calls == [128, 128, 44]
        assert progress.steps == [128, 128, 44]
        assert encoded.embeddings.shape == (300, 4)
        (notice,) = encoded.notices
        assert notice.code == "prompts-padded"
        assert notice.message == (
            "model 'stand-in': every prompt is padded to 77 tokens, which is slow, because its text "
            "tower cannot share what prompts begin with: it is a StandInTowers, not open_clip's own "
            "text tower"
        )

    def test_is_said_of_many_prompts_and_not_of_few_where_it_costs_nothing(self, stand_in):
        encoder = PromptEncoder(stand_in())
        assert not encoder.encode(["a"]).notices
        assert len(encoder.encode(NUMBERS).notices) == 1
        assert not encoder.encode(["a"]).notices
        assert encoder.encode(NUMBERS).notices == encoder.encode(NUMBERS[:20]).notices

    def test_siglip_is_padded(self, model_folders):
        folder = str(model_folders["siglip"])
        model = load_model(ModelSpec(id="siglip", kind="local-dir", name=folder))
        prompts = [f"{a} {b}" for a in ("a", "the", "of", "") for b in ("ramen", "pizza", "bowl")]
        encoded = encode_prompts(model, prompts)
        np.testing.assert_allclose(
            encoded.embeddings, encode_padded(model, prompts), rtol=0, atol=1e-6
        )
        (notice,) = encoded.notices
        assert notice.code == "prompts-padded"
        assert notice.message.endswith(": its tokens see more than those before them")

    def test_out_of_memory_halves_the_batch_and_says_so(self, stand_in, towers):
        tower = towers(fits=40)
        encoded = encode_prompts(stand_in(tower), NUMBERS[:100])
        assert tower.text_calls == [100, 50, 25, 25, 25, 25]
        expected = encode_prompts(stand_in(), NUMBERS[:100])
        np.testing.assert_array_equal(encoded.embeddings, expected.embeddings)
        padded, halved = encoded.notices
        assert padded.code == "prompts-padded"
        assert halved.code == "batch-size-halved"
        assert "with 50 prompts a batch: went on with 25" in halved.message

    def test_non_finite_values_are_an_error_that_names_a_prompt(self, stand_in, towers):
        class Broken(towers):
            def encode_text(self, tokens, normalize):
                features = super().encode_text(tokens, normalize)
                features[1] = torch.inf
                return features

        with pytest.raises(EncodingError, match=r"1 of 3 prompts, the first being 'pizza'"):
            encode_prompts(stand_in(Broken()), ["ramen", "pizza", "cola"])

    def test_no_prompts_give_no_rows(self, stand_in):
        assert encode_prompts(stand_in(), []).embeddings.shape == (0, 4)
