"""From files to scores: the same numbers as open_clip's own preprocessing, towers and classifier."""

import numpy as np
import open_clip
import pytest
import torch
from PIL import Image

from clipeval.datasets import open_dataset
from clipeval.encode import encode_images, encode_prompts
from clipeval.models import load_model
from clipeval.prompts import render_prompts
from clipeval.records import DatasetSpec, FolderSource, ModelSpec, TemplateSpec
from clipeval.scoring import class_weights, score_images

CLASSES = ("bowl", "photo", "pizza", "ramen", "the")
TEMPLATES = ("a photo of {}", "a bowl of the {}", "{}")
TOLERANCE = 1e-5


@pytest.fixture(scope="module")
def jpegs(tmp_path_factory):
    """Two photos a class: noise over a gradient, neither square nor of any model's size."""
    root = tmp_path_factory.mktemp("jpegs")
    random = np.random.default_rng(5)
    for label, name in enumerate(CLASSES):
        (root / name).mkdir()
        for number, size in enumerate([(90, 60), (48, 110)]):
            small = random.integers(0, 256, (4, 5, 3), dtype=np.uint8) // (1 + label % 3)
            photo = Image.fromarray(small).resize(size, Image.Resampling.BICUBIC)
            photo.save(root / name / f"{number}.jpg", quality=90)
    return root


def assert_agrees(model, reference, transform, tokenizer, jpegs, *, templates=TEMPLATES):
    dataset = open_dataset(DatasetSpec(key="jpegs", source=FolderSource(jpegs)))
    images = encode_images(model, dataset, batch_size=4).embeddings
    spec = TemplateSpec(id="ensemble", templates=templates)
    prompts = render_prompts(spec, dataset.classes, where="test")
    weights = class_weights(encode_prompts(model, prompts.flat).embeddings, prompts.per_class)
    scores = score_images(
        images,
        weights,
        [sample.label for sample in dataset.samples],
        logit_scale=model.logit_scale,
        sample_ids=[sample.sample_id for sample in dataset.samples],
    )

    reference.eval()
    with torch.inference_mode():
        batch = torch.stack([transform(Image.open(jpegs / s.path)) for s in dataset.samples])
        expected_images = reference.encode_image(batch, normalize=True)
        names = [label.names[0] for label in dataset.classes]
        classifier = open_clip.build_zero_shot_classifier(reference, tokenizer, names, templates)
        expected = (reference.logit_scale.exp() * expected_images @ classifier).numpy()

    spread = np.ptp(expected_images.numpy(), axis=0).max()
    assert spread > 100 * TOLERANCE  # equal images would agree with anything
    np.testing.assert_allclose(images, expected_images, rtol=0, atol=TOLERANCE)
    np.testing.assert_allclose(weights, classifier.T, rtol=0, atol=TOLERANCE)
    logits = np.empty_like(expected)
    np.put_along_axis(logits, scores.top5, scores.top5_scores, axis=1)
    tolerance = TOLERANCE * model.logit_scale
    np.testing.assert_allclose(logits, expected, rtol=0, atol=tolerance)
    best_two = np.sort(expected, axis=1)[:, -2:]
    clear = best_two[:, 1] - best_two[:, 0] > tolerance
    assert clear.any()
    assert (scores.predicted == expected.argmax(axis=1))[clear].all()


@pytest.mark.parametrize("name", ["vit", "resnet", "custom-text", "siglip"])
def test_reduced_architectures(name, model_folders, jpegs):
    folder = f"local-dir:{model_folders[name]}"
    model = load_model(ModelSpec(id=name, kind="local-dir", name=str(model_folders[name])))
    reference, _, transform = open_clip.create_model_and_transforms(folder)
    assert_agrees(model, reference, transform, open_clip.get_tokenizer(folder), jpegs)


def test_vit_b_32(jpegs):
    model = load_model(ModelSpec(id="vit", kind="random", name="ViT-B-32", quick_gelu=True))
    reference, _, transform = open_clip.create_model_and_transforms(
        "ViT-B-32", force_quick_gelu=True
    )
    reference.load_state_dict(model.module.state_dict())
    tokenizer = open_clip.get_tokenizer("ViT-B-32")
    assert_agrees(model, reference, transform, tokenizer, jpegs, templates=TEMPLATES[:1])
