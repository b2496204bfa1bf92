"""File names of cells: readable, portable, and never the same for two cells."""

from __future__ import annotations

import re

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from clipeval.store import cell_file_name

IDS = st.text(st.characters(codec=None), max_size=40) | st.text("aAb-/~%.@2D", max_size=12)


@pytest.mark.parametrize(
    ("cell_id", "name"),
    [
        ("digits/tiny/photo", "digits--tiny--photo"),
        ("digits/tiny/photo@cuda-bf16", "digits--tiny--photo@cuda-bf16"),
        ("a-/b", "a%2D--b"),
        ("a/-b", "a--%2Db"),
        ("a--b/c", "a-%2Db--c"),
        ("con", "%63on"),
        ("nul.x/y", "%6Eul.x--y"),
        ("../../etc", "%2E.--..--etc"),
        ("음식/tiny", "%EC%9D%8C%EC%8B%9D--tiny"),
        ("a:b*c?", "a%3Ab%2Ac%3F"),
    ],
)
def test_examples(cell_id, name):
    assert cell_file_name(cell_id) == name


def test_upper_case_keeps_its_letters_and_adds_a_hash():
    name = cell_file_name("food101/ViT-B-32/openai/photo")
    assert re.fullmatch(r"food101--ViT-B-32--openai--photo~[0-9a-f]{16}", name)


def test_ids_that_differ_in_case_differ_on_any_file_system():
    names = {
        cell_file_name(f"food/{model}/photo").lower() for model in ("vit", "ViT", "VIT", "vIT")
    }
    assert len(names) == 4


@given(first=IDS, second=IDS)
@example("a-/b", "a/-b")
@example("a/b", "a--b")
@example("a", "A")
@example("a~", "a%7E")
@example("", "/")
def test_no_two_ids_share_a_name(first, second):
    one, other = cell_file_name(first).casefold(), cell_file_name(second).casefold()
    assert (one == other) == (first == second)


@given(cell_id=IDS | st.text(min_size=100, max_size=400))
def test_names_are_portable(cell_id):
    name = cell_file_name(cell_id)
    assert re.fullmatch(r"[A-Za-z0-9_%~@+-][A-Za-z0-9_.%~@+-]*", name)
    assert len(name) <= 137
