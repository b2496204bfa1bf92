"""What changed between two versions of a cell is said, whatever their names are."""

from __future__ import annotations

from dataclasses import replace

import pytest

from clipeval.comparison import compare
from clipeval.records.cell_changes import change_lines
from tests.comparison.conftest import make_model, make_outcomes

PROMPTS = {"a": ("an A",), "b": ("a B",), "c": ("a C",)}
THEN = make_outcomes("aabb", "aabb", prompts=PROMPTS)


def changes(*, then=THEN, kind="run", **changed):
    return compare(then, replace(THEN, **changed), kind=kind).changes


def said(found):
    return [(one.what, one.example) for one in found]


def test_nothing_where_nothing_changed():
    assert changes() == ()


@pytest.mark.parametrize(
    ("changed", "expected"),
    [
        ({"model": make_model("new")}, ("weights", "")),
        ({"model": make_model(config_sha256="new")}, ("model config", "")),
        ({"model": make_model(tokenizer_sha256="new")}, ("tokenizer", "")),
        ({"class_names": ("A", "Bee", "C")}, ("class names", "'B' -> 'Bee'")),
        (
            {"prompts_sha256": "new", "prompts": {**PROMPTS, "b": ("one\nB",)}},
            ("prompts", "'a B' -> 'one\\nB'"),
        ),
        (
            {"prompts_sha256": "new", "prompts": {**PROMPTS, "b": ("a B", "one B")}},
            ("prompts", "1 -> 2 for class 'b'"),
        ),
        ({"prompts_sha256": "new", "prompts": None}, ("prompts", "")),
    ],
)
def test_each_fingerprint_by_itself(changed, expected):
    assert said(changes(**changed)) == [expected]
    assert said(changes(kind="baseline", **changed)) == [expected]


def test_several_at_once():
    found = changes(model=make_model("new", tokenizer_sha256="new"), prompts_sha256="new")
    assert [one.what for one in found] == ["weights", "tokenizer", "prompts"]


@pytest.mark.parametrize("kind", ["template", "model"])
def test_not_of_templates_and_models_of_one_run_that_are_meant_to_differ(kind):
    assert changes(kind=kind, model=make_model("new"), prompts_sha256="new") == ()


def test_the_order_of_classes_is_no_change():
    other = make_outcomes("aabb", "aabb", classes="cba", prompts=PROMPTS)
    assert compare(THEN, other, kind="run").changes == ()


def test_a_line_names_some_cells_and_one_example():
    texts = (None, {**PROMPTS, "b": ("one B",)}, PROMPTS, PROMPTS)
    comparisons = [
        compare(
            THEN, replace(THEN, cell=f"c{number}", prompts_sha256="new", prompts=text), kind="run"
        )
        for number, text in enumerate(texts)
    ]
    assert change_lines(comparisons, quote=str.upper) == (
        "prompts of C0, C1, C2 and 1 more changed: 'A B' -> 'ONE B'",
    )
