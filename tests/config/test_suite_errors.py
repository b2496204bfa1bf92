"""Every mistake in a suite is one line: file, line, column, what, and what is expected."""

from __future__ import annotations

from collections.abc import Callable

import pytest

Problems = Callable[[str | bytes], list[str]]

HEAD = 'suite: s\ndatasets: [digits]\nmodels: [tiny]\ntemplates:\n  photo: "a photo of {}"\n'


def with_datasets(text: str) -> str:
    return HEAD.replace("[digits]", text)


def with_models(text: str) -> str:
    return HEAD.replace("[tiny]", text)


def with_template(text: str) -> str:
    return HEAD.replace('"a photo of {}"', text)


@pytest.mark.parametrize(
    ("content", "place", "words"),
    [
        (HEAD + "templatse: 3\n", "6:1", ["unknown key 'templatse'", "did you mean 'templates'"]),
        (HEAD + "suite: t\n", "6:1", ["duplicate key 'suite'", "1:1"]),
        (HEAD + "7: 3\n", "6:1", ["key '7'", 'quotes: "7"']),
        (HEAD + "no: 3\n", "6:1", ["'no'", "true or false", "quotes"]),
        (HEAD + "? [a]\n: 3\n", "6:3", ["expected text before the ':'"]),
        (HEAD + "batch_size:\n", "6:12", ["no value here"]),
        (HEAD + "batch_size: null\n", "6:13", ["no value here"]),
        (HEAD + "batch_size: 0\n", "6:13", ["got the number 0", "at least 1"]),
        (HEAD + 'batch_size: "8"\n', "6:13", ["got '8'", "a whole number"]),
        (HEAD + "batch_size: 8.5\n", "6:13", ["8.5", "a whole number"]),
        (HEAD + "batch_size: true\n", "6:13", ["got true", "a whole number"]),
        (HEAD + f"batch_size: {'9' * 5000}\n", "6:13", ["number", "at most 30 characters"]),
        (HEAD + "gates: {top1: {min: 1e999}}\n", "6:21", ["a finite number"]),
        (HEAD + "devices: [gpu]\n", "6:11", ["got 'gpu'", "auto, cpu, cuda, cuda:N or mps"]),
        (HEAD + "devices: [cpu, cpu]\n", "6:16", ["'cpu' is already on line 6"]),
        (HEAD + "precisions: [f16]\n", "6:14", ["got 'f16'", "did you mean 'fp16'"]),
        (HEAD.replace("suite: s", "suite: My Suite"), "1:8", ["'My Suite'", "lower-case letters"]),
        (HEAD.replace("suite: s", "suite: 1.10"), "1:8", ["the number 1.1", "quotes"]),
        (HEAD.replace("suite: s\n", ""), "1:1", ["missing key 'suite'"]),
        (HEAD + "description: &a x\n", "6:14", ["anchor '&a'"]),
        (HEAD + "batch_size: *a\n", "6:13", ["alias '*a'"]),
        (HEAD + "<<: {a: 1}\n", "6:1", ["merge key '<<'"]),
        (HEAD + "description: !!str 5\n", "6:14", ["tag '!!str'"]),
        (HEAD + "description: !!python/name:os.system x\n", "6:14", ["tag '!!python/name"]),
        (HEAD + "---\na: 1\n", "6:1", ["a second document"]),
        (HEAD + "gates:\n\ttop1: 1\n", "7:1", ["a tab", "spaces"]),
        (HEAD + "gates: {top1: [\n", "7:1", ["not valid YAML"]),
        (HEAD + 'description: "\\UFFFFFFFF"\n', "6:17", ["not valid YAML", "out of range"]),
        (HEAD + 'description: "a\\0b"\n', "6:14", ["control character"]),
        (HEAD + 'description: "\\uD800"\n', "6:14", ["control character"]),
        (HEAD + "description: \x07\n", "6:14", ["control character"]),
        (HEAD + "a: " + "[" * 50, "6:20", ["nested too deeply"]),
        ("%TAG ! !a\n---\n" + HEAD, "1:1", ["% directive"]),
    ],
)
def test_keys_values_and_yaml_surprises_are_located(
    problems_of: Problems, content: str, place: str, words: list[str]
) -> None:
    (line,) = problems_of(content)
    assert line.startswith(f"s.yaml:{place}: ")
    assert [word for word in words if word not in line] == []


@pytest.mark.parametrize(
    ("written", "reason"),
    [
        ("no", "true or false"),
        ("Yes", "true or false"),
        ("on", "true or false"),
        ("y", "true or false"),
        ("3:25", "base 60"),
        ("010", "octal"),
        ("0x1F", "another base"),
        ("1_000", "underscores"),
        (".inf", "not finite"),
        (".NaN", "not finite"),
        ("2024-01-01", "a date"),
        ("true", "write it in quotes"),
        ("12", "write it in quotes"),
        ("1e3", "write it in quotes"),
    ],
)
def test_text_that_yaml_may_read_as_something_else_must_be_quoted(
    problems_of: Problems, written: str, reason: str
) -> None:
    (line,) = problems_of(HEAD + f"description: {written}\n")
    assert line.startswith("s.yaml:6:14: ")
    assert reason in line
    assert "quotes" in line


@pytest.mark.parametrize(
    ("content", "place", "words"),
    [
        (with_template("{}"), "5:10", ['write "{}"']),
        (with_template("{} photo"), "5:13", ["double quotes"]),
        (with_template("[a photo of {}, b]"), "5:22", ["double quotes"]),
        (with_template("a photo: of {}"), "5:17", ["double quotes"]),
        (with_template("@openai-imagenet"), "5:10", ['"@openai-imagenet"']),
        (with_template('"@openai-imagnet"'), "5:10", ["did you mean '@openai-imagenet'"]),
        (with_template('"a photo"'), "5:10", ["no placeholder"]),
        (with_template('""'), "5:10", ["empty text"]),
        (with_template('{class_prompts: {a: [" "]}}'), "5:31", ["' '", "more than blanks"]),
        (with_template("[]"), "5:10", ["an empty list", "at least 1"]),
        (with_template('["{}", "@openai-imagenet"]'), "5:17", ["a named set stands alone"]),
        (with_template('["{}", "photo"]'), "5:17", ["no placeholder"]),
        (with_template("7"), "5:10", ["the number 7", "expected text with one {}"]),
        (with_template('{prompts: "{}", class_prompts: {a: [b]}}'), "5:10", ["exactly one of"]),
        (with_template("{datasets: [digits]}"), "5:10", ["got none of them", "exactly one of"]),
        (with_template('{prompt: "{}", prompts: "{}"}'), "5:11", ["did you mean 'prompts'"]),
        (with_template('{prompts: "{}", datasets: [digts, digits]}'), "5:37", ["'digits'"]),
        (with_template("{class_prompts: {a: b}}"), "5:30", ["got 'b'", "write [b]"]),
        (with_template("{class_prompts_file: no.json}"), "5:31", ["no.json", "no such file"]),
        (HEAD + '  "g h": "{}"\n', "6:3", ["'g h'", "letters, digits"]),
        (with_models("tiny"), "3:9", ["got 'tiny'", "write [tiny]"]),
        (with_models("[tiney]"), "3:10", ["'tiney' does not name a model", "did you mean 'tiny'"]),
        (with_models("[tiny, tiny]"), "3:16", ["'tiny' is already on line 3"]),
        (with_models("[3]"), "3:10", ["got the number 3", "ViT-B-32/openai"]),
        (with_models("[{id: a, nam: tiny, name: tiny}]"), "3:18", ["did you mean 'name'"]),
        (with_models("[{id: a, name: ViT-B-32}]"), "3:10", ["does not name a model"]),
        (with_models("[{id: a, name: b, checkpoint: c.pt}]"), "3:10", ["quick_gelu"]),
        (with_models("[{id: a, name: b, random: false}]"), "3:35", ["got false", "expected true"]),
        (
            with_models("[{id: a, name: b, pretrained: c, random: true}]"),
            "3:10",
            ["pretrained and random"],
        ),
        (with_models("['local-dir:~nobody-here/x']"), "3:10", ["not a usable folder"]),
        (with_datasets("[digit]"), "2:12", ["unknown data set 'digit'", "did you mean 'digits'"]),
        (with_datasets("[digits, digits]"), "2:20", ["'digits' is already on line 2"]),
        (with_datasets("[]"), "2:11", ["an empty list"]),
    ],
)
def test_templates_models_and_data_sets_are_checked(
    problems_of: Problems, content: str, place: str, words: list[str]
) -> None:
    (line,) = problems_of(content)
    assert line.startswith(f"s.yaml:{place}: ")
    assert [word for word in words if word not in line] == []


TWO_QUESTIONS = (
    "suite: s\ndatasets: [digits, ink-colour]\nmodels: [tiny]\ntemplates:\n"
    '  photo: {prompts: "a photo of {}", datasets: [digits]}\n'
    '  ink: {prompts: "written in {}", datasets: [ink-colour]}\n'
)


@pytest.mark.parametrize(
    ("more", "place", "words"),
    [
        ("reference: {template: phot}", "7:23", ["template id 'phot'", "did you mean 'photo'"]),
        ("reference: {template: photo}", "7:23", ["does not apply to ink-colour"]),
        ("reference: {template: {digit: photo}}", "7:24", ["'digit'", "did you mean 'digits'"]),
        ("reference: {template: {digits: ink}}", "7:32", ["template of 'digits' 'ink'"]),
        ("reference: {template: 3}", "7:23", ["the number 3", "template id"]),
        ("reference: {model: tny}", "7:20", ["model id 'tny'", "did you mean 'tiny'"]),
        ("gates: {topl: {min: 0.5}}", "7:9", ["got 'topl'", "did you mean 'top"]),
        ("gates: {top1: {mni: 0.5, max: 1}}", "7:16", ["did you mean 'min'"]),
        ("gates: {top1: {}}", "7:15", ["a gate without a limit"]),
        ("gates: {top1: {min: 85}}", "7:21", ["between 0 and 1", "did you mean 0.85"]),
        ("gates: {brier: {max: 2.5}}", "7:22", ["between 0 and 2"]),
        ("gates: {nll: {max: -1}}", "7:20", ["at least 0"]),
        ("gates: {top1: {min: 0.9, max: 0.1}}", "7:15", ["min 0.9 is above max 0.1"]),
        ("gates: {top1: {min: true}}", "7:21", ["got true", "a number"]),
        ("gates: top1", "7:8", ["got 'top1'", "{metric: {min, max, max_drop, ...}}"]),
        ("gates: [{min: 0.5}]", "7:9", ["missing key 'metric'"]),
        ("gates: [{metric: top1, min: 0.5, models: [tin]}]", "7:43", ["'tin'", "'tiny'"]),
        (
            "gates: [{metric: top1, min: 0.5, datasets: [digits], templates: [ink]}]",
            "7:9",
            ["applies to no cell"],
        ),
    ],
)
def test_names_and_gates_are_checked_against_the_suite(
    problems_of: Problems, more: str, place: str, words: list[str]
) -> None:
    (line,) = problems_of(f"{TWO_QUESTIONS}{more}\n")
    assert line.startswith(f"s.yaml:{place}: ")
    assert [word for word in words if word not in line] == []


def test_a_data_set_without_template_is_an_error(problems_of: Problems) -> None:
    (line,) = problems_of(TWO_QUESTIONS.replace("[ink-colour]", "[digits]"))
    assert line.startswith("s.yaml:2:20: no template applies to 'ink-colour'")


def test_all_mistakes_of_a_file_are_listed_in_its_order(problems_of: Problems) -> None:
    lines = problems_of(
        "suite: S\ndatasets: [digit]\nmodels: [tinny]\ntemplates:\n"
        '  photo: "a photo"\nreference: {template: phot}\nbatch_size: no\nextra: 1\n'
    )
    assert [line.split(": ")[0] for line in lines] == [
        "s.yaml:1:8",
        "s.yaml:2:12",
        "s.yaml:3:10",
        "s.yaml:5:10",
        "s.yaml:7:13",
        "s.yaml:8:1",
    ]


def test_a_hundred_mistakes_are_cut_off_with_their_number(problems_of: Problems) -> None:
    lines = problems_of(HEAD + "".join(f"key{i}: 1\n" for i in range(100)))
    assert len(lines) == 41
    assert lines[-1] == "s.yaml: and 60 more problems"


def test_a_long_value_is_shortened_in_the_message(problems_of: Problems) -> None:
    (line,) = problems_of(HEAD + f"devices: [{'x' * 5000}]\n")
    assert "xxx...'" in line
    assert len(line) < 300


@pytest.mark.parametrize(
    ("raw", "place", "words"),
    [
        (b"", "1:1", "empty"),
        (b"# nothing\n\n", "1:1", "empty"),
        (b"---\n", "1:1", "empty"),
        (b"- a\n", "1:1", "a list"),
        (b"hello\n", "1:1", "a single value"),
        (HEAD.encode("utf-16"), "1:1", "UTF-16"),
        (HEAD.encode("utf-16-le"), "1:2", "NUL byte"),
        (HEAD.encode("utf-32"), "1:1", "UTF-32"),
        (HEAD.encode("utf-8-sig"), "1:1", "byte order mark"),
        (HEAD.encode() + "description: café\n".encode("latin-1"), "6:17", "0xe9"),
        (HEAD.encode() + b"\0", "6:1", "NUL byte"),
        (b"\x89PNG\r\n\x1a\n", "1:1", "not UTF-8"),
    ],
)
def test_files_that_are_no_suite_are_refused(
    problems_of: Problems, raw: bytes, place: str, words: str
) -> None:
    (line,) = problems_of(raw)
    assert line.startswith(f"s.yaml:{place}: ")
    assert words in line


def test_a_file_of_50_mb_is_refused_unread(problems_of: Problems) -> None:
    (line,) = problems_of(b"a" * 50_000_000)
    assert line == "s.yaml: the file is too large; got 50.0 MB, expected at most 1 MB of text"


def test_messages_show_unprintable_characters_as_escapes(problems_of: Problems) -> None:
    (line,) = problems_of(with_template("@a\u200bb"))
    assert "@a\\u200bb" in line
