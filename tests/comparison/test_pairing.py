from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from clipeval.comparison import compare, pair_images
from clipeval.comparison.pairing import take_images
from clipeval.errors import ComparisonError
from tests.comparison.conftest import make_model, make_outcomes, renumbered, shuffled


def error_of(base, candidate):
    with pytest.raises(ComparisonError) as caught:
        pair_images(base, candidate)
    message = str(caught.value)
    assert "\n" not in message
    return message


class TestWhatDiffers:
    """Nothing is compared that has no pairs; one message says all that stands in the way."""

    def test_images_of_one_side_alone_are_counted_and_named(self):
        base = make_outcomes("abc", "abc", ids=["x", "y", "z"])
        candidate = make_outcomes("abbbba", "abbbba", ids=["x", "y", "p", "q", "r", "s"])
        assert error_of(base, candidate) == (
            "pets/tiny/photo (base) and pets/tiny/photo (candidate) cannot be compared: "
            "1 image only in the base: z; 4 images only in the candidate: p, q, r, ...; "
            "evaluate both on the same images and labels"
        )

    def test_no_common_image_is_said_with_both_counts(self):
        message = error_of(
            make_outcomes("ab", "ab", ids=["x", "y"]), make_outcomes("a", "a", ids=["z"])
        )
        assert "they have 0 images in common (2 images and 1 image, such as x, y and z)" in message

    def test_empty_cells_have_no_image_in_common(self):
        assert "0 images in common" in error_of(make_outcomes("", ""), make_outcomes("", ""))

    def test_other_labels_are_counted_and_the_first_by_id_is_shown(self):
        base = make_outcomes("abca", "abca", ids=["z", "y", "x", "w"])
        candidate = make_outcomes("bbba", "abca", ids=["z", "y", "x", "w"])
        assert (
            "2 of 4 images have another label: x is 'c' in the base and 'b' in the candidate"
            in error_of(base, candidate)
        )

    def test_labels_are_matched_by_id_not_by_position(self):
        base = make_outcomes("ab", "ab", ids=["x", "y"])
        candidate = make_outcomes("ab", "ab", ids=["y", "x"])
        assert "2 of 2 images have another label" in error_of(base, candidate)

    def test_classes_of_one_side_alone_are_named(self):
        message = error_of(make_outcomes("ab", "ab"), make_outcomes("ab", "ab", classes="abde"))
        assert "1 class only in the base: c; 2 classes only in the candidate: d, e" in message

    def test_a_renamed_class_is_not_reported_for_each_image_again(self):
        message = error_of(
            make_outcomes("aab", "aab", classes="ab"), make_outcomes("AAb", "AAb", classes="Ab")
        )
        assert "1 class only in the base: a; 1 class only in the candidate: A" in message
        assert "another label" not in message

    def test_an_image_replaced_under_its_id_is_named(self):
        base = make_outcomes("aab", "aab", ids=["x", "y", "z"])
        contents = (base.contents[0], "deadbeef", base.contents[2])
        candidate = make_outcomes("aab", "aab", ids=["x", "y", "z"], contents=contents)
        said = "1 of 3 images has the same id but another content: y"
        assert said in error_of(base, candidate)
        other_model = make_outcomes(
            "aab", "aab", ids=["x", "y", "z"], weights="new", contents=contents
        )
        assert said in error_of(base, other_model)

    def test_other_preprocessing_of_the_same_weights_names_the_settings(self):
        candidate = make_outcomes(
            "ab", "ab", model=make_model(preprocessing={"size": 336, "mean": (0.5, 0.5, 0.5)})
        )
        assert (
            "the weights are the same, but the preprocessing differs (size 224 -> 336)"
            in error_of(make_outcomes("ab", "ab"), candidate)
        )

    def test_preprocessing_that_differs_in_its_hash_alone_is_said(self):
        candidate = make_outcomes("ab", "ab", model=make_model(preprocessing_sha256="other"))
        assert "differs (its hash)" in error_of(make_outcomes("ab", "ab"), candidate)

    def test_all_of_it_at_once_is_one_message(self):
        base = make_outcomes("abc", "abc", classes="abc", ids=["x", "y", "z"])
        candidate = make_outcomes(
            "bbd",
            "bbd",
            classes="abd",
            ids=["x", "y", "w"],
            model=make_model(preprocessing={"size": 336}),
        )
        message = error_of(base, candidate)
        for part in (
            "1 class only in the base: c",
            "1 class only in the candidate: d",
            "1 image only in the base: z",
            "1 image only in the candidate: w",
            "1 of 2 images has another label: x is 'a' in the base and 'b' in the candidate",
            "size 224 -> 336, mean (0.5, 0.5, 0.5) -> None",
        ):
            assert part in message

    def test_ids_that_are_not_unique_leave_pairs_unknown(self):
        base = make_outcomes("aab", "aab", ids=["x", "x", "y"])
        candidate = make_outcomes("abb", "abb", ids=["x", "y", "y"])
        message = error_of(base, candidate)
        assert "image ids that occur more than once in the base: x (1 in all)" in message
        assert "image ids that occur more than once in the candidate: y (1 in all)" in message

    def test_class_keys_that_are_not_unique_are_refused(self):
        base = replace(make_outcomes("ab", "ab"), class_keys=("a", "b", "b"))
        assert "class keys that occur more than once in the base: b (1 in all)" in error_of(
            base, base
        )


class TestWhatMayDiffer:
    """Order, names and, with other weights, preprocessing."""

    def test_other_preprocessing_of_other_weights_is_part_of_the_difference(self):
        model = make_model("new", preprocessing={"size": 336, "mean": (0.5, 0.5, 0.5)})
        found = compare(
            make_outcomes("ab", "ab"), make_outcomes("ab", "ab", model=model), kind="model"
        )
        (notice,) = found.notices
        assert notice.code == "preprocessing-differs"
        assert "size 224 -> 336" in notice.message

    def test_the_same_preprocessing_needs_no_notice(self):
        base, candidate = make_outcomes("ab", "ab"), make_outcomes("ab", "ab", weights="new")
        assert compare(base, candidate, kind="model").notices == ()

    def test_random_weights_are_said_of_either_side(self):
        base = make_outcomes("ab", "ab", model=make_model(random_weights=True))
        candidate = make_outcomes("ab", "ab", weights="new")
        for one, other in ((base, candidate), (candidate, base)):
            (notice,) = compare(one, other, kind="model").notices
            assert notice.code == "random-weights-compared"

    def test_images_are_sorted_by_id_and_classes_by_key(self):
        base = make_outcomes("cab", "caa", classes="cab", ids=["z", "x", "y"])
        candidate = make_outcomes("bca", "bcb", classes="bca", ids=["y", "z", "x"])
        paired = pair_images(base, candidate)
        for cell in (paired.base, paired.candidate):
            assert cell.sample_ids == ("x", "y", "z")
            assert cell.paths == ("x.png", "y.png", "z.png")
            assert cell.class_keys == ("a", "b", "c")
            assert cell.class_names == ("A", "B", "C")
            assert cell.labels.tolist() == [0, 1, 2]
        assert paired.base.predicted.tolist() == [0, 0, 2]
        assert paired.candidate.predicted.tolist() == [1, 1, 2]

    def test_every_array_follows_its_image(self):
        cell = make_outcomes(
            "abc",
            "bca",
            ids=["z", "x", "y"],
            groups=("gz", None, "gy"),
            in_top5=np.array([True, False, False]),
            confidence=np.array([0.9, 0.1, 0.5]),
            score_gap=np.array([0.3, 0.2, 0.1]),
        )
        found = pair_images(cell, cell).base
        assert found.groups == (None, "gy", "gz")
        assert found.in_top5.tolist() == [False, False, True]
        assert found.confidence.tolist() == [0.1, 0.5, 0.9]
        assert found.score_gap.tolist() == [0.2, 0.1, 0.3]

    def test_display_names_may_differ(self):
        candidate = make_outcomes("ab", "ab", class_names=("cat", "dog", "cow"))
        assert pair_images(make_outcomes("ab", "ab"), candidate).candidate.class_names[0] == "cat"

    def test_the_order_of_what_comes_in_is_left_alone(self):
        cell = make_outcomes("cab", "cab", ids=["z", "x", "y"])
        pair_images(cell, cell)
        assert cell.sample_ids == ("z", "x", "y")
        assert cell.labels.tolist() == [2, 0, 1]

    def test_shuffling_and_renumbering_back_and_forth_gives_the_same_pair(self):
        cell = make_outcomes("abcab", "abbac")
        other = renumbered(shuffled(cell, [4, 2, 0, 1, 3]), [2, 0, 1])
        paired = pair_images(cell, other)
        assert paired.base.labels.tolist() == paired.candidate.labels.tolist()
        assert paired.base.predicted.tolist() == paired.candidate.predicted.tolist()

    def test_taking_images_keeps_what_is_unknown_unknown(self):
        taken = take_images(make_outcomes("abc", "abc"), np.array([2, 0]))
        assert taken.sample_ids == ("i02", "i00")
        assert (taken.in_top5, taken.confidence, taken.score_gap) == (None, None, None)
