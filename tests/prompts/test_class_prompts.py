from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clipeval.errors import PromptError
from clipeval.prompts import ClassPrompts, render_prompts
from clipeval.records import ClassLabel, TemplateSpec

names = st.text(st.characters() | st.sampled_from("{}c_"), min_size=1, max_size=12)
classes_of_any_names = st.lists(
    st.builds(
        lambda all_names: ClassLabel(key=all_names[0], names=tuple(all_names)),
        st.lists(names, min_size=1, max_size=3),
    ),
    max_size=6,
)
templates = st.lists(
    st.sampled_from(["{}", "a photo of a {}", "{c}.", "a {} in a {lone", "사진 {}"]),
    min_size=1,
    max_size=4,
)


def per_class(mapping: dict[str, tuple[str, ...]], *, spec_id: str = "cupl") -> TemplateSpec:
    return TemplateSpec(id=spec_id, class_prompts=mapping)


class TestTemplates:
    def test_classes_are_in_order_and_templates_before_aliases(self, label, ensemble):
        rendered = render_prompts(
            ensemble("a {}", "the {c}"), [label("dog"), label("couch", "sofa")], where=""
        )
        assert rendered == ClassPrompts(
            class_names=("dog", "couch"),
            prompts=(("a dog", "the dog"), ("a couch", "a sofa", "the couch", "the sofa")),
        )

    def test_flat_and_per_class_are_views_of_the_same_prompts(self, label, ensemble):
        rendered = render_prompts(ensemble("{}"), [label("dog"), label("couch", "sofa")], where="")
        assert rendered.flat == ("dog", "couch", "sofa")
        assert rendered.per_class == (1, 2)

    def test_prompts_use_the_name_not_the_key(self, label, ensemble):
        rendered = render_prompts(ensemble("{}"), [label("foie gras", key="foie_gras")], where="")
        assert rendered.prompts == (("foie gras",),)

    @given(classes=classes_of_any_names, texts=templates)
    def test_every_class_has_templates_times_names_prompts(self, classes, texts):
        spec = TemplateSpec(id="t", templates=tuple(texts))
        rendered = render_prompts(spec, classes, where="")
        assert rendered.class_names == tuple(one.names[0] for one in classes)
        assert rendered.per_class == tuple(len(texts) * len(one.names) for one in classes)
        for one, prompts in zip(classes, rendered.prompts, strict=True):
            for position, prompt in enumerate(prompts):
                assert one.names[position % len(one.names)] in prompt

    def test_a_bad_template_is_refused_with_its_place(self, label, ensemble):
        with pytest.raises(PromptError, match=r"^s\.yaml:3: template 'photo' has no placeholder"):
            render_prompts(ensemble("photo"), [label("dog")], where="s.yaml:3")

    def test_a_class_without_a_name_is_refused(self, ensemble):
        with pytest.raises(PromptError, match="class 'x' has no name"):
            render_prompts(ensemble("{}"), [ClassLabel(key="x", names=())], where="")

    def test_neither_templates_nor_prompts_is_refused(self, label):
        with pytest.raises(PromptError, match="template 'none' is empty"):
            render_prompts(TemplateSpec(id="none"), [label("dog")], where="")

    def test_templates_and_prompts_together_are_refused(self, label):
        spec = TemplateSpec(id="both", templates=("{}",), class_prompts={"dog": ("a dog",)})
        with pytest.raises(PromptError, match="both templates and prompts per class"):
            render_prompts(spec, [label("dog")], where="")


class TestPromptsPerClass:
    def test_found_by_display_name_or_key_in_class_order(self, label):
        spec = per_class(
            {"n02": ("a wet dog", "a dog"), "foie gras": ("a plate",), "ramen": ("a bowl",)}
        )
        rendered = render_prompts(
            spec, [label("foie gras", key="foie_gras"), label("dog", key="n02")], where=""
        )
        assert rendered.class_names == ("foie gras", "dog")
        assert rendered.prompts == (("a plate",), ("a wet dog", "a dog"))

    def test_braces_stay_as_they_are(self, label):
        rendered = render_prompts(per_class({"dog": ("a {}",)}), [label("dog")], where="")
        assert rendered.prompts == (("a {}",),)

    def test_missing_classes_are_listed_with_near_misses(self, label):
        spec = per_class({"appel pie": ("a pie",), "ramen": ("soup",)})
        with pytest.raises(PromptError) as caught:
            render_prompts(
                spec, [label("apple pie"), label("ramen"), label("xyzzy")], where="s.yaml:9"
            )
        assert str(caught.value) == (
            "s.yaml:9: template 'cupl' has no prompts for 2 of 3 classes: "
            "'apple pie' (did you mean 'appel pie'?), 'xyzzy'; "
            "add an entry under the class's name or key, spelt exactly so"
        )

    def test_case_is_not_guessed(self, label):
        with pytest.raises(PromptError, match="no prompts for 1 of 1 classes"):
            render_prompts(per_class({"Dog": ("a dog",)}), [label("dog")], where="")

    def test_different_prompts_under_name_and_key_are_refused(self, label):
        spec = per_class({"dog": ("a dog",), "n02": ("a hound",)})
        with pytest.raises(
            PromptError, match=r"under 'dog' \(the name\) and different ones under 'n02'"
        ):
            render_prompts(spec, [label("dog", key="n02")], where="")

    def test_one_entry_for_two_classes_is_refused(self, label):
        spec = per_class({"crane": ("a crane",)})
        with pytest.raises(
            PromptError, match=r"both class 'crane' .* and class 'n03' .* would take them"
        ):
            render_prompts(spec, [label("bird", key="crane"), label("crane", key="n03")], where="")

    @pytest.mark.parametrize("prompts", [(), ("",), ("a dog", " ")])
    def test_empty_prompts_are_refused(self, label, prompts):
        with pytest.raises(PromptError, match="class 'dog': expected a list of prompts"):
            render_prompts(per_class({"dog": prompts}), [label("dog")], where="")
