from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from clipeval.comparison import cell_outcomes, prompts_sha256
from clipeval.records import (
    CellResult,
    DatasetRecord,
    EmbeddingSketch,
    ModelRecord,
    Predictions,
    TemplateRecord,
)

KEYS = ("cat", "dog", "cow", "pig", "hen", "ant")


def make_result(keys=KEYS, prompts=None, n_prompts=None, **changes):
    """Return the record of a cell of two images and these classes."""
    prompts = prompts or tuple(f"a {key}" for key in keys)
    parts = {
        "id": "pets/tiny/photo",
        "model": ModelRecord(
            id="tiny",
            spec="tiny",
            name="tiny",
            pretrained=None,
            quick_gelu=False,
            random_weights=False,
            n_parameters=1,
            embed_dim=8,
            image_size=(32, 32),
            context_length=16,
            logit_scale=50.0,
            preprocessing={"size": 32},
            weights_sha256="weights",
            config_sha256="config",
            preprocessing_sha256="preprocessing",
            tokenizer_sha256="tokenizer",
        ),
        "dataset": DatasetRecord(
            key="pets",
            source="folder",
            n_expected=2,
            n_images=2,
            n_failed=0,
            class_names=tuple(key.upper() for key in keys),
            class_keys=tuple(keys),
            samples_sha256="samples",
            contents_sha256="contents",
        ),
        "template": TemplateRecord(
            id="photo",
            origin="inline",
            templates=("a {}",),
            prompts=tuple(prompts),
            prompts_per_class=tuple(n_prompts or (1,) * len(keys)),
        ),
        "device": "cpu",
        "precision": "fp32",
        "metrics": {},
        "per_class": (),
        "confusion": (),
        "confused_pairs": (),
        "calibration": (),
        "gates": (),
        "timings": {},
        "sketch": EmbeddingSketch(image=((0.0,),), text=((0.0,),)),
    }
    return CellResult(**{**parts, **changes})


def make_predictions(n_best=5, **changes):
    parts = {
        "cell": "pets/tiny/photo",
        "sample_ids": ("x", "y"),
        "paths": ("x.png", "y.png"),
        "groups": (None, "g"),
        "contents": ("00000000", "ffffffff"),
        "labels": np.array([2, 5]),
        "predicted": np.array([0, 1]),
        "confidence": np.array([0.5, 0.6], dtype=np.float32),
        "top5": np.array([[0, 1, 2, 3, 4], [1, 0, 4, 3, 2]])[:, :n_best],
        "top5_scores": np.array([[30, 25, 3, 2, 1], [40, 39, 3, 2, 1]], dtype=np.float32)[
            :, :n_best
        ],
    }
    return Predictions(**{**parts, **changes})


class TestCellOutcomes:
    """Record and predictions joined."""

    def test_everything_is_where_it_belongs(self):
        found = cell_outcomes(make_result(), make_predictions())
        assert (found.cell, found.dataset, found.template) == ("pets/tiny/photo", "pets", "photo")
        assert (found.device, found.precision) == ("cpu", "fp32")
        assert (found.class_keys, found.class_names[0]) == (KEYS, "CAT")
        assert (found.sample_ids, found.groups) == (("x", "y"), (None, "g"))
        assert (found.model.weights_sha256, found.model.config_sha256) == ("weights", "config")
        assert (found.model.preprocessing_sha256, found.model.tokenizer_sha256) == (
            "preprocessing",
            "tokenizer",
        )
        assert found.sketch is not None

    def test_a_label_among_the_five_best_counts_even_if_it_is_not_the_best(self):
        found = cell_outcomes(make_result(), make_predictions())
        assert found.in_top5.tolist() == [True, False]

    def test_five_classes_have_no_top5(self):
        predictions = make_predictions(labels=np.array([2, 4]))
        assert cell_outcomes(make_result(KEYS[:5]), predictions).in_top5 is None

    def test_score_gap_is_a_difference_of_cosines(self):
        found = cell_outcomes(make_result(), make_predictions())
        assert found.score_gap.tolist() == pytest.approx([5 / 50, 1 / 50])

    def test_one_class_has_no_second_best(self):
        predictions = make_predictions(1, labels=np.array([0, 0]), predicted=np.array([0, 0]))
        assert cell_outcomes(make_result(KEYS[:1]), predictions).score_gap is None

    def test_names_that_are_no_text_are_spelled_out_as_a_run_folder_keeps_them(self):
        result = make_result(("caf\udce9", *KEYS[1:]), prompts=[f"a {key}" for key in KEYS])
        found = cell_outcomes(result, make_predictions(sample_ids=("caf\udce9/1", "y")))
        assert found.sample_ids == ("caf\\udce9/1", "y")
        assert found.class_keys[0] == "caf\\udce9"


class TestPromptsHash:
    """What is asked, whatever the order of classes."""

    def test_the_order_of_classes_does_not_matter(self):
        there = make_result(("cat", "dog"), ["a cat", "a dog", "two dogs"], (1, 2))
        back = make_result(("dog", "cat"), ["a dog", "two dogs", "a cat"], (2, 1))
        assert prompts_sha256(there) == prompts_sha256(back)

    @pytest.mark.parametrize(
        "other",
        [
            make_result(("cat", "dog"), ["a dog", "a cat"]),
            make_result(("cat", "dog"), ["a cat", "the dog"]),
            make_result(("cat", "cow"), ["a cat", "a dog"]),
            make_result(("cat", "dog"), ["a cat", "a dog", "a dog"], (1, 2)),
            make_result(("cat", "dog"), ["a cat", "a dog", "a dog"], (2, 1)),
        ],
    )
    def test_other_prompts_of_a_class_do(self, other):
        assert prompts_sha256(other) != prompts_sha256(make_result(("cat", "dog")))

    def test_the_order_within_an_ensemble_is_part_of_it(self):
        one = make_result(("cat",), ["a cat", "the cat"], (2,))
        other = make_result(("cat",), ["the cat", "a cat"], (2,))
        assert prompts_sha256(one) != prompts_sha256(other)

    def test_names_of_templates_do_not_matter(self):
        result = make_result()
        renamed = replace(result, template=replace(result.template, id="plate", origin="file"))
        assert prompts_sha256(renamed) == prompts_sha256(result)


@pytest.mark.parametrize(("where", "is_cached"), [("computed", False), ("cached", True)])
def test_knows_whether_images_were_encoded_for_it(where, is_cached):
    outcomes = cell_outcomes(make_result(image_embeddings=where), make_predictions())
    assert outcomes.is_cached is is_cached
