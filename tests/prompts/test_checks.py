from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clipeval.errors import PromptError
from clipeval.prompts import (
    ClassPrompts,
    check_prompts,
    check_tokens,
    find_duplicate_templates,
    named_set,
    named_sets,
    render_prompts,
)
from clipeval.records import TemplateSpec


def words(prompt: str) -> tuple[int, ...]:
    """Tokenize as small cased models do: start, one id per lower-case word, end."""
    return (0, *(sum(word.encode()) for word in prompt.lower().split()), 1)


def of_classes(**prompts: tuple[str, ...]) -> ClassPrompts:
    return ClassPrompts(class_names=tuple(prompts), prompts=tuple(prompts.values()))


class TestArticles:
    def test_one_notice_lists_the_prompts(self, label, ensemble):
        spec = ensemble("a photo of a {}.", "an {c}", where="s.yaml:5")
        classes = [label("apple"), label("banana", "egg")]
        (notice,) = check_prompts(render_prompts(spec, classes, where=""), spec)
        assert notice.code == "article"
        assert notice.message == (
            "s.yaml:5: template 't': the article does not fit the class name in 3 prompts: "
            "'a photo of a apple.', 'a photo of a egg.', 'an banana'; "
            "choose a wording without a/an, such as 'a photo of the {}'"
        )

    @pytest.mark.parametrize("template", ["a photo of {}", "the {}", "a small {}", "{}", "a {}"])
    def test_fitting_articles_and_other_wordings_pass(self, label, ensemble, template):
        spec = ensemble(template)
        classes = [label("banana"), label("unicorn"), label("SUV")]
        assert check_prompts(render_prompts(spec, classes, where=""), spec) == ()

    def test_an_article_inside_the_class_name_is_its_own(self, label, ensemble):
        spec = ensemble("photo: {}")
        assert check_prompts(render_prompts(spec, [label("a apple")], where=""), spec) == ()

    def test_published_sets_are_left_as_they_are(self, label, ensemble):
        spec = ensemble(*named_set("openai-imagenet"), origin="@openai-imagenet")
        assert check_prompts(render_prompts(spec, [label("apple")], where=""), spec) == ()


class TestDuplicates:
    def test_template_repeated_in_an_ensemble_is_noticed(self, label, ensemble):
        spec = ensemble("the {}", "the  {c}", "this {}")
        (notice,) = check_prompts(render_prompts(spec, [label("dog")], where=""), spec)
        assert notice.code == "duplicate-template"
        assert notice.message.startswith("template 't' repeats 'the {}'; each repeat counts again")

    def test_prompts_repeated_within_a_class_are_counted(self, label):
        mapping = {"dog": ("wet", "wet", "wet", "dry"), "cat": ("wet", "dry")}
        spec = TemplateSpec(id="cupl", class_prompts=mapping)
        (notice,) = check_prompts(
            render_prompts(spec, [label("cat"), label("dog")], where=""), spec
        )
        assert notice.code == "duplicate-prompt"
        assert (
            "2 of 6 prompts repeat another one of their class (the first: 'wet' of class 'dog')"
            in notice.message
        )

    def test_placeholder_in_a_prompt_of_its_class_is_noticed(self, label):
        spec = TemplateSpec(id="cupl", class_prompts={"dog": ("a {}", "a dog")})
        (notice,) = check_prompts(render_prompts(spec, [label("dog")], where=""), spec)
        assert notice.code == "placeholder-in-prompt"
        assert "'a {}'; write the class name out" in notice.message

    def test_templates_with_equal_text_under_two_ids_are_noticed(self, ensemble):
        specs = [
            ensemble("a {}", "the {}", spec_id="one"),
            ensemble("a {}", spec_id="two"),
            ensemble("the {c}", "a  {}", spec_id="three", where="s.yaml:7"),
            ensemble("A {}", spec_id="four"),
        ]
        (notice,) = find_duplicate_templates(specs)
        assert notice.code == "duplicate-template"
        assert notice.message == (
            "s.yaml:7: templates 'one' and 'three' have the same text, so their results will be equal; "
            "remove one of them"
        )

    def test_equal_prompts_per_class_are_noticed(self):
        one = TemplateSpec(id="one", class_prompts={"dog": ("x", "y")})
        two = TemplateSpec(id="two", class_prompts={"dog": ("y", "x")})
        other = TemplateSpec(id="other", class_prompts={"dog": ("x",)})
        assert [notice.code for notice in find_duplicate_templates([one, other, two])] == [
            "duplicate-template"
        ]

    def test_repeats_count_when_ensembles_are_compared(self, ensemble):
        assert (
            find_duplicate_templates(
                [ensemble("{}", spec_id="a"), ensemble("{}", "{}", spec_id="b")]
            )
            == ()
        )

    def test_named_sets_of_different_data_sets_may_agree(self, ensemble):
        same = {
            name for name in named_sets() if set(named_set(name)) == set(named_set("clip-cifar10"))
        }
        assert same == {"clip-cifar10", "clip-cifar100"}


class TestTokens:
    def test_prompts_that_fit_exactly_pass(self):
        check_tokens(of_classes(dog=("a dog",), cat=("a cat",)), words, context_length=4, where="")

    def test_too_long_prompt_is_refused_with_all_numbers(self):
        prompts = of_classes(dog=("a dog", "a very big wet dog"), cat=("a very big cat",))
        with pytest.raises(PromptError) as caught:
            check_tokens(prompts, words, context_length=5, where="pets/tiny/long")
        assert str(caught.value) == (
            "pets/tiny/long: prompt 'a very big wet dog' has 7 tokens, but the model reads 5: 2 too many "
            "(1 more are too long as well); shorten the template or the class name, "
            "prompts are never cut silently"
        )

    def test_classes_with_identical_tokens_are_refused_by_name(self):
        prompts = of_classes(Crane=("a Crane",), dog=("a dog",), crane=("a  crane",))
        with pytest.raises(
            PromptError, match="classes 'Crane' and 'crane' have identical token sequences"
        ):
            check_tokens(prompts, words, context_length=9, where="")

    def test_order_and_repeats_do_not_tell_classes_apart(self):
        prompts = of_classes(one=("x", "y", "y"), two=("y", "x"))
        with pytest.raises(PromptError, match="'one' and 'two'"):
            check_tokens(prompts, words, context_length=9, where="")

    def test_classes_that_share_some_prompts_pass(self):
        check_tokens(of_classes(one=("x", "y"), two=("x", "z")), words, context_length=9, where="")

    def test_each_distinct_prompt_is_tokenized_once(self):
        asked: list[str] = []

        def counting(prompt: str) -> tuple[int, ...]:
            asked.append(prompt)
            return words(prompt)

        check_tokens(
            of_classes(one=("x", "y", "x"), two=("x", "z")), counting, context_length=9, where=""
        )
        assert asked == ["x", "y", "z"]

    def test_length_is_told_before_likeness(self):
        prompts = of_classes(one=("a b c",), two=("a b c",))
        with pytest.raises(PromptError, match=re.escape("1 too many; shorten")):
            check_tokens(prompts, words, context_length=4, where="")

    @given(
        st.lists(st.lists(st.text("ab ", max_size=6), min_size=1, max_size=3), max_size=5),
        st.integers(min_value=1, max_value=6),
    )
    def test_passes_exactly_when_all_fit_and_all_classes_differ(self, prompts, context_length):
        rendered = ClassPrompts(tuple(map(str, range(len(prompts)))), tuple(map(tuple, prompts)))
        fits = all(len(words(prompt)) <= context_length for prompt in rendered.flat)
        differ = len({frozenset(map(words, of_class)) for of_class in prompts}) == len(prompts)
        try:
            check_tokens(rendered, words, context_length=context_length, where="")
        except PromptError:
            assert not (fits and differ)
        else:
            assert fits
            assert differ
