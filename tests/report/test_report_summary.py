"""summary.md: readable in a terminal, inert in a pull request."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clipeval.records import CellError
from clipeval.report import render_summary
from clipeval.report.summary import escape
from tests.report.conftest import make_cell, make_dataset, make_gate, make_model, make_run


def test_first_line_is_the_verdict_with_counts(quickstart):
    assert render_summary(quickstart).splitlines()[0] == (
        "**FAIL** quickstart: 5 cells, 20 images, 1 of 2 gates passed, 1 failed"
    )


def test_first_line_of_a_pass():
    run = make_run([make_cell(gates=(make_gate(), make_gate(metric="macro_f1")))])
    assert render_summary(run).splitlines()[0] == (
        "**PASS** quickstart: 1 cell, 10 images, 2 gates passed"
    )


def test_cells_are_a_table(quickstart):
    lines = render_summary(quickstart).splitlines()
    assert lines[2:5] == [
        "| Cell | Top-1 | Mean recall | Macro F1 | NLL | ECE | Images |",
        "| --- | ---: | ---: | ---: | ---: | ---: | ---: |",
        "| digits/tiny/photo | 80.0% [77.9, 81.5] | 77.8% | 76.5% | 0.432 | 3.2% | 10 |",
    ]


def test_failed_gates_have_value_interval_and_limit(quickstart):
    summary = render_summary(quickstart)
    assert "| digits/tiny/bare | Top-1 | fail | 50.0% | [47.9, 51.5] | ≥ 75.0% |" in summary
    assert "| digits/tiny/photo | Top-1 | pass" not in summary


def test_partial_run_random_weights_failures_and_errors_are_said():
    dataset = make_dataset(n_expected=12, n_failed=2)
    cell = make_cell(dataset=dataset, model=make_model(id="RN50/random", random_weights=True))
    run = make_run(
        [cell], status="partial", planned_cells=(cell.id, "a/b/c", "x/y/z"),
        errors=(CellError(id="x/y/z", message="no\nweights"),),
    )  # fmt: skip
    summary = render_summary(run)
    assert "**Partial run**: 1 of 3 cells missing: a/b/c." in summary
    assert "**Random weights: accuracy here means nothing** (RN50/random)." in summary
    assert "**Images left out** of digits: 2 of 12." in summary
    assert "- x/y/z: no weights" in summary


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


def test_hostile_names_do_not_break_the_table():
    dataset = make_dataset("a|b\n<script>")
    summary = render_summary(make_run([make_cell(dataset=dataset, template="`x`")]))
    rows = [line for line in summary.splitlines() if line.startswith("| ")]
    assert rows[2].replace("\\|", "").count("|") == rows[0].count("|")
