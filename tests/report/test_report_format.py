"""Rounding and units."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clipeval.report import format as fmt


@pytest.mark.parametrize(
    ("value", "text"), [(0.0, "0.0%"), (0.93056, "93.1%"), (1.0, "100.0%"), (0.00049, "0.0%")]
)
def test_percent_has_one_decimal(value, text):
    assert fmt.percent(value) == text


@pytest.mark.parametrize(
    ("difference", "text"),
    [(0.0123, "+1.2"), (-0.0312, "\N{MINUS SIGN}3.1"), (0.0, "0.0"), (-0.0001, "0.0")],
)
def test_points_are_signed_and_zero_is_not(difference, text):
    assert fmt.points(difference) == text


def test_interval_of_points_is_signed_at_both_ends():
    assert fmt.points_interval(-0.0074, 0.0071) == "[\N{MINUS SIGN}0.7, +0.7]"
    assert fmt.points_interval(None, 0.1) == ""


def test_distance_has_no_sign():
    assert fmt.points_apart(-0.0124) == "1.2"


@pytest.mark.parametrize(
    ("limit", "text"),
    [(0.01, "1.0"), (0.8, "80.0"), (0.0025, "0.25"), (0.7996, "79.96"), (0, "0.0")],
)
def test_limit_keeps_its_decimals(limit, text):
    assert fmt.limit_number(limit) == text


def test_numeric_distance_shows_its_order():
    assert fmt.tiny(3.14e-7) == "3.1e\N{MINUS SIGN}07"
    assert fmt.tiny(0.0) == "0"


def test_difference_in_its_own_unit_is_signed():
    assert fmt.signed_number(-0.0312) == "\N{MINUS SIGN}0.031"
    assert fmt.signed_number(0.0001) == "0.000"


def test_interval_is_in_the_unit_of_its_metric():
    assert fmt.interval("top1", 0.912, 0.9461) == "[91.2, 94.6]"
    assert fmt.interval("nll", 0.2, 0.31234) == "[0.200, 0.312]"


def test_interval_without_an_end_is_empty():
    assert fmt.interval("top1", None, 0.9) == ""


def test_metric_that_is_no_proportion_keeps_its_unit():
    assert fmt.metric_number("nll", 1.23456) == "1.235"
    assert fmt.metric_number("top1", 0.5) == "50.0%"


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.0042, "4.2 ms"),
        (3.2149, "3.21 s"),
        (75.2, "1 min 15 s"),
        (3600, "1 h 0 min"),
        (3725, "1 h 2 min"),
    ],
)
def test_duration_picks_its_unit(seconds, text):
    assert fmt.duration(seconds) == text


@pytest.mark.parametrize(
    ("n_bytes", "text"),
    [(0, "0 B"), (1023, "1023 B"), (1536, "1.5 KiB"), (16 * 1024**3, "16.0 GiB")],
)
def test_size_is_binary(n_bytes, text):
    assert fmt.size(n_bytes) == text


@pytest.mark.parametrize(
    ("created", "text"),
    [
        ("2026-11-23T22:56:58Z", "2026-11-23 22:56 UTC"),
        ("2026-11-23T22:56:58+09:00", "2026-11-23 13:56 UTC"),
        ("not a time", "not a time"),
    ],
)
def test_timestamp_is_utc_or_kept(created, text):
    assert fmt.timestamp(created) == text


@pytest.mark.parametrize(
    "hostile", ["\x00", "\x1b", "\x9b", "\u202e", "\u2028", "\ud800", "\uffff"]
)
def test_visible_replaces_what_cannot_be_shown(hostile):
    assert fmt.visible(f"a{hostile}b") == "a\N{REPLACEMENT CHARACTER}b"


@given(st.text(st.characters(exclude_categories=("Cc", "Cs", "Zl", "Zp", "Cf", "Cn"))))
def test_visible_keeps_readable_text(text):
    assert fmt.visible(text) == text


@given(st.text(st.characters()))
def test_visible_text_always_encodes(text):
    assert fmt.visible(text).encode("utf-8").decode("utf-8") == fmt.visible(text)
