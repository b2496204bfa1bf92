from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clipeval.errors import PromptError
from clipeval.prompts import check_class_names
from clipeval.records import ClassLabel


def codes(notices) -> list[str]:
    return [notice.code for notice in notices]


@pytest.mark.parametrize(
    "name",
    [
        "apple pie",
        "iPod",
        "McLaren MP4-12C",
        "BMW ActiveHybrid 5",
        "DC-10",
        "SUV",
        "비빔밥",
        "🍕",
        "crème brûlée",
        "{}",
    ],
)
def test_readable_names_pass_without_notice(label, name):
    assert check_class_names([label(name), label("other")]) == ()


def test_underscores_are_one_notice_for_all_classes(label):
    (notice,) = check_class_names(
        [label("apple_pie"), label("ramen"), label("baby_back_ribs")], where="d.yaml:2"
    )
    assert notice.code == "underscore-in-class-name"
    assert notice.message == (
        "d.yaml:2: class names have underscores, where a model reads words; "
        "give names with blanks (class_names): 'apple_pie', 'baby_back_ribs'"
    )


def test_long_lists_are_cut_with_their_count(label):
    (notice,) = check_class_names([label(f"class_{i}") for i in range(101)])
    assert notice.message.endswith("'class_3', 'class_4' and 96 more")


@pytest.mark.parametrize("name", ["AnnualCrop", "dogBed", "HerbaceousVegetation"])
def test_camel_case_is_noticed(label, name):
    assert codes(check_class_names([label(name)])) == ["camel-case-in-class-name"]


@pytest.mark.parametrize("name", [" dog", "dog ", "hot  dog", "hot\tdog", "hot\ndog"])
def test_stray_blanks_are_noticed(label, name):
    assert codes(check_class_names([label(name)])) == ["blanks-in-class-name"]


def test_aliases_are_checked_too(label):
    assert codes(check_class_names([label("sofa", "living_room")])) == ["underscore-in-class-name"]


def test_alias_that_repeats_a_name_of_its_class_is_noticed(label):
    assert codes(check_class_names([label("sofa", "couch", "Sofa")])) == ["repeated-alias"]


def test_alias_of_two_classes_is_noticed(label):
    (notice,) = check_class_names([label("sofa", "seat"), label("chair", "Seat")])
    assert notice.code == "shared-alias"
    assert notice.message.endswith("'Seat'")


@pytest.mark.parametrize("second", ["Crane", "crane ", "CRANE"])
def test_same_name_of_two_classes_is_refused(label, second):
    with pytest.raises(PromptError) as caught:
        check_class_names([label("crane", key="n1"), label("bird"), label(second, key="n2")])
    assert str(caught.value) == (
        f"two classes have the same name: 'crane' (key 'n1') and '{second}' (key 'n2'); "
        "no prompt can tell them apart, so give one of them another name (class_names)"
    )


@pytest.mark.parametrize(("first", "second"), [("straße", "STRASSE"), ("caf\u00e9", "cafe\u0301")])
def test_same_name_is_found_across_unicode_spellings(label, first, second):
    with pytest.raises(PromptError, match="two classes have the same name"):
        check_class_names([label(first), label(second)])


@pytest.mark.parametrize("name", ["", " ", "\u3000"])
def test_empty_name_is_refused(label, name):
    with pytest.raises(PromptError, match="d: class 'k' has an empty name"):
        check_class_names([label(name, key="k")], where="d")


def test_no_name_is_refused():
    with pytest.raises(PromptError, match="class 'k' has no name"):
        check_class_names([ClassLabel(key="k", names=())])


def test_name_that_is_not_unicode_is_refused(label):
    with pytest.raises(PromptError, match=r"class 'caf\\udce9' is not valid Unicode"):
        check_class_names([label("caf\udce9")])


@given(st.lists(st.text(max_size=8), max_size=6))
def test_any_names_give_notices_about_them_or_a_prompt_error(class_names):
    classes = [ClassLabel(key=str(i), names=(name,)) for i, name in enumerate(class_names)]
    try:
        notices = check_class_names(classes)
    except PromptError:
        return
    assert len(set(codes(notices))) == len(notices)
    assert len({name.casefold() for name in class_names}) == len(class_names)
