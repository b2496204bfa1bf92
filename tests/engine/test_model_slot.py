"""A model is loaded when it is needed, and not before; what is remembered of it is never mixed with another."""

import time
from dataclasses import replace

import numpy as np
import pytest

from clipeval.encode import ClipEncoder, PromptEncoder
from clipeval.engine import Evaluator, ModelSlot
from clipeval.engine.spaces import model_key
from clipeval.errors import ModelError
from clipeval.records import ModelSpec
from clipeval.store import EmbeddingCache, Memory

SPEC = ModelSpec(id="stand-in", kind="tiny", name="tiny")


class Loader:
    """Loads stand-ins of no files: they are remembered whatever happens to files."""

    def __init__(self, model):
        self.model, self.n_loads = model, 0

    def __call__(self, spec, *, device, precision):
        self.n_loads += 1
        model = replace(self.model, files=() if self.model.files is None else self.model.files)
        return ClipEncoder(model, 0.5, PromptEncoder(model))


@pytest.fixture
def memory(tmp_path):
    return Memory(tmp_path / "cache")


def handle(loader, memory, *, device="cpu", spec=SPEC):
    return ModelSlot(loader, memory).get(spec, device=device, precision="fp32")


class TestLoading:
    def test_happens_once_when_something_is_asked_that_only_the_model_knows(self, stand_in):
        loader = Loader(stand_in())
        found = handle(loader, None)
        assert (loader.n_loads, found.is_loaded, found.load_s) == (0, False, 0.0)
        assert found.description.record.id == "stand-in"
        assert found.encoder() is found.encoder()
        assert (loader.n_loads, found.is_loaded, found.load_s) == (1, True, 0.5)

    def test_is_not_needed_for_a_description_that_is_remembered(self, stand_in, memory):
        first = handle(Loader(stand_in()), memory).description
        loader = Loader(stand_in())
        second = handle(loader, memory)
        assert second.description == first
        assert (loader.n_loads, second.load_s) == (0, 0.0)

    def test_happens_for_another_device_precision_or_spec(self, stand_in, memory):
        _ = handle(Loader(stand_in()), memory).description
        slot = ModelSlot(loader := Loader(stand_in()), memory)
        for spec, device, precision in (
            (SPEC, "auto", "fp32"),
            (SPEC, "cpu", "bf16"),
            (replace(SPEC, quick_gelu=True), "cpu", "fp32"),
        ):
            assert not slot.remembers(spec, device=device, precision=precision)
            _ = slot.get(spec, device=device, precision=precision).description
        assert loader.n_loads == 3
        assert slot.remembers(SPEC, device="cpu", precision="fp32")

    def test_is_remembered_wherever_the_model_was_named(self, stand_in, memory):
        _ = handle(Loader(stand_in()), memory, spec=replace(SPEC, where="a.yaml:1:1")).description
        slot = ModelSlot(Loader(stand_in()), memory)
        assert slot.remembers(replace(SPEC, where="b.yaml:9:9"), device="cpu", precision="fp32")

    def test_is_not_remembered_where_its_files_are_not_all_known(self, stand_in, memory):
        class Unknown(Loader):
            def __call__(self, spec, **options):
                super().__call__(spec, **options)
                return ClipEncoder(self.model, 0.5, PromptEncoder(self.model))

        _ = handle(Unknown(stand_in()), memory).description
        assert not memory.root.exists()

    def test_without_a_memory_happens_each_time(self, stand_in):
        loader = Loader(stand_in())
        for _ in range(2):
            _ = handle(loader, None).description
        assert loader.n_loads == 2

    def test_notices_are_remembered_too(self, memory, models):
        spec = ModelSpec(id="ViT-S-16/random", kind="random", name="ViT-S-16")
        models.memory = memory
        first = models.get(spec, device="cpu", precision="fp32").description
        assert [notice.code for notice in first.notices] == ["random-weights"]
        assert handle(None, memory, spec=spec).description == first


class TestWhatWasRememberedWrongly:
    """The files look the same, and the model is another: nothing of both is mixed."""

    @pytest.fixture
    def other(self, stand_in, memory):
        """Remember another model in place of the stand-in."""
        known = handle(Loader(stand_in(weights_sha256="e" * 64)), None).description
        key = model_key(SPEC, device="cpu", precision="fp32")
        memory.remember_model(key, known, (), since=time.time())
        return known

    def test_is_said_forgotten_and_not_used(self, stand_in, memory, other):
        loader = Loader(stand_in())
        found = handle(loader, memory)
        assert found.description == other
        with pytest.raises(ModelError, match=r"not what an earlier run found.*weights_sha256.*run again") as first:  # fmt: skip
            found.encoder()
        with pytest.raises(ModelError) as second:  # not even what is cached: that was the other's
            _ = found.description
        assert first.value is second.value
        assert loader.n_loads == 1
        again = handle(Loader(stand_in()), memory)
        assert again.description.record.weights_sha256 == "a" * 64
        assert again.encoder() is not None

    @pytest.mark.parametrize(
        ("change", "named"),
        [({"logit_scale": 11.0}, "logit_scale"), ({"tokenizer_sha256": "e" * 64}, "tokenizer_sha256")],
    )  # fmt: skip
    def test_names_what_is_otherwise(self, stand_in, memory, other, change, named):
        found = handle(Loader(stand_in(weights_sha256="e" * 64, **change)), memory)
        _ = found.description
        with pytest.raises(ModelError, match=rf"\(another {named}\)"):
            found.encoder()

    def test_another_device_counts_too(self, stand_in, memory, other):
        moved = replace(stand_in(weights_sha256="e" * 64), device="cuda:0")
        found = handle(Loader(moved), memory)
        _ = found.description
        with pytest.raises(ModelError, match=r"\(another device\)"):
            found.encoder()

    def test_never_leads_to_its_numbers(self, memory, photos, cells, models, tmp_path):
        """A cell of which something has to be encoded fails, whatever else of it is cached."""
        root = photos({"red": 3, "blue": 3})
        one, new = cells([root], ["a {}", "the {}"])
        cache = EmbeddingCache(tmp_path / "cache")
        models.memory = memory
        Evaluator(models, 4, cache).evaluate(one)
        key = model_key(replace(one.model, where=""), device="cpu", precision="fp32")
        known = memory.model(key)
        wrong = replace(known, record=replace(known.record, logit_scale=1.0))
        memory.remember_model(key, wrong, (), since=time.time())
        fresh = ModelSlot(models.load, memory)
        with pytest.raises(ModelError, match="logit_scale"):
            Evaluator(fresh, 4, cache).evaluate(new)
        right = Evaluator(ModelSlot(models.load, memory), 4, cache).evaluate(new)
        plain = Evaluator(ModelSlot(models.load), 4).evaluate(new)
        assert right.result.metrics == plain.result.metrics
        np.testing.assert_array_equal(right.predictions.confidence, plain.predictions.confidence)


class TestTokens:
    PROMPTS = ("a photo of a dog", "a cat")

    def test_come_from_the_tokenizer(self, stand_in):
        model = stand_in()
        found = handle(Loader(model), None).tokenized(self.PROMPTS)
        assert [one.prompt for one in found] == list(self.PROMPTS)
        for one in found:
            assert one.token_ids == model.tokenizer.token_ids(one.prompt)
            assert len(one.pieces) == len(one.token_ids)

    def test_are_remembered_so_that_no_model_is_needed(self, stand_in, memory):
        first = handle(Loader(stand_in()), memory).tokenized(self.PROMPTS)
        loader = Loader(stand_in())
        assert handle(loader, memory).tokenized(self.PROMPTS) == first
        assert loader.n_loads == 0

    def test_of_other_prompts_are_other_tokens(self, stand_in, memory):
        handle(Loader(stand_in()), memory).tokenized(self.PROMPTS)
        loader = Loader(stand_in())
        (found,) = handle(loader, memory).tokenized(self.PROMPTS[:1])
        assert found.prompt == self.PROMPTS[0]
        assert loader.n_loads == 1
