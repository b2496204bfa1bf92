"""One rule for points, p values and counts, wherever they are said."""

from __future__ import annotations

import math
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clipeval.report import format as fmt
from clipeval.wording import (
    SIGNIFICANCE,
    count,
    margin_text,
    p_text,
    points,
    points_interval,
    probability,
)


@pytest.mark.parametrize(
    ("difference", "text"),
    [
        (0.012, "+1.2"),
        (-0.012, "-1.2"),
        (0.0, "0.0"),
        (-0.0, "0.0"),
        (-0.0004, "0.0"),
        (0.0004, "0.0"),
        (-1.0, "-100.0"),
    ],
)
def test_points_are_signed_and_never_minus_zero(difference, text):
    assert points(difference) == text


@given(st.floats(-1, 1))
def test_points_are_signed_wherever_they_are_not_zero(difference):
    assert re.fullmatch(r"0\.0|[+-]\d+\.\d", points(difference))
    assert float(points(difference)) == pytest.approx(100 * difference, abs=0.0501)


@given(st.floats(-1, 1))
def test_the_page_says_the_same_points_with_a_true_minus(difference):
    assert fmt.points(difference).replace(fmt.MINUS, "-") == points(difference)


def test_interval_of_points():
    assert points_interval(-0.019, 0.004) == "[-1.9, +0.4]"


@pytest.mark.parametrize(
    ("p", "text"),
    [
        (0.0, "< 0.001"),
        (0.00099, "< 0.001"),
        (0.001, "0.001"),
        (0.0312, "0.031"),
        (0.0494, "0.049"),
        (0.0498, "0.0498"),
        (0.04998, "0.04998"),
        (0.05, "0.050"),
        (0.0503, "0.050"),
        (1.0, "1.000"),
        (math.nextafter(0.05, 0), "0.049999999999999996"),
    ],
)
def test_probability_has_three_decimals_unless_they_would_mislead(p, text):
    assert probability(p) == text
    assert p_text(p) == f"p {text}"


@given(
    st.one_of(
        st.floats(0.001, 1),
        st.floats(0.0495, 0.0505),
        st.floats(0.05 - 1e-15, 0.05 + 1e-15),
    )
)
def test_a_p_value_never_reads_as_on_the_other_side_of_significance(p):
    assert (float(probability(p)) < SIGNIFICANCE) == (p < SIGNIFICANCE)


@pytest.mark.parametrize(
    ("margin", "text"),
    [(0.01, "1 point"), (0.005, "0.5 points"), (0.02, "2 points"), (0.01 + 1e-12, "1 point")],
)
def test_margin_agrees_with_its_noun(margin, text):
    assert margin_text(margin) == text


def test_count_agrees_with_its_noun():
    assert count(1, "class", "classes") == "1 class"
    assert count(0, "class", "classes") == "0 classes"
    assert count(1, "image") == "1 image"
    assert count(1024, "image") == "1,024 images"
    assert count(1024) == "1,024"
