from __future__ import annotations

import json
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clipeval.errors import PromptError
from clipeval.prompts import load_class_prompts
from clipeval.prompts.prompt_files import MAX_BYTES

texts = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=12).filter(str.strip)


@pytest.fixture
def write(tmp_path):
    def write_bytes(content: str | bytes):
        path = tmp_path / "cupl.json"
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return path

    return write_bytes


def test_cupl_file_is_read_in_order_with_repeats(write):
    path = write('{"foie gras": ["a liver", "a liver"], "김치": ["cabbage {}"]}')
    loaded = load_class_prompts(path)
    assert list(loaded.items()) == [
        ("foie gras", ("a liver", "a liver")),
        ("김치", ("cabbage {}",)),
    ]


def test_byte_order_mark_is_skipped(write):
    assert load_class_prompts(write(b'\xef\xbb\xbf{"a": ["b"]}')) == {"a": ("b",)}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ('{"a": ["b"],\n "c": [}', r":2:8: not JSON: Expecting value; expected an object of lists"),
        ('{"a": ["b"]} x', r":1:14: not JSON: Extra data"),
        ("", r": the file is empty; expected an object"),
        (" \n", r": the file is empty; expected an object"),
        ("{}", r": the object is empty; expected an object"),
        ('["a"]', r": got a list at the top; expected an object"),
        ("3", r": got 3 at the top; expected an object"),
        ('"a"', r": got a string at the top; expected an object"),
        ('{"a": "b"}', r": class 'a': got one string, expected a list of prompts; put it in \[ \]"),
        ('{"a": {"b": ["c"]}}', r": class 'a': got an object, expected a list of prompts"),
        ('{"a": null}', r": class 'a': got null, expected a list of prompts"),
        ('{"a": []}', r": class 'a': the list is empty; give at least one prompt"),
        ('{"a": ["b", 5]}', r": class 'a', prompt 2: got 5, expected a string"),
        ('{"a": [NaN]}', r": class 'a', prompt 1: got NaN, expected a string"),
        ('{"a": [["b"]]}', r": class 'a', prompt 1: got a list, expected a string"),
        ('{"a": [{}]}', r": class 'a', prompt 1: got an object, expected a string"),
        ('{"a": ["b", " "]}', r": class 'a', prompt 2: empty"),
        ('{" ": ["b"]}', r": class ' ', the class name: empty"),
        (
            '{"a": ["b"], "c": ["d"], "a": ["e"]}',
            r": class 'a' is there twice; merge the two lists",
        ),
        ('{"a": ["\\ud800"]}', r": class 'a', prompt 1: half of a surrogate pair"),
        ('{"\\ud800": ["b"]}', r": class '\\ud800', the class name: half of a surrogate pair"),
        (b'{"a": ["ok"],\n"b": ["\xff"]}', r":2: not UTF-8 \(byte 0xff at offset 21\)"),
        ('{"a": ["b"]}'.encode("utf-16"), r":1: not UTF-8 \(byte 0xff at offset 0\)"),
        ("[" * 100_000, r": not usable JSON: "),
        ("9" * 5_000, r": not usable JSON: "),
    ],
)
def test_unusable_content_is_refused_with_its_place(write, content, message):
    path = write(content)
    with pytest.raises(PromptError, match=f"^{re.escape(str(path))}{message}"):
        load_class_prompts(path)


def test_missing_file_names_the_nearest_one(write):
    path = write("{}").with_name("cuppl.json")
    with pytest.raises(PromptError, match=r"no such file \(did you mean 'cupl\.json'\?\)"):
        load_class_prompts(path)


def test_missing_folder_and_folder_are_refused(tmp_path):
    with pytest.raises(PromptError, match="no such file; expected a JSON file"):
        load_class_prompts(tmp_path / "nowhere" / "cupl.json")
    with pytest.raises(PromptError, match="not a file; expected a JSON file"):
        load_class_prompts(tmp_path)


def test_huge_file_is_refused_before_it_is_parsed(tmp_path):
    path = tmp_path / "huge.json"
    with path.open("wb") as file:
        file.truncate(MAX_BYTES + 1)
    with pytest.raises(PromptError, match="larger than 50 MB"):
        load_class_prompts(path)


@given(
    st.dictionaries(texts, st.lists(texts, min_size=1, max_size=3), min_size=1, max_size=4),
    st.booleans(),
)
def test_any_mapping_survives_the_round_trip(tmp_path_factory, mapping, ascii_only):
    path = tmp_path_factory.getbasetemp() / "round-trip.json"
    path.write_text(json.dumps(mapping, ensure_ascii=ascii_only), encoding="utf-8")
    assert load_class_prompts(path) == {name: tuple(prompts) for name, prompts in mapping.items()}


@given(st.binary(max_size=60) | st.text('{}[]":,ab1 \\', max_size=40).map(str.encode))
def test_any_bytes_load_or_are_a_prompt_error(tmp_path_factory, content):
    path = tmp_path_factory.getbasetemp() / "any-bytes.json"
    path.write_bytes(content)
    try:
        loaded = load_class_prompts(path)
    except PromptError:
        return
    assert loaded
    assert all(prompt.strip() for prompts in loaded.values() for prompt in prompts)
