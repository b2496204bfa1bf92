"""The embedded model as shipped: intact, small, loadable, and as good as its card says."""

import hashlib
from pathlib import Path

import open_clip
import pytest
import torch

from clipeval.datasets import digit_scenes

FOLDER = Path(__file__).parents[2] / "clipeval" / "models" / "tiny"
WEIGHTS = FOLDER / "open_clip_model.safetensors"


@pytest.fixture(scope="module")
def tiny():
    model, _, preprocess = open_clip.create_model_and_transforms(f"local-dir:{FOLDER}")
    return model.eval(), preprocess, open_clip.get_tokenizer(f"local-dir:{FOLDER}")


@pytest.fixture(scope="module")
def image_embeddings(tiny):
    model, preprocess, _ = tiny
    images = [preprocess(digit_scenes.render_scene(s)) for s in digit_scenes.test_scenes()]
    with torch.inference_mode():
        return model.encode_image(torch.stack(images), normalize=True)


@pytest.fixture(scope="module")
def top1(tiny, image_embeddings):
    """Zero-shot top-1 on the test half, written out without the package's own scoring."""
    model, _, tokenizer = tiny

    def measure(question, template):
        prompts = [template.format(name) for name in digit_scenes.class_names(question)]
        scenes = digit_scenes.test_scenes()
        labels = torch.tensor([digit_scenes.label(scene, question) for scene in scenes])
        with torch.inference_mode():
            class_weights = model.encode_text(tokenizer(prompts), normalize=True)
        predicted = (image_embeddings @ class_weights.T).argmax(dim=1)
        return (predicted == labels).double().mean().item()

    return measure


class TestTheFile:
    def test_sha256_is_the_recorded_one(self):
        recorded, name = (FOLDER / "SHA256SUMS").read_text(encoding="utf-8").split()
        assert name == WEIGHTS.name
        assert hashlib.sha256(WEIGHTS.read_bytes()).hexdigest() == recorded

    def test_is_smaller_than_10_megabytes(self):
        assert WEIGHTS.stat().st_size < 10_000_000

    def test_loads_as_open_clips_own_class(self, tiny):
        model, _, _ = tiny
        assert type(model) is open_clip.CLIP
        assert all(torch.isfinite(parameter).all() for parameter in model.parameters())


class TestWhatItKnows:
    def test_reads_unseen_digits_with_room_for_mistakes(self, top1):
        assert 0.88 <= top1("digit", "a photo of the number {}") <= 0.995

    @pytest.mark.parametrize(
        ("question", "template"),
        [("ink", "a digit written in {}"), ("background", "a digit on a {} background")],
    )
    def test_names_the_colour_that_it_is_asked_for(self, top1, question, template):
        assert top1(question, template) > 0.9


class TestWordingMatters:
    @pytest.mark.parametrize("question", ["ink", "background"])
    def test_a_colour_alone_is_ambiguous_between_ink_and_background(self, top1, question):
        assert 0.2 < top1(question, "{}") < 0.8

    def test_asking_about_the_background_is_the_wrong_question_for_ink(self, top1):
        assert top1("ink", "a digit on a {} background") < 0.2
