import weakref
from dataclasses import replace

import pytest

from clipeval.api.torch_boundary import load_encoder
from clipeval.engine import Evaluator, ModelSlot
from clipeval.errors import DatasetError, ModelError, PromptError
from clipeval.records import ModelSpec
from clipeval.records.precision_costs import cost_sentence
from clipeval.store import EmbeddingCache

TINY_AGAIN = ModelSpec(id="tiny-again", kind="tiny", name="tiny")


class TestCost:
    """What precision and backend change is measured for all but fp32 on torch."""

    @pytest.mark.parametrize(
        ("precision", "backend"),
        [("bf16", "torch"), ("fp32", "openvino"), ("int8", "onnxruntime")],
    )
    def test_beside_fp32_on_torch(self, evaluator, photos, cells, precision, backend):
        if backend != "torch":
            pytest.importorskip(backend, reason=f"NOT TESTED: {backend} is not installed")
        (cell,) = cells([photos({"red": 3, "blue": 2})], ["a {}"])
        found = evaluator.evaluate(replace(cell, precision=precision, backend=backend)).result.cost
        assert found.n_images == 5
        assert 0.9 < found.cosine_min <= found.cosine_mean < 1 + 1e-6
        assert found.n_flips <= 5

    def test_of_another_decoding_names_it(self, evaluator, photos, cells):
        fast = ModelSpec(id="tiny", kind="tiny", name="tiny", decode="fast")
        (cell,) = cells([photos({"red": 3, "blue": 2})], ["a {}"], models=(fast,))
        sentence = cost_sentence(evaluator.evaluate(cell).result)
        assert (
            "fp32 with decode 'fast' beside fp32 by torch, decode 'exact', on 5 images" in sentence
        )

    def test_is_none_of_fp32_on_torch(self, evaluator, photos, cells):
        (cell,) = cells([photos({"red": 3, "blue": 2})], ["a {}"])
        assert evaluator.evaluate(cell).result.cost is None


class TestOnePass:
    def test_over_the_images_for_all_templates(self, evaluator, progress, photos, cells):
        root = photos({"red": 2, "blue": 1})
        for cell in cells([root], ["a photo of {}", "a {}", "{} thing"]):
            evaluator.evaluate(cell)
        assert progress.n_passes("photos", "tiny") == 1
        assert progress.stages.count("prompts x tiny") == 3

    def test_for_each_model_and_data_set(self, evaluator, progress, photos, cells):
        roots = [photos({"red": 1, "blue": 1}, root) for root in ("here", "there")]
        models = (ModelSpec(id="tiny", kind="tiny", name="tiny"), TINY_AGAIN)
        for cell in cells(roots, ["a {}", "the {}"], models=models):
            evaluator.evaluate(cell)
        passes = [
            progress.n_passes(d, m) for d in ("here", "there") for m in ("tiny", "tiny-again")
        ]
        assert passes == [1, 1, 1, 1]

    def test_is_not_repeated_when_it_fails(self, evaluator, progress, photos, cells):
        root = photos({"red": 2, "blue": 1})
        (root / "red" / "0.png").write_bytes(b"no image")
        messages = set()
        for cell in cells([root], ["a photo of {}", "a {}"]):
            with pytest.raises(DatasetError, match=r"1 of 3 images") as error:
                evaluator.evaluate(cell)
            messages.add(str(error.value))
        assert progress.n_passes("photos", "tiny") == 1
        assert len(messages) == 1


class TestTheModel:
    def test_is_gone_before_the_next_one_is_loaded(self, photos, cells, evaluator):
        first, second = cells([photos({"red": 1, "blue": 1})], models=(
            ModelSpec(id="tiny", kind="tiny", name="tiny"), TINY_AGAIN,
        ))  # fmt: skip
        evaluator.evaluate(first)
        known = weakref.ref(evaluator.model(first).encoder().model.module)
        assert known() is not None
        evaluator.model(second)
        assert known() is None
        assert evaluator.model(second).encoder().model.record.id == "tiny-again"

    def test_that_cannot_be_loaded_is_not_tried_for_every_template(self, tmp_path, models):
        spec = ModelSpec(id="gone", kind="local-dir", name=str(tmp_path / "gone"))
        with pytest.raises(ModelError) as first:
            models.get(spec, device="cpu", precision="fp32").encoder()
        with pytest.raises(ModelError) as second:
            _ = models.get(spec, device="cpu", precision="fp32").description
        assert first.value is second.value
        handle = models.get(TINY_AGAIN, device="cpu", precision="fp32")
        assert (handle.is_loaded, handle.load_s) == (False, 0.0)
        handle.encoder()
        assert handle.is_loaded
        assert handle.load_s > 0


class TestWhatACellSays:
    def test_counts_agree(self, evaluator, photos, cells):
        root = photos({"red": 3, "blue": 2, "green": 1})
        (cell,) = cells([root])
        evaluated = evaluator.evaluate(cell)
        result, predictions = evaluated.result, evaluated.predictions
        assert result.id == predictions.cell == "photos/tiny/t0"
        assert sum(map(sum, result.confusion)) == 6
        assert [sum(row) for row in result.confusion] == [2, 1, 3]  # blue, green, red
        trace = sum(result.confusion[i][i] for i in range(3))
        assert result.metrics["top1"].value == pytest.approx(trace / 6)
        assert (predictions.predicted == predictions.labels).sum() == trace
        assert "top5" not in result.metrics  # 3 classes: absent, not 1.0
        n_wrong = 6 - trace
        assert len(evaluated.thumbnails) == n_wrong > 0
        assert evaluated.thumbnails[0].webp[:4] == b"RIFF"
        assert result.template.prompts == ("a photo of blue", "a photo of green", "a photo of red")
        assert result.image_embeddings == "computed"
        assert set(result.timings) == {
            "load_s", "encode_image_s", "encode_text_s", "score_s", "images_per_s",
        }  # fmt: skip

    def test_skipped_images_are_accounted_for(self, evaluator, photos, cells):
        root = photos({"red": 3, "blue": 2})
        (root / "red" / "1.png").write_bytes(b"")
        (cell,) = cells([root], on_error="skip")
        evaluated = evaluator.evaluate(cell)
        dataset = evaluated.result.dataset
        assert (dataset.n_expected, dataset.n_images, dataset.n_failed) == (5, 4, 1)
        assert [(f.path, f.cause) for f in dataset.failures] == [
            ("red/1.png", "the file is empty (0 bytes)")
        ]
        assert evaluated.predictions.paths == ("blue/0.png", "blue/1.png", "red/0.png", "red/2.png")
        assert evaluated.result.metrics["top1"].n == 4

    def test_notices_of_class_names_and_wording_are_kept_once(self, evaluator, photos, cells):
        root = photos({"hot_dog": 1, "apple": 1})
        (cell,) = cells([root], ["a photo of a {}"])
        codes = [notice.code for notice in evaluator.evaluate(cell).result.notices]
        assert codes.count("article") == 1
        assert any("underscore" in code for code in codes)
        assert len(codes) == len(set(codes))

    def test_no_gate_is_decided_here(self, evaluator, photos, cells):
        (cell,) = cells([photos({"red": 1, "blue": 1})])
        assert evaluator.evaluate(cell).result.gates == ()

    def test_a_sketch_of_the_embeddings_is_kept(self, evaluator, photos, cells):
        (cell,) = cells([photos({"red": 2, "blue": 1})])
        sketch = evaluator.evaluate(cell).result.sketch
        assert [len(row) for row in sketch.image] == [8, 8, 8]
        assert [len(row) for row in sketch.text] == [8, 8]

    def test_a_cached_pass_says_so_and_scores_the_same(self, photos, cells, tmp_path, models):
        root = photos({"red": 2, "blue": 2})
        (cell,) = cells([root])
        cache = EmbeddingCache(tmp_path / "cache")
        first = Evaluator(models, 4, cache).evaluate(cell).result
        second = Evaluator(models, 4, cache).evaluate(cell).result
        assert (first.image_embeddings, first.text_embeddings) == ("computed", "computed")
        assert (second.image_embeddings, second.text_embeddings) == ("cached", "cached")
        assert "images_per_s" not in second.timings
        same = {"timings": {}, "image_embeddings": "computed", "text_embeddings": "computed"}
        assert replace(first, **same) == replace(second, **same)

    def test_a_new_template_on_cached_images_says_so(self, photos, cells, tmp_path, models):
        one, other = cells([photos({"red": 2, "blue": 2})], ["a {}", "the {}"])
        cache = EmbeddingCache(tmp_path / "cache")
        Evaluator(models, 4, cache).evaluate(one)
        second = Evaluator(models, 4, cache).evaluate(other).result
        assert (second.image_embeddings, second.text_embeddings) == ("cached", "computed")

    def test_the_speed_is_that_of_the_images_that_were_encoded(
        self, photos, cells, tmp_path, models
    ):
        root = photos({"red": 6, "blue": 6})
        (few,), (all_,) = cells([root], limit=4), cells([root])
        cache = EmbeddingCache(tmp_path / "cache")
        Evaluator(models, 4, cache).evaluate(few)
        evaluator = Evaluator(models, 4, cache)
        timings = evaluator.evaluate(all_).result.timings
        images = evaluator.images(all_)
        assert images.n_encoded == 8
        assert timings["images_per_s"] == pytest.approx(8 / images.encode_s)
        assert timings["encode_image_s"] == pytest.approx(images.read_s + images.encode_s)


class TestPromptsThatCannotBeUsed:
    def test_too_long_is_refused_before_images_are_encoded(
        self, evaluator, progress, photos, cells
    ):
        (cell,) = cells([photos({"red": 1, "blue": 1})], ["a photo of {}" + " very" * 80])
        with pytest.raises(PromptError, match="very"):
            evaluator.evaluate(cell)
        assert not progress.stages

    @pytest.fixture
    def cached(self, models, tmp_path):
        """Return an evaluator, whose cache another one may have filled before."""
        cache = EmbeddingCache(tmp_path / "cache")
        return lambda: Evaluator(models, 4, cache)

    def test_classes_that_are_equal_for_the_tokenizer_are_refused_though_all_is_cached(
        self, photos, cells, cached
    ):
        first, second = (
            photos({name: 1, "blue": 1}, root)
            for name, root in (("fish & chips", "here"), ("fish &amp; chips", "there"))
        )
        for root in (first, second):
            cached().evaluate(cells([root])[0])
        (cell,) = cells([photos({"fish & chips": 1, "fish &amp; chips": 1}, "both")])
        evaluator = cached()
        text = evaluator._encoding.prompts(
            evaluator.model(cell), evaluator.check_prompts(cell).prompts.flat
        )
        assert text.n_encoded == 0  # or this test shows nothing
        with pytest.raises(PromptError, match="identical token sequences"):
            cached().evaluate(cell)

    def test_a_prompt_that_is_too_long_is_refused_each_time(self, photos, cells, cached):
        (cell,) = cells([photos({"red": 1, "blue": 1})], ["a photo of {}" + " very" * 80])
        for _ in range(2):
            with pytest.raises(PromptError, match="very"):
                cached().evaluate(cell)
        assert cached().cache.entries() == ()

    def test_what_a_lost_pack_of_tokens_held_is_checked_again(self, photos, cells, cached):
        (cell,) = cells([photos({"red": 1, "blue": 1})])
        first = cached().evaluate(cell).result
        for entry in cached().cache.entries():
            entry.path.write_bytes(b"junk")
        second = cached().evaluate(cell).result
        assert [notice.code for notice in second.notices] == ["cache-entry-corrupt"] * 3
        assert second.metrics == first.metrics


class TestThumbnails:
    def test_of_an_image_that_vanished_after_scoring_is_left_out(self, evaluator, photos, cells):
        root = photos({"red": 3, "blue": 3})
        (cell,) = cells([root])
        dataset = evaluator.dataset(cell.dataset)
        evaluator.images(cell)
        (root / dataset.samples[1].path).unlink()
        evaluated = evaluator.evaluate(cell)
        assert evaluated.result.dataset.n_images == 6
        shown = {one.sample_id for one in evaluated.thumbnails}
        assert shown == {one.sample_id for one in dataset.samples} - {dataset.samples[1].sample_id}

    def test_of_further_images_are_added_once(self, evaluator, photos, cells):
        (cell,) = cells([photos({"red": 30, "blue": 30})])
        evaluated = evaluator.evaluate(cell)
        kept = [one.sample_id for one in evaluated.thumbnails]
        samples = [one.sample_id for one in evaluator.dataset(cell.dataset).samples]
        others = [one for one in samples if one not in kept][:2]
        assert evaluator.with_thumbnails(evaluated, kept[:3]) is evaluated
        more = evaluator.with_thumbnails(evaluated, [kept[0], *others, "not there"])
        assert [one.sample_id for one in more.thumbnails] == [*kept, *others]
        assert more.result == evaluated.result

    def test_of_an_image_that_several_cells_show_is_made_once(
        self, evaluator, photos, cells, monkeypatch
    ):
        first, second = cells([photos({"red": 2, "blue": 2})], ("a photo of {}", "{}"))
        made = evaluator.evaluate(first).thumbnails
        dataset = evaluator.dataset(first.dataset)
        monkeypatch.setattr(
            type(dataset), "read", lambda _self, index: pytest.fail(f"{index} was read again")
        )
        assert {one.webp for one in evaluator.evaluate(second).thumbnails} <= {
            one.webp for one in made
        }


class TestTheOrderOfModels:
    """A cell that is measured by the model in fp32 has it loaded first, once, and its own once after it."""

    def test_bf16_takes_two_loads(self, photos, cells):
        loads = []

        def load(spec, *, device, precision):
            loads.append(precision)
            return load_encoder(spec, device=device, precision=precision)

        (cell,) = cells([photos({"red": 2, "blue": 2})])
        cell = replace(cell, precision="bf16")
        evaluator = Evaluator(models=ModelSlot(load), batch_size=2)
        opening = evaluator.first_model(cell)
        evaluator.check_tokens(cell, by=opening)
        evaluator.evaluate(cell)
        assert loads == ["fp32", "bf16"]

    def test_fp32_takes_one(self, photos, cells, evaluator):
        (cell,) = cells([photos({"red": 2, "blue": 2})])
        assert evaluator.first_model(cell) is evaluator.model(cell)
