from __future__ import annotations

from dataclasses import replace

import pytest

from clipeval.comparison import adjust
from tests.comparison.conftest import make_comparison, make_difference, make_reproduction

BETTER = make_difference(0.03, (0.01, 0.05), low=0.005)


def family(*p_values, **changes):
    return [
        make_comparison(candidate=f"pets/tiny/t{index}", top1=BETTER, p_value=p_value, **changes)
        for index, p_value in enumerate(p_values)
    ]


class TestBenjaminiHochberg:
    """The more templates are tried, the less a small p value says."""

    def test_three_comparisons_worked_by_hand(self):
        # Sorted 0.01, 0.03, 0.04: 3 * 0.01, 3/2 * 0.03 = 0.045, 0.04; each at most the next.
        found = adjust(family(0.01, 0.04, 0.03))
        assert [one.q_value for one in found] == pytest.approx([0.03, 0.04, 0.04])
        assert [one.n_compared for one in found] == [3, 3, 3]
        assert [one.p_value for one in found] == [0.01, 0.04, 0.03]

    def test_what_was_better_alone_is_open_among_many(self):
        (alone,) = adjust(family(0.03))
        assert (alone.conclusion, alone.q_value) == ("better", 0.03)
        first, *_ = adjust(family(0.03, 0.5, 0.6))
        assert (first.conclusion, first.q_value) == ("inconclusive", pytest.approx(0.09))
        assert "p 0.090 adjusted for 3 comparisons" in first.message
        assert first.message.startswith("inconclusive, no difference shown")

    def test_a_q_value_of_the_level_itself_is_open(self):
        first, _ = adjust(family(0.025, 0.9))
        assert (first.q_value, first.conclusion) == (0.05, "inconclusive")

    def test_what_survives_says_how_many_were_compared(self):
        first, _ = adjust(family(0.001, 0.9))
        assert first.conclusion == "better"
        assert "p 0.002 adjusted for 2 comparisons" in first.message

    def test_an_interval_with_zero_is_open_whatever_q_says(self):
        (found,) = adjust([replace(family(0.001)[0], top1=make_difference(0.03))])
        assert found.conclusion == "inconclusive"

    def test_reproductions_are_neither_adjusted_nor_counted(self):
        same = make_comparison(
            candidate="pets/tiny/same",
            p_value=None,
            test=None,
            reproduction=make_reproduction(),
            conclusion="same",
            message="as it was",
        )
        first, kept, last = adjust([family(0.01)[0], same, family(0.04)[0]])
        assert kept == same
        assert (first.n_compared, last.n_compared) == (2, 2)
        assert [first.q_value, last.q_value] == pytest.approx([0.02, 0.04])

    def test_candidates_of_one_name_keep_their_own_values(self):
        first, last = adjust([family(0.01)[0], family(0.5)[0]])
        assert [first.q_value, last.q_value] == pytest.approx([0.02, 0.5])

    def test_nothing_is_left_as_nothing(self):
        assert adjust([]) == ()
