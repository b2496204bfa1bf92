from hypothesis import given
from hypothesis import strategies as st

from clipeval.cli.variadic import expand_lists


def test_a_list_after_class_becomes_repeated_options():
    words = ["classify", "cola.jpg", "--model", "tiny", "--class", "ramen", "pizza", "--top", "3"]
    assert expand_lists(words) == [
        "classify", "cola.jpg", "--model", "tiny", "--class", "ramen", "--class", "pizza", "--top", "3",
    ]  # fmt: skip


def test_repeated_options_stay_as_they_are():
    words = ["classify", "x.jpg", "--prompt", "a photo", "--prompt", "a plate"]
    assert expand_lists(words) == words


def test_an_existing_file_after_a_list_is_an_image(tmp_path):
    image = tmp_path / "cola.jpg"
    image.touch()
    words = ["classify", "--class", "cola", "ramen", str(image)]
    assert expand_lists(words) == ["classify", "--class", "cola", "--class", "ramen", str(image)]


def test_the_first_value_is_a_class_even_if_a_file_has_its_name(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "cola").touch()
    assert expand_lists(["classify", "--class", "cola"]) == ["classify", "--class", "cola"]


def test_other_commands_are_left_alone():
    words = ["run", "suites/a.yaml", "--class", "a", "b"]
    assert expand_lists(words) == words


def test_nothing_after_a_double_dash_is_touched():
    words = ["classify", "--class", "a", "--", "b", "c"]
    assert expand_lists(words) == words


def test_a_prompt_longer_than_any_file_name_is_a_prompt():
    long = "very " * 200
    assert expand_lists(["classify", "--prompt", "a", long])[-2:] == ["--prompt", long]


@given(st.lists(st.text(max_size=8), max_size=8))
def test_every_word_is_kept_in_order_and_only_options_are_added(words):
    expanded = expand_lists(["classify", *words])
    rest = iter(expanded[1:])
    kept = [word for word in words if word == next(w for w in rest if w == word)]
    assert kept == words
    assert set(expanded) <= {"classify", "--class", "--prompt", *words}
