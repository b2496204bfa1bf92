from __future__ import annotations

import json
import math
import os
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest

from clipeval.comparison import FLOORS, compare, sketch_embeddings
from clipeval.comparison.pairing import pair_images
from clipeval.comparison.reproduction import is_reproduction, reproduction_of
from clipeval.records import EmbeddingSketch
from tests.comparison.conftest import make_model, make_outcomes, make_sketch

FLOOR = FLOORS["fp32"]
THEN = make_outcomes("aabb", "aabb", sketch=make_sketch())
SIGNS = [[-1, -1, 1, 1, 1, -1, 1, -1], [1, 1, 1, 1, -1, -1, 1, 1], [-1, 1, 1, -1, 1, -1, 1, 1]]


def reproduce(then=THEN, **changes):
    return reproduction_of(pair_images(then, replace(THEN, **changes)))


class TestWhatIsOne:
    """Everything that numbers depend on is the same, so that they ought to be, too."""

    def test_the_same_cell_twice_is_the_same(self):
        found = compare(THEN, replace(THEN, device="cuda"), kind="baseline")
        assert found.conclusion == "same"
        assert (found.p_value, found.test) == (None, None)
        assert found.reproduction.is_within
        assert (found.reproduction.image_drift, found.reproduction.text_drift) == (0, 0)
        assert found.message == (
            "same weights and prompts: 0 of 4 predictions changed, embeddings drift by 0.0e+00 "
            f"(numeric floor {FLOOR:.0e})"
        )

    def test_only_the_cache_of_the_candidate_is_said(self):
        cached = replace(THEN, is_cached=True)
        assert compare(THEN, cached, kind="run").reproduction.is_cached
        assert not compare(cached, THEN, kind="run").reproduction.is_cached

    def test_another_name_of_the_template_or_the_model_is_none(self):
        other = replace(THEN, template="plate", model=make_model(id_="renamed"))
        assert is_reproduction(THEN, other)

    @pytest.mark.parametrize(
        "changes",
        [
            {"model": make_model("new")},
            {"model": make_model(config_sha256="other")},
            {"model": make_model(tokenizer_sha256="other")},
            {"model": make_model(preprocessing_sha256="other")},
            {"prompts_sha256": "other"},
            {"precision": "bf16"},
        ],
    )
    def test_anything_else_that_differs_makes_it_a_comparison(self, changes):
        assert not is_reproduction(THEN, replace(THEN, **changes))

    def test_another_precision_is_tested_as_another_model(self):
        found = compare(THEN, replace(THEN, precision="bf16"), kind="run")
        assert found.reproduction is None
        assert found.conclusion == "inconclusive"
        assert found.p_value == 1


class TestDrift:
    """Embeddings may move by the numeric floor, and no more."""

    @pytest.mark.parametrize("where", ["image", "text"])
    @pytest.mark.parametrize(
        ("drift", "is_within"), [(0.5 * FLOOR, True), (FLOOR, True), (1.01 * FLOOR, False)]
    )
    def test_drift_is_held_against_the_floor(self, where, drift, is_within):
        found = reproduce(sketch=make_sketch(**{where: drift}))
        assert getattr(found, f"{where}_drift") == drift
        assert found.is_within is is_within

    @pytest.mark.parametrize("precision", ["fp32", "bf16", "fp16"])
    def test_every_precision_has_its_floor(self, precision):
        then = replace(THEN, precision=precision)
        found = reproduce(
            then, precision=precision, sketch=make_sketch(image=0.9 * FLOORS[precision])
        )
        assert (found.floor, found.is_within) == (FLOORS[precision], True)
        found = reproduce(
            then, precision=precision, sketch=make_sketch(image=1.1 * FLOORS[precision])
        )
        assert not found.is_within

    def test_drift_is_a_root_mean_square_over_images(self):
        then = EmbeddingSketch(image=((0.0, 0.0), (1.0, 1.0)), text=((0.0,),))
        now = EmbeddingSketch(image=((3.0, 4.0), (1.0, 1.0)), text=((0.0,),))
        found = reproduce(replace(THEN, sketch=then), sketch=now)
        assert found.image_drift == pytest.approx(math.sqrt(25 / 2))

    @pytest.mark.parametrize("side", ["base", "candidate", "both"])
    def test_unknown_sketches_leave_the_flips_to_decide(self, side):
        then = replace(THEN, sketch=None) if side != "candidate" else THEN
        sketch = None if side != "base" else THEN.sketch
        found = reproduce(then, sketch=sketch)
        assert (found.image_drift, found.text_drift, found.is_within) == (None, None, True)
        assert "drift unknown" in compare(then, replace(THEN, sketch=sketch), kind="run").message

    def test_unknown_sketches_do_not_excuse_flips(self):
        found = reproduce(sketch=None, predicted=np.array([1, 0, 1, 1]))
        assert (found.n_unexplained, found.is_within) == (1, False)

    def test_sketches_of_other_shapes_say_nothing(self):
        other = EmbeddingSketch(image=((0.0,), (0.0,)), text=((0.0,),))
        found = reproduce(sketch=other)
        assert (found.image_drift, found.text_drift) == (None, 0)

    def test_drift_that_is_no_number_is_never_within(self):
        assert not reproduce(sketch=make_sketch(image=math.nan)).is_within

    def test_drift_beyond_the_floor_is_not_called_the_same(self):
        now = replace(THEN, sketch=make_sketch(image=3 * FLOOR))
        found = compare(THEN, now, kind="baseline")
        assert found.conclusion == "inconclusive"
        assert found.p_value is None
        assert f"embeddings drift by {3 * FLOOR:.1e} (numeric floor {FLOOR:.0e})" in found.message
        assert "more than numerics explain; the code" in found.message


class TestFlips:
    """Near a tie numerics may flip a prediction; elsewhere nothing may."""

    FLIPPED = np.array([1, 0, 1, 1])

    @pytest.mark.parametrize(("gap", "n_unexplained"), [(0.9, 0), (1.1, 1)])
    @pytest.mark.parametrize("known_by", ["base", "candidate", "both"])
    def test_flips_near_a_tie_are_explained_and_others_are_not(self, gap, n_unexplained, known_by):
        # Images drifted by half the floor and texts not at all, so that gaps moved by half the floor;
        # the second image is no tie and does not change.
        gaps = np.array([gap * (0.5 * FLOOR + 1e-6), 0.3, 0.3, 0.3])
        then = replace(THEN, score_gap=gaps if known_by != "candidate" else None)
        now_gaps = gaps if known_by != "base" else None
        drifted = make_sketch(image=0.5 * FLOOR)
        found = reproduce(then, predicted=self.FLIPPED, score_gap=now_gaps, sketch=drifted)
        assert (found.n_changed, found.n_unexplained) == (1, n_unexplained)
        assert found.is_within is (n_unexplained == 0)

    def test_without_drift_only_the_rounding_of_scores_explains_a_flip(self):
        gaps = np.array([5e-6, 0.3, 0.3, 0.3])  # far below the floor
        assert reproduce(predicted=self.FLIPPED, score_gap=gaps).n_unexplained == 1

    def test_where_drift_is_unknown_gaps_below_three_floors_explain_flips(self):
        for gap, n_unexplained in ((2.9 * FLOOR, 0), (3.3 * FLOOR, 1)):
            gaps = np.array([gap, 0.3, 0.3, 0.3])
            found = reproduce(predicted=self.FLIPPED, score_gap=gaps, sketch=None)
            assert found.n_unexplained == n_unexplained

    @pytest.mark.parametrize(("gap", "n_unexplained"), [(1.95, 0), (2.05, 1)])
    def test_both_texts_of_a_gap_may_have_drifted(self, gap, n_unexplained):
        # In floors: images drift by 0.4 and texts by 0.8, so that gaps move by 0.4 + 2 x 0.8 = 2.0.
        drifted = make_sketch(image=0.4 * FLOOR, text=0.8 * FLOOR)
        gaps = np.array([gap * FLOOR + 1e-6, 0.3, 0.3, 0.3])
        found = reproduce(predicted=self.FLIPPED, score_gap=gaps, sketch=drifted)
        assert found.n_unexplained == n_unexplained

    def test_a_tie_in_one_run_alone_explains_nothing(self):
        then = replace(THEN, score_gap=np.full(4, 0.1))
        for one, other in ((0.1, 0.0), (0.0, 0.1)):
            then = replace(THEN, score_gap=np.full(4, one))
            found = reproduce(then, predicted=self.FLIPPED, score_gap=np.full(4, other))
            assert found.n_unexplained == 1

    def test_unknown_gaps_explain_nothing(self):
        assert reproduce(predicted=self.FLIPPED).n_unexplained == 1

    def test_gaps_that_are_no_numbers_explain_nothing(self):
        found = reproduce(predicted=self.FLIPPED, score_gap=np.full(4, math.nan))
        assert (found.n_unexplained, found.is_within) == (1, False)

    def test_flips_from_wrong_to_wrong_count_as_well(self):
        then = replace(THEN, predicted=np.array([2, 0, 1, 1]))
        found = reproduction_of(pair_images(then, replace(THEN, predicted=self.FLIPPED)))
        assert found.n_unexplained == 1

    def test_a_regression_beyond_the_floor_is_said_with_its_count(self):
        now = replace(THEN, predicted=np.array([1, 1, 0, 0]))
        found = compare(THEN, now, kind="baseline")
        assert "4 of 4 predictions changed" in found.message
        assert "more than numerics explain, 4 not near a tie" in found.message
        assert found.conclusion == "worse"


def unit_rows(rng, n_rows, dim):
    rows = rng.normal(size=(n_rows, dim))
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


class TestSketch:
    """A few numbers of a few embeddings, the same ones on every machine."""

    def test_projection_of_a_unit_vector_is_a_row_of_signs(self):
        found = sketch_embeddings(np.eye(3), ["x"] * 3, np.eye(3), ["a"] * 3)
        signs = np.array(found.image) * math.sqrt(8)
        # Pinned: baselines are compared with sketches of later versions.
        assert np.round(signs).astype(int).tolist() == SIGNS
        assert found.text == found.image

    def test_the_sketch_is_the_same_in_another_process(self):
        program = (
            "import json, numpy as np; from clipeval.comparison import sketch_embeddings as s; "
            "e = np.sin(np.arange(40 * 6).reshape(40, 6)); ids = [f'i{k}' for k in range(40)]; "
            "found = s(e, ids, e[:3], ids[:3]); print(json.dumps([found.image, found.text]))"
        )
        environment = {**os.environ, "PYTHONHASHSEED": "12345"}
        done = subprocess.run(
            [sys.executable, "-c", program], env=environment, capture_output=True, check=True
        )
        embeddings = np.sin(np.arange(40 * 6).reshape(40, 6))
        ids = [f"i{k}" for k in range(40)]
        here = sketch_embeddings(embeddings, ids, embeddings[:3], ids[:3])
        assert json.loads(done.stdout) == json.loads(json.dumps([here.image, here.text]))

    def test_which_images_are_taken_depends_on_ids_alone(self):
        rng = np.random.default_rng(0)
        embeddings, order = unit_rows(rng, 50, 16), rng.permutation(50)
        ids = [f"i{k}" for k in range(50)]
        found = sketch_embeddings(embeddings, ids, embeddings[:2], "ab")
        moved = sketch_embeddings(embeddings[order], [ids[k] for k in order], embeddings[:2], "ab")
        assert len(found.image) == 32
        assert np.array(moved.image) == pytest.approx(np.array(found.image))

    def test_fewer_images_than_would_be_taken_are_all_taken(self):
        found = sketch_embeddings(np.eye(3), ["x", "y", "z"], np.eye(3)[:2], ["a", "b"])
        assert (len(found.image), len(found.text)) == (3, 2)

    def test_ids_that_are_no_text_are_sketched_too(self):
        assert len(sketch_embeddings(np.eye(2), ["\udcff", "y"], np.eye(2), "ab").image) == 2

    def test_numbers_tell_float32_apart(self):
        one = np.array([[0.1]], dtype=np.float32)
        two = np.nextafter(one, np.float32(1))
        assert sketch_embeddings(one, ["x"], one, "a") != sketch_embeddings(two, ["x"], two, "a")

    @pytest.mark.parametrize("distance", [2e-5, 1e-2])
    def test_distance_of_sketches_estimates_that_of_embeddings(self, distance):
        rng = np.random.default_rng(7)
        ids = [f"i{k}" for k in range(32)]
        estimates = []
        for _ in range(60):
            then = unit_rows(rng, 32, 128)
            now = then + distance * unit_rows(rng, 32, 128)
            sketches = [sketch_embeddings(one, ids, one[:2], "ab").image for one in (then, now)]
            estimates.append(np.sum((np.array(sketches[1]) - np.array(sketches[0])) ** 2) / 32)
        # Each estimate of the squared distance has a relative deviation of sqrt(2 / (8 * 32)) = 9%.
        ratios = np.sqrt(estimates) / distance
        assert np.mean(np.square(ratios)) == pytest.approx(1, abs=0.04)
        assert ratios.min() > 0.8
        assert ratios.max() < 1.2
