from __future__ import annotations

import hashlib
import random
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clipeval.comparison import SplitImages, confirm_winner, split_images
from clipeval.comparison.holdout import held_out_images
from clipeval.errors import ComparisonError
from tests.comparison.conftest import make_outcomes, shuffled

WORDS = st.text("abc", min_size=1, max_size=30)
FRACTIONS = st.floats(0.05, 0.95)


def held_out_ids(cell, fraction):
    chosen = held_out_images(SplitImages.of(cell), fraction)
    return {id_ for id_, is_out in zip(cell.sample_ids, chosen, strict=True) if is_out}


def templates(labels, held_out, rights):
    """Cells that are right on so many of the explored and so many of the held-out images each.

    Args:
        labels: a letter an image.
        held_out: ids.
        rights: template -> (right on explored images, right on held-out images).
    """
    cells = []
    for name, counts in rights.items():
        left = {False: counts[0], True: counts[1]}
        predicted = []
        for index, label in enumerate(labels):
            is_out = f"i{index:02d}" in held_out
            predicted.append(label if left[is_out] > 0 else {"a": "b", "b": "a"}[label])
            left[is_out] -= 1
        cells.append(
            make_outcomes(
                labels,
                predicted,
                classes="ab",
                cell=f"pets/tiny/{name}",
                template=name,
                prompts_sha256=name,
            )
        )
    return cells


class TestSplit:
    """Which images are held out can be told without looking at any prediction."""

    def test_each_class_gives_its_share(self):
        cell = make_outcomes("a" * 10 + "b" * 20, "a" * 30)
        held_out = held_out_images(SplitImages.of(cell), 0.3)
        assert (sum(held_out[:10]), sum(held_out[10:])) == (3, 6)

    def test_those_with_the_smallest_hashes_are_held_out(self):
        cell = make_outcomes("aaaaa", "aaaaa")
        by_hash = sorted(
            cell.sample_ids, key=lambda i: hashlib.sha256(f"holdout image {i}".encode()).digest()
        )
        assert held_out_ids(cell, 0.4) == set(by_hash[:2])

    @settings(max_examples=50)
    @given(WORDS, st.randoms(use_true_random=False), FRACTIONS)
    def test_it_depends_on_ids_and_labels_alone(self, labels, generator, fraction):
        cell = make_outcomes(labels, labels)
        order = generator.sample(range(len(labels)), len(labels))
        other = replace(
            shuffled(cell, order),
            predicted=np.zeros(len(labels), dtype=np.int64),
            cell="another",
            template="another",
        )
        assert held_out_ids(cell, fraction) == held_out_ids(other, fraction)

    def test_many_small_classes_hold_out_their_share_together(self):
        classes = "abcdefghijklmnopqrst"
        cell = make_outcomes(classes * 2, classes * 2, classes=classes)
        assert len(held_out_ids(cell, 0.2)) == 8

    @settings(max_examples=50)
    @given(st.data(), FRACTIONS)
    def test_groups_stay_together(self, data, fraction):
        labels = data.draw(WORDS)
        groups = data.draw(
            st.lists(
                st.sampled_from([None, "", "g", "h"]), min_size=len(labels), max_size=len(labels)
            )
        )
        cell = make_outcomes(labels, labels, groups=tuple(groups))
        held_out = held_out_images(SplitImages.of(cell), fraction)
        for name in ("", "g", "h"):
            assert (
                len({out for out, group in zip(held_out, groups, strict=True) if group == name})
                <= 1
            )

    def test_a_group_across_classes_is_split_the_same_in_any_order(self):
        groups = tuple("gghhiijj")
        cell = make_outcomes("abababab", "abababab", groups=groups)
        order = list(range(8))
        random.Random(3).shuffle(order)
        assert held_out_ids(cell, 0.5) == held_out_ids(shuffled(cell, order), 0.5)
        assert len(held_out_ids(cell, 0.5)) == 4

    def test_a_group_is_not_mistaken_for_an_image_of_that_name(self):
        lone = make_outcomes("aaaa", "aaaa", ids="wxyz")
        grouped = replace(lone, groups=("x", None, None, None))
        assert len(held_out_ids(grouped, 0.25)) == 1


class TestWinner:
    """Chosen on one part, measured on the other."""

    LABELS = "ab" * 20
    HELD_OUT = held_out_ids(make_outcomes(LABELS, LABELS, classes="ab"), 0.25)
    RIGHTS = {"photo": (18, 9), "plate": (24, 6), "bare": (21, 10)}  # noqa: RUF012

    def confirm(self, rights=None, *, reference=None, fraction=0.25):
        cells = templates(self.LABELS, self.HELD_OUT, rights or self.RIGHTS)
        return confirm_winner(cells, reference=reference, fraction=fraction, setting="cpu fp32")

    def test_numbers_by_hand(self):
        found = self.confirm(reference="photo")
        assert len(self.HELD_OUT) == 10
        assert (found.n_explored, found.n_held_out, found.fraction) == (30, 10, 0.25)
        assert [(one.template, one.top1) for one in found.ranking] == [
            ("plate", 24 / 30),
            ("bare", 21 / 30),
            ("photo", 18 / 30),
        ]
        assert (found.winner, found.opponent, found.winner_held_out) == ("plate", "photo", 0.6)
        assert found.confirmation.top1.value == pytest.approx(-0.3)
        assert (found.confirmation.n_newly_wrong, found.confirmation.n_newly_right) == (3, 0)
        assert (found.dataset, found.model, found.setting) == ("pets", "tiny", "cpu fp32")
        assert found.confirmation.base == "pets/tiny/photo"
        assert found.confirmation.candidate == "pets/tiny/plate"
        assert found.confirmation.kind == "template"

    def test_the_confirmation_sees_held_out_images_alone(self):
        flips = self.confirm(reference="photo").confirmation
        assert {flip.sample_id for flip in flips.newly_wrong} <= self.HELD_OUT
        # The best of the explored images is the worst of those held out, and is quoted as such.
        assert self.confirm().winner_held_out == 0.6

    def test_what_is_held_out_does_not_choose_the_winner(self):
        better_held_out = {**self.RIGHTS, "bare": (23, 10)}
        assert self.confirm(better_held_out).winner == "plate"

    @pytest.mark.parametrize("reference", [None, "plate", "unknown"])
    def test_without_a_reference_that_lost_the_runner_up_is_the_opponent(self, reference):
        found = self.confirm(reference=reference)
        assert (found.winner, found.opponent) == ("plate", "bare")

    def test_the_first_of_equals_wins(self):
        found = self.confirm({"photo": (20, 5), "plate": (20, 6)})
        assert (found.winner, found.opponent) == ("photo", "plate")

    def test_the_confirmation_is_one_comparison_and_not_adjusted(self):
        found = self.confirm().confirmation
        assert (found.q_value, found.n_compared) == (None, 1)


class TestRefusals:
    """What cannot be split or ranked is said."""

    def test_one_template_is_no_choice(self):
        with pytest.raises(
            ComparisonError, match="data set 'pets' has 1 template and nothing to choose"
        ):
            confirm_winner(
                [make_outcomes("ab", "ab")], reference=None, fraction=0.5, setting="cpu fp32"
            )

    @pytest.mark.parametrize(
        ("fraction", "message"),
        [
            (
                0.05,
                "of 0.05 of the 6 images of data set 'pets' leaves 0 to confirm on and 6 .* a larger",
            ),
            (
                0.95,
                "of 0.95 of the 6 images of data set 'pets' leaves 6 to confirm on and 0 .* a smaller",
            ),
        ],
    )
    def test_a_part_without_images_is_refused(self, fraction, message):
        cells = templates("aaabbb", set(), {"photo": (6, 0), "plate": (3, 0)})
        with pytest.raises(ComparisonError, match=message):
            confirm_winner(cells, reference=None, fraction=fraction, setting="cpu fp32")

    @pytest.mark.parametrize("position", [0, 1, 2])
    def test_any_template_on_other_images_is_refused_even_the_last(self, position):
        cells = templates("ab" * 10, set(), {"photo": (18, 0), "plate": (12, 0), "bare": (3, 0)})
        other = cells[position]
        cells[position] = replace(other, sample_ids=("zz", *other.sample_ids[1:]))
        with pytest.raises(ComparisonError, match="only in the"):
            confirm_winner(cells, reference=None, fraction=0.5, setting="cpu fp32")

    def test_other_labels_of_explored_images_are_refused(self):
        cells = templates("ab" * 10, set(), {"photo": (18, 0), "plate": (12, 0)})
        explored = held_out_images(SplitImages.of(cells[0]), 0.5).index(False)
        labels = cells[1].labels.copy()
        labels[explored] = 1 - labels[explored]
        with pytest.raises(ComparisonError, match="another label"):
            confirm_winner(
                [cells[0], replace(cells[1], labels=labels)],
                reference=None,
                fraction=0.5,
                setting="cpu fp32",
            )

    def test_a_single_group_held_out_is_refused(self):
        cells = [
            replace(cell, groups=tuple("gggghhhh"))
            for cell in templates("abababab", set(), {"photo": (6, 0), "plate": (3, 0)})
        ]
        with pytest.raises(ComparisonError, match=r"4 images, all of one group, '[gh]'"):
            confirm_winner(cells, reference=None, fraction=0.5, setting="cpu fp32")

    def test_a_single_image_without_a_group_is_not_of_one(self):
        images = SplitImages(sample_ids="xyz", classes="aaa", groups=(None, None, None))
        assert sum(split_images(images, 0.3, dataset="pets")) == 1
