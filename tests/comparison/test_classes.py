from __future__ import annotations

from dataclasses import replace

import pytest

from clipeval.comparison import compare
from clipeval.comparison.binary import paired_groups
from clipeval.comparison.classes import class_differences, class_proportions
from clipeval.comparison.pairing import pair_images
from clipeval.stats import Discordance, score_p_value, tango_interval
from tests.comparison.conftest import make_outcomes


def differences(base, candidate, order="abc"):
    paired = pair_images(base, candidate)
    return class_differences(paired, paired_groups(paired), order=tuple(order))


class TestHandWorked:
    """Three classes, small enough for paper."""

    BASE = make_outcomes("aaaabbbbcc", "aaaabbbbac")
    CANDIDATE = make_outcomes("aaaabbbbcc", "bbbbbbbacc", weights="new")

    def test_recalls_counts_and_p_values(self):
        a, b, c = differences(self.BASE, self.CANDIDATE)
        assert [(one.name, one.n) for one in (a, b, c)] == [("A", 4), ("B", 4), ("C", 2)]
        assert (a.base_recall, a.candidate_recall, a.difference) == (1, 0, -1)
        assert (b.base_recall, b.candidate_recall, b.difference) == (1, 0.75, -0.25)
        assert (c.base_recall, c.candidate_recall, c.difference) == (0.5, 1, 0.5)
        assert [(one.n_newly_right, one.n_newly_wrong) for one in (a, b, c)] == [
            (0, 4),
            (0, 1),
            (1, 0),
        ]
        # Mid-p by hand: 2 * (1/16) - 1/16; and 2 * (1/2) - 1/2 of a single discordant image.
        assert [one.p_value for one in (a, b, c)] == pytest.approx([1 / 16, 0.5, 0.5])
        # Holm by hand: 3/16, then 2 * 0.5.
        assert [one.adjusted_p for one in (a, b, c)] == pytest.approx([3 / 16, 1, 1])

    def test_intervals_are_tangos_on_the_images_of_the_class(self):
        _, b, _ = differences(self.BASE, self.CANDIDATE)
        expected = tango_interval(Discordance(n=4, newly_right=0, newly_wrong=1))
        assert (b.low, b.high) == (expected.low, expected.high)

    def test_the_order_is_the_one_asked_for(self):
        assert [one.name for one in differences(self.BASE, self.CANDIDATE, "cab")] == [
            "C",
            "A",
            "B",
        ]

    def test_a_comparison_takes_the_order_of_the_candidate(self):
        candidate = make_outcomes("aaaabbbbcc", "bbbbbbbacc", classes="bca", weights="new")
        found = compare(self.BASE, candidate, kind="model")
        assert [one.name for one in found.per_class] == ["B", "C", "A"]

    def test_names_are_those_of_the_candidate(self):
        candidate = replace(self.CANDIDATE, class_names=("cat", "dog", "cow"))
        assert [one.name for one in differences(self.BASE, candidate)] == ["cat", "dog", "cow"]

    def test_a_class_without_images_is_left_out_and_not_corrected_for(self):
        base = make_outcomes("aaaabb", "aaaabb")
        candidate = make_outcomes("aaaabb", "bbbbbc", weights="new")
        a, b = differences(base, candidate)
        assert [a.name, b.name] == ["A", "B"]
        assert a.adjusted_p == pytest.approx(2 / 16)

    def test_predictions_as_the_class_on_images_of_others_do_not_count(self):
        base = make_outcomes("aabb", "aabb")
        candidate = make_outcomes("aabb", "aaaa", weights="new")
        a, b = differences(base, candidate)
        assert (a.difference, a.n_newly_right, a.n_newly_wrong) == (0, 0, 0)
        assert (b.difference, b.n_newly_wrong) == (-1, 2)


class TestGroups:
    """Groups count within a class, too."""

    LABELS = "aaaabbbb"

    def cells(self, groups):
        base = make_outcomes(self.LABELS, self.LABELS, classes="ab")
        candidate = make_outcomes(
            self.LABELS, "bbaabbba", classes="ab", weights="new", groups=tuple(groups)
        )
        return base, candidate

    def test_a_class_of_a_single_group_says_nothing(self):
        a, b = differences(*self.cells(["g"] * 4 + ["h", "h", "i", "j"]), "ab")
        assert (a.p_value, a.adjusted_p, a.low, a.high) == (1, 1, -1, 1)
        assert (a.difference, a.n_newly_wrong) == (-0.5, 2)
        assert b.low > -1
        assert b.adjusted_p == min(1, 2 * b.p_value)

    def test_a_group_across_classes_counts_in_each_for_its_images_there(self):
        base, candidate = self.cells(["g", "h", "g", "h", "g", "h", "g", "i"])
        paired = pair_images(base, candidate)
        a, b = (class_proportions(paired, k, paired_groups(paired)) for k in (0, 1))
        assert (a.clustering.n_groups, b.clustering.n_groups) == (2, 3)

    def test_p_value_is_the_score_test_of_effective_counts(self):
        base, candidate = self.cells(["g", "g", "h", "h", "k", "l", "m", "n"])
        a, _ = differences(base, candidate, "ab")
        # Class a: differences -1, -1, 0, 0 in groups (g, g, h, h): sums of deviations -1 and 1, of their
        # squares 4 * 0.25: 2 / 1 * 2 / 1 = 4. One group differs, and the worst case 2 weighs 5 groups:
        # D = (1 * 4 + 5 * 2) / 6 = 7 / 3.
        expected = score_p_value(
            Discordance(n=12 / 7, newly_right=0, newly_wrong=6 / 7),
            difference=0,
            alternative="two-sided",
            df=1,
        )
        assert a.p_value == pytest.approx(expected)
