"""The Pareto front, beside its definition written out."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clipeval.stats import pareto_front

SMALL = st.integers(0, 4).map(float)


def test_by_hand():
    #            fast,bad  slow,good  slow,bad  same as first
    assert pareto_front([1, 5, 5, 1], [0.2, 0.9, 0.1, 0.2]) == (True, True, False, True)


@given(st.lists(st.tuples(SMALL, SMALL), max_size=12))
def test_nothing_else_is_as_good_in_both_and_better_in_one(points):
    front = pareto_front([cost for cost, _ in points], [gain for _, gain in points])
    for (cost, gain), is_on_front in zip(points, front, strict=True):
        beaten = [(c, g) for c, g in points if (c < cost and g >= gain) or (c <= cost and g > gain)]
        assert is_on_front is (not beaten)


def test_lengths_differ():
    with pytest.raises(ValueError, match="2 costs and 1 gains"):
        pareto_front([1, 2], [1])
