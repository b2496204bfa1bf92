from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clipeval.errors import PromptError
from clipeval.prompts import check_template, fill, template_id

any_text = st.text(st.characters() | st.sampled_from("{}c"), max_size=40)
plain_text = st.text(st.characters(exclude_characters="{}"), max_size=20)


class TestCheckTemplate:
    @pytest.mark.parametrize(
        "text",
        [
            "a photo of a {}",
            "a photo of a {c}",
            "{}",
            "{c}",
            "사진: {}",
            "a { lone brace and {}",
            "{}} is fine",
            'JSON {"a": 1} of {}',
            "a {two words} set of {}",
            "{😀} {}",
        ],
    )
    def test_one_placeholder_passes_and_other_braces_are_literal(self, text):
        check_template(text)

    @pytest.mark.parametrize("text", ["", " ", "\n\t"])
    def test_empty_is_refused(self, text):
        with pytest.raises(PromptError, match="the template is empty"):
            check_template(text)

    def test_no_placeholder_shows_where_one_could_stand(self):
        with pytest.raises(PromptError) as caught:
            check_template("a photo of a.")
        assert str(caught.value) == (
            "template 'a photo of a.' has no placeholder; "
            "write {} where the class name goes, as in 'a photo of a {}'"
        )

    @pytest.mark.parametrize("other", ["%s", "$name", "<class>", "[CLASS]", "%(name)s"])
    def test_placeholders_of_other_tools_are_named(self, other):
        with pytest.raises(PromptError, match=re.escape(f"write {{}} in place of '{other}'")):
            check_template(f"a photo of a {other}")

    @pytest.mark.parametrize("text", ["{} and {}", "{c} and {c}", "{} and {c}", "{}{}"])
    def test_two_placeholders_are_refused(self, text):
        with pytest.raises(PromptError, match="has 2 placeholders"):
            check_template(text)

    @pytest.mark.parametrize(
        "field",
        [
            "{0}",
            "{name}",
            "{class_name}",
            "{ }",
            "{ c }",
            "{C}",
            "{a.b}",
            "{a[0]}",
            "{!r}",
            "{:>9}",
            "{c:s}",
        ],
    )
    @pytest.mark.parametrize("rest", ["", " {}"])
    def test_format_fields_are_refused_with_what_to_write(self, field, rest):
        with pytest.raises(PromptError) as caught:
            check_template(f"a {field}{rest}")
        assert f"'{field}', which is not a placeholder; write {{}} or {{c}}" in str(caught.value)

    @pytest.mark.parametrize("escaped", ["{{}}", "{{c}}", "{{ }}"])
    def test_doubled_braces_are_refused(self, escaped):
        with pytest.raises(PromptError, match="braces need no doubling"):
            check_template(f"a {escaped}")

    def test_place_comes_first(self):
        with pytest.raises(PromptError, match=r"^s\.yaml:4: the template is empty"):
            check_template("", where="s.yaml:4")

    @given(any_text)
    def test_any_text_passes_or_is_a_prompt_error(self, text):
        try:
            check_template(text)
        except PromptError:
            return
        assert text.count("{}") + text.count("{c}") == 1


class TestFill:
    def test_words_around_stay(self):
        assert fill("a {c} in a video game.", "cat") == "a cat in a video game."

    @pytest.mark.parametrize(
        "name", ["{}", "{c}", "{0}", "{{}}", "\\1", "\\g<0>", "%s", "김치", "🍕"]
    )
    def test_class_name_goes_in_untouched(self, name):
        assert fill("a photo of {}!", name) == f"a photo of {name}!"

    @given(
        head=plain_text, placeholder=st.sampled_from(["{}", "{c}"]), tail=plain_text, name=any_text
    )
    def test_any_name_lands_between_head_and_tail(self, head, placeholder, tail, name):
        assert fill(f"{head}{placeholder}{tail}", name) == f"{head}{name}{tail}"

    def test_text_that_is_no_template_is_refused_rather_than_returned(self):
        with pytest.raises(PromptError, match="no placeholder"):
            fill("a photo", "cat")


class TestTemplateId:
    @pytest.mark.parametrize(
        ("text", "expected"),
        [
            ("a photo of a {}", "a-photo-of-a"),
            ("a photo of {c}, a type of food.", "a-photo-of-a-type-of-food"),
            ("{}", "class-name"),
            ("{}!", "class-name"),
            ("Café {}", "cafe"),
        ],
    )
    def test_words_become_a_slug(self, text, expected):
        assert template_id(text) == expected

    def test_templates_in_another_script_get_different_ids(self):
        ids = {
            template_id("{} 사진"),
            template_id("{} 그림"),
            template_id("{} 사진 photo"),
            template_id("{} 그림 photo"),
        }
        assert len(ids) == 4

    def test_long_templates_that_begin_alike_get_different_ids(self):
        long = "a very long description of an image that goes on and on showing a"
        assert template_id(f"{long} cat {{}}") != template_id(f"{long} dog {{}}")

    @given(any_text)
    def test_any_text_gives_a_short_portable_id(self, text):
        slug = template_id(text)
        assert re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", slug)
        assert len(slug) <= 48
