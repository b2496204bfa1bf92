"""The digit scenes: a fixed, disjoint split, and labels that agree with the pixels."""

import dataclasses
import math
from collections import Counter

import numpy as np
import pytest

from clipeval.datasets import digit_scenes

LEVELS = 3
"""Tolerance on a channel: Pillow's resampling may round differently between versions."""


def _pixels(scene):
    return np.asarray(digit_scenes.render_scene(scene), dtype=np.int64)


def _sampled_scenes():
    return digit_scenes.test_scenes()[::15]


class TestTheSplit:
    def test_test_half_is_the_last_899_digits_in_order(self):
        indices = [scene.index for scene in digit_scenes.test_scenes()]
        assert indices == list(range(898, 1797))

    def test_train_half_is_the_first_898_digits_and_shares_none_with_the_test_half(self):
        train = {scene.index for scene in digit_scenes.train_scenes(n_variants=2)}
        assert train == set(range(898))
        assert train.isdisjoint(scene.index for scene in digit_scenes.test_scenes())

    def test_train_and_test_use_different_noise_streams(self):
        train = {scene.noise_seed[0] for scene in digit_scenes.train_scenes(n_variants=1)}
        test = {scene.noise_seed[0] for scene in digit_scenes.test_scenes()}
        assert train.isdisjoint(test)

    def test_every_variant_of_a_training_digit_looks_different(self):
        variants = digit_scenes.train_scenes(n_variants=4)[:4]
        assert {scene.index for scene in variants} == {0}
        assert len({scene.pose for scene in variants}) == 4


class TestDeterminism:
    def test_scenes_do_not_depend_on_the_call(self):
        assert digit_scenes.test_scenes() == digit_scenes.test_scenes()

    def test_the_first_scene_is_the_recorded_one(self):
        scene = digit_scenes.test_scenes()[0]
        assert (scene.index, scene.digit, scene.ink, scene.background) == (898, 8, 6, 0)
        assert scene.ink_rgb == (251, 218, 235)
        assert scene.background_rgb == (220, 40, 32)
        assert scene.pose.centre_x_px == pytest.approx(34.35177996039982, abs=1e-9)

    @pytest.mark.parametrize(
        ("position", "corner", "middle"),
        [
            (0, (219, 37, 35), (246, 218, 235)),
            (449, (151, 83, 176), (221, 242, 211)),
            (898, (226, 128, 35), (36, 146, 65)),
        ],
    )
    def test_pixels_are_the_recorded_ones(self, position, corner, middle):
        pixels = _pixels(digit_scenes.test_scenes()[position])
        assert np.abs(pixels[2, 2] - corner).max() <= LEVELS
        assert np.abs(pixels[32, 32] - middle).max() <= LEVELS

    def test_rendering_twice_gives_the_same_bytes(self):
        scene = digit_scenes.test_scenes()[7]
        first, second = (digit_scenes.render_scene(scene) for _ in range(2))
        assert first.tobytes() == second.tobytes()


class TestThePixels:
    def test_image_is_rgb_of_64_pixels(self):
        image = digit_scenes.render_scene(digit_scenes.test_scenes()[0])
        assert (image.mode, image.size) == ("RGB", (64, 64))

    def test_the_frame_shows_the_background_colour(self):
        for scene in _sampled_scenes():
            pixels = _pixels(scene)
            frame = np.concatenate([pixels[0], pixels[-1], pixels[:, 0], pixels[:, -1]])
            assert np.abs(np.median(frame, axis=0) - scene.background_rgb).max() <= LEVELS

    def test_enough_of_the_image_shows_the_ink_colour(self):
        for scene in _sampled_scenes():
            distance = np.abs(_pixels(scene) - scene.ink_rgb).max(axis=2)
            ink_share = (distance <= scene.noise).mean()
            assert 0.02 < ink_share < 0.5, scene.index

    def test_noise_stays_within_its_amplitude(self):
        scene = digit_scenes.test_scenes()[3]
        quiet = _pixels(dataclasses.replace(scene, noise=0))
        assert np.abs(_pixels(scene) - quiet).max() <= scene.noise + 1

    def test_the_pose_moves_the_digit(self):
        scene = digit_scenes.test_scenes()[0]
        pose = dataclasses.replace(scene.pose, centre_x_px=scene.pose.centre_x_px - 4)
        moved = dataclasses.replace(scene, pose=pose, noise=0)
        still = dataclasses.replace(scene, noise=0)
        assert np.array_equal(_pixels(moved)[:, :60], _pixels(still)[:, 4:])


class TestColours:
    def test_ink_and_background_are_always_far_apart(self):
        base = digit_scenes.BASE_RGB
        for scene in digit_scenes.test_scenes():
            assert scene.ink != scene.background
            assert math.dist(base[scene.ink], base[scene.background]) >= digit_scenes.MIN_CONTRAST

    def test_jitter_never_leaves_its_range(self):
        for scene in digit_scenes.test_scenes():
            base = digit_scenes.BASE_RGB[scene.ink]
            difference = np.abs(np.subtract(scene.ink_rgb, base)).max()
            assert difference <= digit_scenes.JITTER

    def test_every_colour_occurs_in_both_roles(self):
        scenes = digit_scenes.test_scenes()
        for counts in (
            Counter(scene.ink for scene in scenes),
            Counter(scene.background for scene in scenes),
        ):
            assert set(counts) == set(range(8))
            assert min(counts.values()) >= 50


class TestLabels:
    def test_each_question_has_its_own_classes(self):
        assert digit_scenes.class_names("digit")[7] == "seven"
        assert len(digit_scenes.class_names("digit")) == 10
        assert digit_scenes.class_names("ink") == digit_scenes.COLOURS
        assert digit_scenes.class_names("background") == digit_scenes.COLOURS

    def test_label_answers_the_question(self):
        scene = digit_scenes.test_scenes()[0]
        answers = {
            question: digit_scenes.class_names(question)[digit_scenes.label(scene, question)]
            for question in ("digit", "ink", "background")
        }
        assert answers == {"digit": "eight", "ink": "white", "background": "red"}

    def test_digit_is_scikit_learns_own_label(self):
        from sklearn.datasets import load_digits

        target = load_digits().target
        assert all(scene.digit == target[scene.index] for scene in digit_scenes.test_scenes())
