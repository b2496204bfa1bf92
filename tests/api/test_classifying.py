import numpy as np
import pytest
from PIL import Image

from clipeval import api
from clipeval.errors import ConfigError, DatasetError, ModelError, PromptError

SEED_PROMPTS = ("a photo of ramen", "a photo of pizza")


@pytest.fixture
def image(project):
    path = project / "photo.png"
    Image.new("RGB", (50, 40), (200, 60, 20)).save(path)
    return path


class TestExplain:
    def test_shows_the_ids_of_the_walk_through(self, image):
        answer = api.classify([image], model="tiny", prompts=SEED_PROMPTS, explain=True)
        ramen, pizza = answer.prompts
        assert ramen.token_ids == (49406, 320, 1125, 539, 18892, 49407)
        assert pizza.token_ids == (49406, 320, 1125, 539, 4474, 49407)
        assert ramen.pieces == ("<start_of_text>", "a", "photo", "of", "ramen", "<end_of_text>")

    def test_shows_the_shape_of_every_step(self, image):
        answer = api.classify([image], model="tiny", prompts=SEED_PROMPTS, explain=True)
        width, size = answer.model.embed_dim, answer.model.image_size
        steps = [(step.name, step.shape, step.dtype) for step in answer.images[0].steps]
        assert steps == [
            ("image as read", (40, 50, 3), "uint8"),
            ("channels first", (3, 40, 50), "uint8"),
            ("preprocessed", (3, *size), "float32"),
            ("batch of one", (1, 3, *size), "float32"),
            ("image features", (1, width), "float32"),
            ("image embedding", (1, width), "float32"),
            ("tokens", (2, answer.model.context_length), "int64"),
            ("prompt embeddings", (2, width), "float32"),
            ("class weights", (2, width), "float32"),
            ("cosine similarity", (1, 2), "float32"),
            ("logits", (1, 2), "float32"),
            ("probabilities", (1, 2), "float32"),
        ]

    def test_an_ensemble_has_more_prompts_than_classes(self, image):
        answer = api.classify(
            [image],
            model="tiny",
            class_names=("ramen", "pizza"),
            template="@openai-imagenet-simple",
            explain=True,
        )
        shapes = {step.name: step.shape for step in answer.images[0].steps}
        assert shapes["prompt embeddings"][0] == len(answer.prompts) == 14
        assert shapes["class weights"][0] == 2


class TestRanking:
    def test_is_sorted_and_adds_up(self, image):
        names = ("red", "green", "blue", "black")
        answer = api.classify([image], model="tiny", class_names=names, template="a {} digit")
        ranking = answer.images[0].ranking
        assert sorted(entry.label for entry in ranking) == sorted(names)
        probabilities = [entry.probability for entry in ranking]
        assert probabilities == sorted(probabilities, reverse=True)
        assert sum(probabilities) == pytest.approx(1, abs=1e-6)
        for entry in ranking:
            assert -1 <= entry.cosine <= 1
            assert entry.logit == pytest.approx(entry.cosine * answer.model.logit_scale, rel=1e-5)
        exponentials = np.exp([entry.logit for entry in ranking])
        np.testing.assert_allclose(probabilities, exponentials / exponentials.sum(), rtol=1e-4)
        assert not answer.images[0].steps
        assert not answer.notices

    def test_top_keeps_the_best_and_their_probabilities(self, image):
        names = ("red", "green", "blue")
        every = api.classify([image], model="tiny", class_names=names, template="a {} digit")
        best = api.classify([image], model="tiny", class_names=names, template="a {} digit", top=1)
        assert best.images[0].ranking == every.images[0].ranking[:1]

    def test_a_default_template_is_said(self, image):
        answer = api.classify([image], model="tiny", class_names=("red", "blue"))
        assert [notice.code for notice in answer.notices] == ["default-template"]
        assert answer.prompts[0].prompt == "a photo of red"

    def test_odd_wording_is_said(self, image):
        names = ("apple", "hot_dog")
        answer = api.classify([image], model="tiny", class_names=names, template="a photo of a {}")
        codes = {notice.code for notice in answer.notices}
        assert "article" in codes
        assert any("underscore" in code for code in codes)


class TestBadInput:
    def test_every_unreadable_image_is_named(self, image, project):
        (project / "text.jpg").write_text("no image")
        with pytest.raises(DatasetError) as error:
            api.classify(
                [project / "none.jpg", image, project / "text.jpg"],
                model="tiny",
                prompts=("a", "b"),
            )
        message = str(error.value)
        assert message.startswith("2 of 3 images cannot be read")
        assert "none.jpg: no such file" in message
        assert "text.jpg" in message

    @pytest.mark.parametrize(
        ("options", "message"),
        [
            ({}, "got neither"),
            ({"class_names": ("a",), "prompts": ("a",)}, "got both"),
            ({"prompts": ("a", "b"), "template": "a {}"}, "--template goes with --class"),
            ({"class_names": ("a", "b", "a")}, "'a' is given twice"),
            ({"prompts": ("a", "a")}, "'a' is given twice"),
            ({"class_names": ("a", "b"), "template": "a photo"}, "--template 'a photo'"),
        ],
    )
    def test_candidates(self, image, options, message):
        with pytest.raises(ConfigError, match=message):
            api.classify([image], model="tiny", **options)

    def test_a_prompt_that_is_too_long(self, image):
        with pytest.raises(PromptError, match=r"command line: .*very"):
            api.classify([image], model="tiny", prompts=("a" + " very" * 80, "b"))

    def test_two_candidates_with_the_same_tokens(self, image):
        with pytest.raises(PromptError, match=r"(?i)ramen"):
            api.classify([image], model="tiny", prompts=("Ramen", "ramen"))

    def test_an_unknown_model_names_the_nearest(self, image):
        with pytest.raises(ModelError, match="did you mean 'ViT-B-32'"):
            api.classify([image], model="ViT-B-23/openai", prompts=("a", "b"))
