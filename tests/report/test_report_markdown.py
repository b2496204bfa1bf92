"""Text from outside stays text in GitHub's markdown."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clipeval.report.markdown import code_html, escape, escape_sentence


@pytest.mark.parametrize(
    ("text", "escaped"),
    [
        ("digits/tiny/photo@cuda-bf16", "digits/tiny/photo@cuda-bf16"),
        ("비빔밥", "비빔밥"),
        ("snake_case", "snake_case"),
        ("_edge_", "`_edge_`"),
        ("@team", "`@team`"),
        ("a|b", "`a\\|b`"),
        ("a\\|b", "`a\\\N{WORD JOINER}\\|b`"),
        ("<img src=x>", "`<img src=x>`"),
        ("two\nlines", "two lines"),
        ("a`b``c", "``` a`b``c ```"),
        ("http://x.org", "`http://x.org`"),
        ("see www.x.org", "`see www.x.org`"),
        ("", "`  `"),
    ],
)
def test_escape_leaves_plain_names_and_fences_the_rest(text, escaped):
    assert escape(text) == escaped


@given(st.text())
def test_escaped_text_stays_in_one_table_cell(text):
    """A pipe is only ever behind an odd number of backslashes, and no line ends."""
    escaped = escape(text)
    assert len(escaped.splitlines()) <= 1
    for position, character in enumerate(escaped):
        before = escaped[:position]
        if character == "|":
            assert (len(before) - len(before.rstrip("\\"))) % 2 == 1


@pytest.mark.parametrize(
    ("text", "escaped"),
    [
        ("top1 0.934 -> 0.911, -2.3 points [-3.6, -1.0]: a drop", "top1 0.934 -> 0.911, -2.3 points [-3.6, -1.0]: a drop"),
        ("p < 0.001 (of 4), 4.56% [3.55%, 5.88%]", "p < 0.001 (of 4), 4.56% [3.55%, 5.88%]"),
        ("2026-11-01 08:00 UTC", "2026-11-01 08:00 UTC"),
        ("see [1, 2](x)", "`see [1, 2](x)`"),
        ("see [1, 2][3]", "`see [1, 2][3]`"),
        ("a <b>", "`a <b>`"),
        ("hi @team", "`hi @team`"),
        ("see http://x.org", "`see http://x.org`"),
        ("a *b*", "`a *b*`"),
        ("closes #3", "`closes #3`"),
        ("> quote", "`> quote`"),
    ],
)  # fmt: skip
def test_escaped_sentence_keeps_plain_punctuation(text, escaped):
    assert escape_sentence(text) == escaped


@given(st.text())
def test_escaped_sentence_holds_no_live_markup(text):
    """Whatever is not a code span has no tag, link, mention, emphasis or pipe in it."""
    escaped = escape_sentence(text)
    if not escaped.startswith("`"):
        assert not re.search(r"[`*~#!|\\\n]|<[^ ]|\]\(|(^|\W)@|://", escaped)


def test_text_in_a_summary_element_is_escaped_html():
    assert code_html("<b>&\n@x") == "<code>&lt;b&gt;&amp; @x</code>"
