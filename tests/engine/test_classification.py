"""What a damaged model or too little memory makes of one image; tests/api has the healthy walk."""

from dataclasses import replace

import pytest
import torch
from PIL import Image

from clipeval.engine.classification import classify_images
from clipeval.errors import EncodingError
from clipeval.models import load_model
from clipeval.prompts import render_prompts
from clipeval.records import ClassLabel, ModelSpec, TemplateSpec


class BrokenImageTower(torch.nn.Module):
    """The text tower of another module beside an image tower that gives or raises something."""

    def __init__(self, module, outcome):
        super().__init__()
        self.module = module
        self.outcome = outcome

    def encode_text(self, tokens, normalize):
        return self.module.encode_text(tokens, normalize=normalize)

    def encode_image(self, images, normalize):
        if isinstance(self.outcome, Exception):
            raise self.outcome
        return torch.full((len(images), 128), self.outcome)


@pytest.fixture(scope="module")
def tiny():
    return load_model(ModelSpec(id="tiny", kind="tiny", name="tiny"))


@pytest.fixture
def classified(tiny, tmp_path):
    """Return what comes of one image whose tower gives or raises something."""

    def classify(outcome):
        Image.new("RGB", (8, 8)).save(tmp_path / "photo.png")
        labels = [ClassLabel(name, (name,)) for name in ("a", "b")]
        candidates = render_prompts(TemplateSpec(id="t", templates=("{}",)), labels, where="test")
        model = replace(tiny, module=BrokenImageTower(tiny.module, outcome))
        return classify_images(model, [tmp_path / "photo.png"], candidates, top=None, explain=False)

    return classify


def test_a_non_finite_embedding_is_an_error_that_names_the_image(classified):
    with pytest.raises(EncodingError, match=r"photo\.png: model 'tiny' at fp32 .* non-finite"):
        classified(torch.nan)


def test_an_image_that_does_not_fit_in_memory_is_an_error(classified):
    with pytest.raises(EncodingError, match=r"does not fit in the memory of cpu"):
        classified(torch.OutOfMemoryError("out of memory"))


def test_the_stand_in_is_not_what_fails(classified):
    assert len(classified(1.0).images[0].ranking) == 2
