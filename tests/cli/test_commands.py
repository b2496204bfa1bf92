import json
import os
import shutil
import sys
from pathlib import Path
from typing import get_type_hints

import jsonschema
import pytest
from typer.models import OptionInfo

import clipeval as clipeval_package
from clipeval import api
from clipeval.cli import classify, compare, run

RUN = ("run", "--model", "tiny", "--dataset", "digits", "--limit", "10")
VERBS = (
    ("run",), ("validate",), ("classify",), ("report",), ("list",), ("doctor",), ("schema",), ("cache",),
    ("cache", "info"), ("cache", "clear"),
)  # fmt: skip


def assert_refused(ended, *texts):
    """One message on stderr, nothing on stdout, exit code 2."""
    assert ended.code == 2, ended
    assert ended.out == ""
    assert "Traceback" not in ended.err
    message = " ".join(ended.err.replace("│", " ").split())
    for text in texts:
        assert text in message


@pytest.mark.parametrize("verb", VERBS, ids=" ".join)
def test_help_has_an_example(clipeval, verb):
    ended = clipeval(*verb, "--help")
    assert ended.code == 0
    assert f"clipeval {' '.join(verb)}" in ended.out.partition("Example")[2]


def test_options_name_themselves():
    """typer 0.27 takes the metavar of an option without a name for its name."""
    for command in (run.run, run.validate, classify.classify, compare.compare):
        for name, hint in get_type_hints(command, include_extras=True).items():
            for info in getattr(hint, "__metadata__", ()):
                if isinstance(info, OptionInfo) and info.metavar:
                    assert info.default != ..., f"{command.__name__} {name}"


def test_version(clipeval):
    assert clipeval("--version").out.startswith("clipeval ")


class TestRun:
    def test_prints_results_on_stdout_and_nothing_else(self, clipeval, project):
        ended = clipeval(*RUN, "--template", "photo=a photo of the number {}", "--out", "out")
        assert (ended.code, ended.err) == (0, "")
        assert "digits" in ended.out
        assert "DONE, no gates set" in ended.out
        assert "out/report.html" in ended.out
        assert (project / "out" / "run.json").is_file()

    def test_one_bad_cell_makes_it_2_and_is_said_on_stderr(self, clipeval, project):
        broken = project / "broken"
        shutil.copytree(Path(clipeval_package.__file__).parent / "models" / "tiny", broken)
        (broken / "open_clip_model.safetensors").write_bytes(b"no weights")
        words = [*RUN, "--model", "local-dir:broken", "--template", "good=the {}", "--out", "out"]
        ended = clipeval(*words)
        assert ended.code == 2
        assert "ERROR (partial: some cells are missing)" in ended.out
        assert ended.err.startswith("error: digits/local-dir:broken/good: ")

    def test_a_prompt_that_is_too_long_is_refused_before_anything_is_written(
        self, clipeval, project
    ):
        long = "long=a {}" + " very" * 80
        ended = clipeval(*RUN, "--template", "good=the {}", "--template", long, "--out", "out")
        assert (ended.code, ended.out) == (2, "")
        assert "the model reads 32" in ended.err
        assert not (project / "out").exists()

    def test_a_gate_that_cannot_be_decided_is_said_on_stderr(self, clipeval, project):
        (project / "s.yaml").write_text(
            "suite: s\ndatasets: [few]\nmodels: [tiny]\ntemplates: {t: '{}'}\n"
            "gates: {top5: {min: 0.1}}\n"
        )
        (project / "datasets.yaml").write_text(
            "few: {source: sklearn-digits, classes: [one, two], limit: 6}\n"
        )
        ended = clipeval("run", "s.yaml")
        assert ended.code == 2
        assert ended.err.startswith("error: few/tiny/t: top5")

    def test_a_failed_gate_makes_it_1(self, clipeval, project):
        (project / "s.yaml").write_text(
            "suite: s\ndatasets: [digits]\nmodels: [tiny]\ntemplates: {wrong: '{}'}\n"
            "gates: {nll: {max: 0.0000001}}\n"
        )
        ended = clipeval("run", "s.yaml", "--limit", "10", "--no-cache")
        assert ended.code == 1
        assert "FAIL" in ended.out
        assert (project / "reports" / "s" / "run.json").is_file()
        assert not (project / "cache").exists()

    def test_broken_images_are_refused_by_name(self, clipeval, project, photos):
        ended = clipeval("run", "--model", "tiny", "--dataset", "photos", "--template", "a {}")
        assert_refused(ended, "2 of 6 images cannot be read", "red/1.png", "blue/2.png")
        assert not (project / "reports").exists()

    def test_broken_images_are_counted_where_the_data_set_says_skip(
        self, clipeval, project, photos
    ):
        (project / "datasets.yaml").write_text(
            "mine: {source: folder, path: photos, on_error: skip}\n"
        )
        ended = clipeval("run", "--model", "tiny", "--dataset", "mine", "--template", "a {}")
        assert ended.code == 0
        assert "4 (+2 failed)" in ended.out
        record = json.loads((project / "reports" / "adhoc" / "run.json").read_text())
        dataset = record["cells"][0]["dataset"]
        assert dataset["n_expected"] == dataset["n_images"] + dataset["n_failed"] == 6

    @pytest.mark.parametrize(
        ("words", "texts"),
        [
            (("run", "none.yaml"), ("none.yaml: no such suite file",)),
            (("run",), ("needs --model, --dataset, --template",)),
            ((*RUN, "--template", "a photo"), ("--template 'a photo'",)),
            ((*RUN, "--template", "a {}", "--device", "cuda:77"), ("cuda:77",)),
            ((*RUN, "--template", "a {}", "--device", "gpu"), ("unknown device 'gpu'",)),
            ((*RUN, "--template", "a {}", "--precision", "fp8"), ("--precision", "fp8")),
            ((*RUN, "--template", "a {}", "--limit", "0"), ("Usage: clipeval run", "--limit")),
            ((*RUN, "--template", "a {}", "--batch-size", "0"), ("--batch-size",)),
            ((*RUN, "--template", "a {}", "--engine", "ray"), ("--engine",)),
            ((*RUN, "--template", "a {}", "--colour", "x"), ("No such option", "--colour")),
            (
                ("run", "--model", "tiny", "--dataset", "digit", "--template", "a {}"),
                ("'digit' names no data set (did you mean 'digits'?)",),
            ),
            (
                ("run", "--model", "Vit-B-32/openai", "--dataset", "digits", "--template", "a {}"),
                ("did you mean 'ViT-B-32",),
            ),
        ],
    )
    def test_bad_input_is_one_message_and_2(self, clipeval, project, words, texts):
        assert_refused(clipeval(*words), *texts)
        assert not (project / "reports").exists()


class TestHostileNames:
    def test_reach_neither_the_terminal_nor_rich(self, clipeval, project, photos):
        for name in ("1.png", "2.png"):
            for folder in photos.iterdir():
                (folder / name).unlink()
        (photos / "red").rename(photos / "[red]\x1b[2Jx[bold]")
        ended = clipeval("run", "--model", "tiny", "--dataset", "photos", "--template", "a {}")
        assert ended.code == 0
        folder = photos / "[red]\x1b[2Jx[bold]"
        (folder / "0.png").write_bytes(b"")
        ended = clipeval("run", "--model", "tiny", "--dataset", "photos", "--template", "a {}")
        assert_refused(ended, "[red]\ufffd[2Jx[bold]/0.png")
        assert "\x1b" not in ended.err

    def test_in_classify_are_printed_as_they_are(self, clipeval, image):
        words = ("--class", "[red]", "--class", "[/]", "--class", "\x1b]0;title\x07")
        ended = clipeval(
            "classify", image, "--model", "tiny", *words, "--template", "a {}", "--explain"
        )
        assert ended.code == 0
        assert "[red]" in ended.out
        assert "[/]" in ended.out
        assert "\x1b" not in ended.out
        assert "\x07" not in ended.out

    @pytest.mark.skipif(sys.platform != "linux", reason="other systems refuse such names")
    def test_bytes_that_are_no_text_are_replaced_or_escaped(self, clipeval, image):
        odd = image.with_name(os.fsdecode(b"caf\xe9\xc2\x9b.png"))
        image.rename(odd)
        words = ("classify", odd, "--model", "tiny", "--prompt", "a", "b")
        assert "caf\ufffd\ufffd.png" in clipeval(*words).out
        ended = clipeval(*words, "--json")
        assert json.loads(ended.out)["images"][0]["path"] == str(odd)
        ended.out.encode("ascii")


class TestClassify:
    def test_takes_a_list_after_class(self, clipeval, image):
        words = ("--class", "ramen", "pizza", "cola", "--template", "a photo of {}", "--json")
        ended = clipeval("classify", image, "--model", "tiny", *words)
        assert (ended.code, ended.err) == (0, "")
        ranking = json.loads(ended.out)["images"][0]["ranking"]
        assert {entry["label"] for entry in ranking} == {"ramen", "pizza", "cola"}

    def test_explains_as_json_and_as_tables(self, clipeval, image):
        words = (
            "classify",
            image,
            "--model",
            "tiny",
            "--prompt",
            "a photo of ramen",
            "cola",
            "--explain",
        )
        answer = json.loads(clipeval(*words, "--json").out)
        assert answer["prompts"][0]["token_ids"] == [49406, 320, 1125, 539, 18892, 49407]
        assert answer["images"][0]["steps"][0]["shape"] == [40, 50, 3]
        tables = clipeval(*words).out
        assert "49406 320 1125 539 18892 49407" in tables
        assert "40 x 50 x 3" in tables
        assert "softmax over the candidates" in tables

    def test_notes_go_to_stderr(self, clipeval, image):
        ended = clipeval("classify", image, "--model", "tiny", "--class", "a", "b", "--json")
        assert "default-template" in ended.err
        json.loads(ended.out)

    @pytest.mark.parametrize(
        ("words", "text"),
        [
            (("--class", "a", "a"), "'a' is given twice"),
            ((), "got neither"),
            (("--class", "a", "--prompt", "b"), "got both"),
            (("--prompt", "a" + " very" * 80, "b"), "command line"),
            (("--class", "a", "b", "--top", "0"), "--top"),
        ],
    )
    def test_bad_candidates_are_refused(self, clipeval, image, words, text):
        assert_refused(clipeval("classify", image, "--model", "tiny", *words), text)

    def test_an_unreadable_image_is_refused(self, clipeval):
        ended = clipeval("classify", "none.jpg", "--model", "tiny", "--prompt", "a", "b", "--json")
        assert_refused(ended, "1 of 1 images cannot be read", "none.jpg: no such file")


class TestOtherVerbs:
    def test_validate_says_ok_for_every_suite_here(self, clipeval, project):
        (project / "suites").mkdir()
        text = "suite: s\ndatasets: [digits]\nmodels: [tiny]\ntemplates: {t: 'a {}', u: 'A  {}'}\n"
        (project / "suites" / "s.yaml").write_text(text)
        ended = clipeval("validate")
        assert ended.code == 0
        assert "suite 's', 2 cells" in ended.out

    def test_validate_names_the_line(self, clipeval, project):
        (project / "s.yaml").write_text("suite: s\ndatasets: [digit]\nmodels: [tiny]\n")
        assert_refused(clipeval("validate", "s.yaml"), "s.yaml:2:", "did you mean 'digits'")

    @pytest.mark.parametrize("name", ["suite", "datasets", "run"])
    def test_schema_prints_a_schema_and_nothing_else(self, clipeval, name):
        ended = clipeval("schema", name)
        assert ended.err == ""
        jsonschema.Draft202012Validator.check_schema(json.loads(ended.out))

    def test_list_datasets(self, clipeval):
        ended = clipeval("list", "datasets", "ink")
        assert "ink-colour" in ended.out
        assert "background-colour" not in ended.out

    def test_list_models(self, clipeval):
        ended = clipeval("list", "models", "ViT-B-32/openai")
        assert "QuickGELU" in ended.out
        assert "tiny" not in ended.out

    def test_list_templates(self, clipeval):
        assert "@openai-imagenet" in clipeval("list", "templates").out

    def test_list_suites(self, clipeval, project):
        (project / "suites").mkdir()
        text = "suite: food\ndatasets: [digits]\nmodels: [tiny]\ntemplates: {t: 'a {}'}\n"
        (project / "suites" / "s.yaml").write_text(text)
        assert "food" in clipeval("list", "suites").out

    def test_cache_is_measured_and_cleared(self, clipeval, project):
        clipeval(*RUN, "--template", "a {}")
        # 10 images, the prompts of 10 classes, and their tokens.
        assert "30 entries in 3 packs, 0.0 MB of at most 5,000 MB" in clipeval("cache", "info").out
        assert list((project / "cache" / "remembered").iterdir())
        assert "removed" in clipeval("cache", "clear").out
        assert (api.cache_info().n_packs, api.cache_info().n_entries) == (0, 0)
        assert not list((project / "cache").iterdir())

    def test_doctor_names_devices_and_packages(self, clipeval):
        ended = clipeval("doctor")
        assert ended.code == 0
        assert "cpu" in ended.out
        assert "open_clip_torch" in ended.out

    def test_report_of_no_run_is_refused(self, clipeval, project):
        assert_refused(clipeval("report", "nowhere"), "nowhere")
