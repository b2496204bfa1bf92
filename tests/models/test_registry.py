"""Architectures, tags, and the activation that goes with them."""

import pytest

from clipeval.errors import ModelError
from clipeval.models import available_models
from clipeval.models.registry import architecture, pretrained_tag, resolve_quick_gelu


class TestAvailableModels:
    def test_tiny_comes_first(self):
        models = available_models()
        assert models[0].spec == "tiny"
        assert len(models) > 100

    def test_activation_is_that_of_the_weights(self):
        found = {model.spec: model.quick_gelu for model in available_models("vit-b-32/")}
        assert found["ViT-B-32/openai"] is True
        assert found["ViT-B-32/laion2b_s34b_b79k"] is False

    def test_pattern_with_wildcards_matches_whole_specs(self):
        assert [model.spec for model in available_models("vit-b-32/OPEN*")] == ["ViT-B-32/openai"]
        assert available_models("b-32/open?") == ()

    def test_every_model_offered_resolves(self):
        for model in available_models()[1:]:
            assert pretrained_tag(model.name, model.tag).quick_gelu == model.quick_gelu


class TestPretrainedTag:
    def test_openai_needs_quick_gelu(self):
        assert pretrained_tag("ViT-B-32", "openai").quick_gelu
        assert pretrained_tag("ViT-B-32-quickgelu", "openai").quick_gelu
        assert not pretrained_tag("ViT-B-32", "datacomp_xl_s13b_b90k").quick_gelu

    def test_tag_is_normalised_as_open_clip_does(self):
        assert pretrained_tag("ViT-B-32", "OpenAI").tag == "openai"
        assert pretrained_tag("ViT-B-32", "laion2b-e16").tag == "laion2b_e16"

    def test_unknown_architecture_gets_a_suggestion(self):
        with pytest.raises(
            ModelError, match=r"unknown architecture 'ViT-B32' \(did you mean 'ViT-B-32'"
        ):
            pretrained_tag("ViT-B32", "openai")

    def test_unknown_tag_gets_a_suggestion_and_the_tags_that_there_are(self):
        with pytest.raises(
            ModelError, match=r"'opnai' \(did you mean 'openai'\?\); available: openai, "
        ):
            pretrained_tag("ViT-B-32", "opnai")

    def test_tag_of_another_architecture_is_said_to_be(self):
        with pytest.raises(ModelError, match=r"It exists for ViT-B-32\."):
            pretrained_tag("ViT-B-32-quickgelu", "laion2b_s34b_b79k")

    def test_architecture_without_weights_offers_random_ones(self):
        with pytest.raises(
            ModelError, match="'vit_medium_patch16_gap_256' has no published weights"
        ):
            pretrained_tag("vit_medium_patch16_gap_256", "openai")

    def test_quick_gelu_architecture_with_weights_trained_without_is_refused(self):
        with pytest.raises(
            ModelError, match=r"computes QuickGELU.*trained with GELU.*hf-hub:laion/"
        ):
            pretrained_tag("roberta-ViT-B-32", "laion2b_s12b_b32k")


class TestResolveQuickGelu:
    @pytest.mark.parametrize(
        ("name", "trained_with", "said", "expected"),
        [
            ("ViT-B-32", None, None, False),
            ("ViT-B-32-quickgelu", None, None, True),
            ("ViT-B-32", True, None, True),
            ("ViT-B-32", True, True, True),
            ("ViT-B-32", False, False, False),
            ("ViT-B-32", None, True, True),
            ("ViT-B-32", None, False, False),
            ("ViT-B-32-quickgelu", None, True, True),
        ],
    )
    def test_sources_that_agree(self, name, trained_with, said, expected):
        config = architecture(name)
        found = resolve_quick_gelu(config, name=name, trained_with=trained_with, said=said)
        assert found is expected

    @pytest.mark.parametrize(("trained_with", "said"), [(True, False), (False, True)])
    def test_user_who_contradicts_the_weights_is_refused(self, trained_with, said):
        with pytest.raises(
            ModelError, match=rf"quick_gelu: {str(said).lower()} contradicts the weights"
        ):
            resolve_quick_gelu(
                architecture("ViT-B-32"), name="ViT-B-32", trained_with=trained_with, said=said
            )

    def test_user_who_contradicts_the_architecture_is_refused(self):
        name = "ViT-B-32-quickgelu"
        with pytest.raises(ModelError, match=r"contradicts architecture.*name 'ViT-B-32' instead"):
            resolve_quick_gelu(architecture(name), name=name, trained_with=None, said=False)
