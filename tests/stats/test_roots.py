"""A root is found wherever there is one, as scipy finds it."""

import math

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from scipy.optimize import brentq

from clipeval.stats.roots import crossing

TOLERANCE = 1e-14


def steep(place):
    return lambda x: math.tanh(1e6 * (x - place))


def flat(place):
    return lambda x: (x - place) ** 9


def bent(place):
    return lambda x: math.exp(5 * x) - math.exp(5 * place)


def jump(place):
    return lambda x: 1.0 if x >= place else -1e-9


@given(st.sampled_from([steep, flat, bent, jump]), st.floats(-0.999, 0.999))
@example(flat, 0.0)
@example(jump, 1e-17)
def test_the_function_changes_its_sign_there(shape, place):
    function, n_calls = shape(place), 0

    def counted(x):
        nonlocal n_calls
        n_calls += 1
        return function(x)

    found = crossing(counted, -1.0, 1.0, tolerance=TOLERANCE)
    assert n_calls < 150
    reach = 1e-13
    assert function(found) == 0 or function(found - reach) <= 0 <= function(found + reach)


@given(st.floats(-0.99, 0.99), st.floats(0.1, 30))
def test_agrees_with_brent(place, slope):
    def function(x):
        return math.atan(slope * (x - place)) + 0.1 * (x - place) ** 3

    ours = crossing(function, -1.0, 1.0, tolerance=TOLERANCE)
    assert ours == pytest.approx(brentq(function, -1.0, 1.0, xtol=TOLERANCE), abs=1e-13)


@pytest.mark.parametrize("end", [-1.0, 1.0])
def test_an_end_may_be_the_root(end):
    assert crossing(lambda x: x - end, -1.0, 1.0, tolerance=TOLERANCE) == end


def test_no_change_of_sign_is_refused():
    with pytest.raises(ValueError, match="no change of sign"):
        crossing(lambda x: x * x + 1, -1.0, 1.0, tolerance=TOLERANCE)
