"""In fp32 the towers, preprocessing and tokenizer are open_clip's own, to 1e-5."""

import open_clip
import pytest
import torch

from clipeval.models import load_model
from clipeval.records import ModelSpec

PROMPTS = ["a photo of ramen", "a bowl of the pizza", "ramen"]


def assert_same_as_open_clip(model, reference, transform, tokenizer, picture):
    reference.eval()
    pixels = model.preprocess(picture)
    tokens = model.tokenizer(PROMPTS)
    assert torch.equal(pixels, transform(picture))
    assert torch.equal(tokens, tokenizer(PROMPTS))
    with torch.inference_mode():
        expected_images = reference.encode_image(pixels[None])
        expected_texts = reference.encode_text(tokens)
        scale = reference.logit_scale.exp().item()
    assert expected_images.abs().max() > 1e-3  # zeros would agree with anything
    torch.testing.assert_close(model.encode_image(pixels[None]), expected_images, rtol=0, atol=1e-5)
    torch.testing.assert_close(model.encode_text(tokens), expected_texts, rtol=0, atol=1e-5)
    assert model.logit_scale == pytest.approx(scale, rel=1e-6)


@pytest.mark.parametrize("name", ["vit", "resnet", "custom-text", "siglip", "hub-text"])
def test_folder_encodes_as_open_clip_does(name, folders, hub_text, picture):
    folder = hub_text.path if name == "hub-text" else folders[name].path
    model = load_model(ModelSpec(id=name, kind="local-dir", name=str(folder)))
    reference, _, transform = open_clip.create_model_and_transforms(f"local-dir:{folder}")
    tokenizer = open_clip.get_tokenizer(f"local-dir:{folder}")
    assert_same_as_open_clip(model, reference, transform, tokenizer, picture)
    with torch.inference_mode():
        dimensions = reference.encode_text(tokenizer(PROMPTS)).shape[1]
    assert model.record.embed_dim == dimensions
    assert model.record.n_parameters == sum(p.numel() for p in reference.parameters())


def test_vit_b_32_encodes_as_open_clip_does(picture):
    model = load_model(ModelSpec(id="vit", kind="random", name="ViT-B-32", quick_gelu=True))
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        reference, _, transform = open_clip.create_model_and_transforms(
            "ViT-B-32", force_quick_gelu=True
        )
    assert_same_as_open_clip(
        model, reference, transform, open_clip.get_tokenizer("ViT-B-32"), picture
    )
    assert model.record.quick_gelu
    assert model.record.image_size == (224, 224)
    assert model.record.embed_dim == 512
    assert model.record.context_length == 77


class TestTheLoadedModel:
    def test_is_in_eval_mode_without_gradients(self, vit):
        model = load_model(ModelSpec(id="vit", kind="local-dir", name=str(vit.path)))
        assert not any(part.training for part in model.module.modules())
        assert not any(parameter.requires_grad for parameter in model.module.parameters())

    def test_encodes_in_inference_mode(self, vit):
        model = load_model(ModelSpec(id="vit", kind="local-dir", name=str(vit.path)))
        assert model.encode_image(torch.zeros(1, 3, 32, 32)).is_inference()
        assert model.encode_text(model.tokenizer(["ramen"])).is_inference()

    def test_does_not_normalise(self, vit):
        model = load_model(ModelSpec(id="vit", kind="local-dir", name=str(vit.path)))
        norm = model.encode_image(torch.ones(1, 3, 32, 32)).norm().item()
        assert norm != pytest.approx(1, abs=1e-3)

    @pytest.mark.parametrize(
        ("name", "precision"),
        [
            ("vit", "fp16"),
            ("vit", "bf16"),
            ("resnet", "bf16"),
            ("custom-text", "bf16"),
            ("siglip", "bf16"),
        ],
    )
    def test_lower_precision_stays_close_to_fp32(self, name, precision, folders, picture):
        spec = ModelSpec(id=name, kind="local-dir", name=str(folders[name].path))
        exact = load_model(spec)
        rounded = load_model(spec, precision=precision)
        batch = exact.preprocess(picture)[None]
        images = rounded.encode_image(batch).float()
        texts = rounded.encode_text(rounded.tokenizer(PROMPTS)).float()
        assert torch.cosine_similarity(images, exact.encode_image(batch)).min() > 0.995
        expected = exact.encode_text(exact.tokenizer(PROMPTS))
        assert torch.cosine_similarity(texts, expected).min() > 0.995
        assert rounded.record == exact.record  # the fingerprint is of the weights before the cast

    def test_loading_leaves_the_callers_random_numbers_alone(self, vit):
        torch.manual_seed(3)
        expected = torch.rand(1)
        torch.manual_seed(3)
        load_model(ModelSpec(id="vit", kind="local-dir", name=str(vit.path)))
        assert torch.rand(1) == expected
