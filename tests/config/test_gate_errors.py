"""Gates that cannot be decided, or that say nothing, are refused with their place."""

from __future__ import annotations

from collections.abc import Callable

import pytest

Problems = Callable[[str | bytes], list[str]]

HEAD = (
    "suite: s\ndatasets: [digits, ink-colour]\nmodels: [tiny, RN50/random]\ntemplates:\n"
    '  photo: {prompts: "a photo of {}", datasets: [digits]}\n'
    '  bare: {prompts: "{}", datasets: [digits]}\n'
    '  ink: {prompts: "written in {}", datasets: [ink-colour]}\n'
)
REFERENCE = "reference: {template: {digits: photo}, model: tiny}\n"
DROP = "{metric: top1, max_drop: 0.1, against: "


def check(lines: list[str], place: str, words: list[str]) -> None:
    (line,) = lines
    assert line.startswith(f"s.yaml:{place}: ")
    assert [word for word in words if word not in line] == []


@pytest.mark.parametrize(
    ("limits", "column", "words"),
    [
        ("{}", 15, ["a gate without a limit", "min, max, max_drop, max_negative_flip_rate"]),
        ("{against: baseline}", 15, ["a gate without a limit"]),
        ("{max_drop: -0.1}", 26, ["got the number -0.1", "at least 0"]),
        ("{max_drop: 1}", 26, ["the number 1;", "below 1", "did you mean 0.01?"]),
        ("{max_drop: 2}", 26, ["the number 2;", "did you mean 0.02?"]),
        ("{max_drop: 1.5}", 26, ["did you mean 0.015?"]),
        ("{max_drop: '1%'}", 26, ["got '1%'", "a number"]),
        ("{max_drop: true}", 26, ["got true", "a number"]),
        ("{max_drop: .inf}", 26, ["not finite"]),
        ("{max_negative_flip_rate: 2}", 40, ["the number 2;", "did you mean 0.02?"]),
        ("{max_negative_flip_rate: -1}", 40, ["at least 0"]),
        ("{max_dorp: 0.1, min: 0.5}", 16, ["'max_dorp'", "did you mean 'max_drop'"]),
        ("{max_drop: 0.1, against: basline}", 40, ["got 'basline'", "did you mean 'baseline'"]),
        ("{max_drop: 0.1, on_inconclusive: pass}", 48, ["got 'pass'", "'warn' or 'fail'"]),
        ("{min: 0.5, against: baseline}", 26, ["against says nothing", "add max_drop"]),
        ("{max: 0.5, on_inconclusive: fail}", 26, ["on_inconclusive says nothing"]),
        ("{min: 0.5, classes: all}", 26, ["unknown key 'classes'"]),
    ],
)
def test_tolerances_are_fractions_and_options_need_one(
    problems_of: Problems, limits: str, column: int, words: list[str]
) -> None:
    check(problems_of(f"{HEAD}gates: {{top1: {limits}}}\n"), f"8:{column}", words)


@pytest.mark.parametrize("value", ["100", "250"])
def test_no_tolerance_is_suggested_that_would_be_refused_too(
    problems_of: Problems, value: str
) -> None:
    (line,) = problems_of(f"{HEAD}gates: {{top1: {{max_drop: {value}}}}}\n")
    assert line.endswith("expected a fraction, at least 0 and below 1")


@pytest.mark.parametrize("metric", ["nll", "brier", "ece"])
def test_a_drop_of_what_should_be_small_is_refused_and_max_suggested(
    problems_of: Problems, metric: str
) -> None:
    (line,) = problems_of(f"{HEAD}gates:\n  {metric}: {{max_drop: 0.1}}\n")
    assert line == (
        f"s.yaml:9:{len(metric) + 6}: max_drop is not for {metric}, of which less is better; "
        "expected one of top1, top5, mean_per_class_recall, balanced_accuracy, macro_precision, "
        f"macro_recall, macro_f1: limit {metric} with max"
    )


@pytest.mark.parametrize(
    ("gate", "column", "words"),
    [
        (
            "{metric: top5, max_negative_flip_rate: 0.1}",
            19,
            ["max_negative_flip_rate is not for top5", "expected top1"],
        ),
        (
            "{metric: recall, classes: all, max_negative_flip_rate: 0.1}",
            35,
            ["not for recall", "expected top1"],
        ),
        (
            "{metric: precision, classes: all, max_drop: 0.1}",
            38,
            ["max_drop is not for precision", "expected recall"],
        ),
        ("{metric: recall, min: 0.5}", 13, ["class by class", "all, or a list of class names"]),
        ("{metric: precision, max_drop: 0.5}", 13, ["class by class"]),
        ("{metric: top1, classes: all, min: 0.5}", 19, ["not for top1", "recall or precision"]),
        ("{metric: nll, classes: [a], max_drop: 0.5}", 18, ["classes are not for nll"]),
        ("{metric: recall, classes: [], min: 0.5}", 30, ["an empty list", "at least 1"]),
        ("{metric: recall, classes: [a, b, a], min: 0.5}", 37, ["'a' is already item 1"]),
        ("{metric: recall, classes: [a, 3], min: 0.5}", 34, ["the number 3", "in quotes"]),
        ("{metric: recall, classes: [' '], min: 0.5}", 31, ["more than blanks"]),
        ("{metric: recall, classes: pizza, min: 0.5}", 30, ["got 'pizza'", "all, or a list"]),
        ("{metric: recall, classes: All, min: 0.5}", 30, ["got 'All'", "all, or a list"]),
        ("{metric: recall, classes: {a: 1}, min: 0.5}", 30, ["a mapping", "all, or a list"]),
        ("{metric: recall, classes: all, min: 60}", 40, ["recall lies", "did you mean 0.6?"]),
        ("{metric: recal, classes: all, min: 0.6}", 13, ["'recal'", "did you mean 'recall'"]),
        (
            "{metric: recall, classes: all, min: 0.6, against: baseline}",
            45,
            ["against says nothing"],
        ),
        ("{metric: top1, min: 0.5, cells: []}", 36, ["an empty list", "at least 1"]),
        ("{metric: top1, min: 0.5, cells: digits/tiny/photo}", 36, ["a list", "write ["]),
    ],
)
def test_metrics_take_only_the_limits_that_they_have(
    problems_of: Problems, gate: str, column: int, words: list[str]
) -> None:
    check(problems_of(f"{HEAD}gates:\n - {gate}\n"), f"9:{column}", words)


def test_recall_in_the_mapping_form_points_to_the_list_form(problems_of: Problems) -> None:
    lines = problems_of(f"{HEAD}gates: {{recall: {{min: 0.6}}}}\n")
    words = ["class by class", "[{metric: recall, classes: all, min: 0.6}]"]
    check(lines, "8:9", words)


class TestReferences:
    """A gate against the reference needs one, and something else to hold against it."""

    @pytest.mark.parametrize(
        ("gate", "place", "words"),
        [
            (
                DROP + "reference_template}",
                "10:42",
                ["no reference template for ink-colour", "reference.template", "every data set"],
            ),
            (
                DROP + "reference_template, datasets: [digits], templates: [photo]}",
                "10:3",
                ["compares photo with itself; expected other templates too"],
            ),
            (
                DROP + "reference_template, cells: [ink-colour/tiny/ink]}",
                "10:42",
                ["no reference template for ink-colour"],
            ),
            (
                DROP + "reference_template, cells: [digits/tiny/photo]}",
                "10:3",
                ["compares photo with itself"],
            ),
            (
                DROP + "reference_model, models: [tiny]}",
                "10:3",
                ["compares tiny with itself; expected other models too"],
            ),
            (
                "{metric: recall, classes: all, max_drop: 0, against: reference_model, models: [tiny]}",
                "10:3",
                ["compares tiny with itself"],
            ),
            (
                "{metric: top1, max_negative_flip_rate: 0, against: reference_model, cells: [digits/tiny/bare]}",
                "10:3",
                ["compares tiny with itself"],
            ),
        ],
    )
    def test_are_there_and_are_not_all_that_is_compared(
        self, problems_of: Problems, gate: str, place: str, words: list[str]
    ) -> None:
        check(problems_of(f"{HEAD}{REFERENCE}gates:\n- {gate}\n"), place, words)

    @pytest.mark.parametrize("kind", ["template", "model"])
    def test_are_not_assumed(self, problems_of: Problems, kind: str) -> None:
        (line,) = problems_of(f"{HEAD}gates:\n- {DROP}reference_{kind}}}\n")
        assert line.startswith(f"s.yaml:9:42: no reference {kind}")
        assert f"reference.{kind}" in line

    def test_of_one_template_for_every_data_set_are_compared_with_themselves(
        self, problems_of: Problems
    ) -> None:
        both = HEAD.replace(", datasets: [digits]}\n  bare", "}\n  bare")
        reference = "reference: {template: photo}\n"
        gate = DROP + "reference_template, templates: [photo]}"
        lines = problems_of(f"{both}{reference}gates:\n- {gate}\n")
        check(lines, "10:3", ["compares photo with itself"])

    def test_that_are_wrong_are_not_reported_twice(self, problems_of: Problems) -> None:
        lines = problems_of(f"{HEAD}reference: 3\ngates:\n- {DROP}reference_model}}\n")
        check(lines, "8:12", ["a mapping"])


class TestCells:
    """Gates name cells by the ids that the suite's plan gives them."""

    @pytest.mark.parametrize(
        ("more", "place", "words"),
        [
            (
                "cells: [digits/tiny/photo, digits/tiny/foto]",
                "9:55",
                ["unknown cell id 'digits/tiny/foto'", "did you mean 'digits/tiny/photo'"],
            ),
            ("cells: [digits/tiny/ink]", "9:36", ["unknown cell id", "ink-colour/tiny/ink"]),
            ("cells: [digits/tiny/photo], templates: [bare]", "9:3", ["applies to no cell"]),
            ("cells: [digits/tiny/photo], models: [RN50/random]", "9:3", ["applies to no cell"]),
            ("cells: [digits/tiny/photo], datasets: [ink-colour]", "9:3", ["applies to no cell"]),
        ],
    )
    def test_exist_and_fit_the_other_lists(
        self, problems_of: Problems, more: str, place: str, words: list[str]
    ) -> None:
        check(problems_of(f"{HEAD}gates:\n- {{metric: top1, min: 0.5, {more}}}\n"), place, words)

    def test_of_several_settings_have_them_in_their_ids(self, problems_of: Problems) -> None:
        gate = "{metric: top1, min: 0.5, cells: [digits/tiny/photo]}"
        lines = problems_of(f"{HEAD}precisions: [fp32, bf16]\ngates:\n- {gate}\n")
        check(lines, "10:36", ["did you mean 'digits/tiny/photo@auto-"])

    def test_are_listed_up_to_twenty(self, problems_of: Problems) -> None:
        models = ", ".join(f"RN{n}/random" for n in range(10))
        gate = "{metric: top1, min: 0.5, cells: [x]}"
        (line,) = problems_of(
            f"{HEAD}gates:\n- {gate}\n".replace("[tiny, RN50/random]", f"[{models}]")
        )
        assert line.count("/random/") == 20
        assert line.endswith(", and 10 more")

    def test_of_a_suite_that_cannot_be_planned_are_not_guessed(self, problems_of: Problems) -> None:
        gate = "{metric: top1, min: 0.5, cells: [digits/a-b/c]}"
        lines = problems_of(
            "suite: s\ndatasets: [digits]\n"
            "models: [{id: a-b, name: tiny}, {id: a, name: tiny}]\n"
            f'templates: {{c: "{{}}", b-c: "a {{}}"}}\ngates:\n- {gate}\n'
        )
        check(lines, "3:9", ["two cells have the pytest name 'digits[a-b-c]'"])


def test_every_mistake_in_the_gates_is_listed(problems_of: Problems) -> None:
    lines = problems_of(
        f"{HEAD}gates:\n- {{metric: nll, max_drop: 0.1}}\n- {DROP}reference_model}}\n"
        "- {metric: recall, min: 0.5, templates: [foto]}\n"
    )
    assert [line.split(": ")[0] for line in lines] == [
        "s.yaml:9:17",
        "s.yaml:10:42",
        "s.yaml:11:12",
        "s.yaml:11:42",
    ]
