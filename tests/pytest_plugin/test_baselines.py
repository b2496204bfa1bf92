"""`pytest suites/` against an accepted baseline, alone and under xdist."""

import json
import re
import shutil
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

import clipeval
from clipeval import api

GATES = "gates: {top1: {max_drop: 0.3}}\n"
WEIGHTS = "model/open_clip_model.safetensors"
CANDIDATE = """\
suite: candidate
datasets: [many-digits]
models: ["local-dir:../model"]
templates: {photo: "a photo of the number {}"}
gates:
  - {metric: top1, max_drop: 0.01}
  - {metric: recall, classes: all, min: 0.75}
"""
VARYING = ("environment", "created", "timings", "image_embeddings", "text_embeddings", "argv")


@pytest.fixture
def accept(project, monkeypatch):
    """Return a function that runs a suite as it is now, and accepts the run."""

    def run(name="small", **options):
        monkeypatch.chdir(project.path)
        (suite,) = api.load_suites([project.path / f"suites/{name}.yaml"])
        api.run(suite, project.path / f"accepted-{name}")
        return api.accept(project.path / f"accepted-{name}", **options).file

    return run


@pytest.fixture
def small(project, accept):
    """The small suite with a gate against its baseline, which is accepted."""
    project.write("suites/small.yaml", project.suite + GATES)
    return project.path / accept()


def text_of(record):
    """Return what two runs of the same suite have in common, as text."""

    def stable(value):
        if isinstance(value, dict):
            return {key: stable(one) for key, one in value.items() if key not in VARYING}
        return [stable(one) for one in value] if isinstance(value, list) else value

    record = stable(record)
    record["cells"].sort(key=lambda cell: cell["id"])
    record["planned_cells"].sort()
    record["comparisons"].sort(key=lambda one: one["candidate"])
    return json.dumps(record, indent=1)


def test_a_candidate_checkpoint_is_caught_with_its_classes_and_images(project, accept):
    project.write("datasets.yaml", "many-digits: {source: sklearn-digits, limit: 300}\n")
    project.write("suites/candidate.yaml", CANDIDATE)
    (project.path / "suites/small.yaml").unlink()
    shutil.copytree(Path(clipeval.__file__).parent / "models" / "tiny", project.path / "model")
    accept("candidate")
    good = load_file(project.path / WEIGHTS)
    random = torch.Generator().manual_seed(1)
    noisy = {
        name: value + 0.35 * value.std() * torch.randn(value.shape, generator=random)
        if value.ndim == 2
        else value
        for name, value in good.items()
    }

    save_file(noisy, project.path / WEIGHTS)
    result = project.run("suites")
    result.assert_outcomes(failed=1)
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    output = result.stdout.str()
    assert "Traceback" not in output
    assert ".py:" not in output
    cell = "many-digits/local-dir:../model/photo"
    start = result.outlines.index(f"{cell}: 1 of 2 gates failed")
    drop, images = result.outlines[start + 1 : start + 3]
    assert drop.startswith("  FAIL  top1 0.9")
    assert "a drop of more than 1 point" in drop
    assert "; classes that lost recall: " in drop
    assert drop.endswith("(against baseline)")
    assert re.match(r" {8}20 of \d+ images behind it: test/", images)
    record = project.record("reports/candidate")
    (comparison,) = record["comparisons"]
    assert (comparison["kind"], comparison["conclusion"]) == ("baseline", "worse")
    worst = min(comparison["per_class"], key=lambda one: one["adjusted_p"])
    assert worst["name"] in drop
    summary = (project.path / "reports/candidate/summary.md").read_text()
    assert summary.startswith("**FAIL** candidate")
    assert worst["name"] in summary

    save_file(good, project.path / WEIGHTS)
    project.run("suites").assert_outcomes(passed=1)
    record = project.record("reports/candidate")
    (comparison,) = record["comparisons"]
    assert (record["verdict"], comparison["conclusion"]) == ("pass", "same")
    assert (comparison["n_changed"], comparison["p_value"]) == (0, None)
    assert comparison["reproduction"]["is_within"]

    edited = CANDIDATE.replace("a photo of the number", "the numeral")
    project.write("suites/candidate.yaml", edited)
    project.run("suites")
    record = project.record("reports/candidate")
    (comparison,) = record["comparisons"]
    assert comparison["reproduction"] is None
    assert comparison["p_value"] is not None
    assert record["baseline"]["renamed_cells"] == record["baseline"]["missing_cells"] == []
    assert record["cells"][0]["gates"][0]["against"] == "baseline"


def test_a_cell_that_the_suite_lost_is_a_failed_test_although_every_other_passes(
    project, small, junit_suite
):
    text = (project.path / "suites/small.yaml").read_text()
    project.write("suites/small.yaml", text.replace(', bare: "{}"', ""))
    result = project.run("--junitxml=junit.xml")
    result.assert_outcomes(passed=1, failed=1)
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    result.stdout.fnmatch_lines(
        [
            "suites/small.yaml .* [[]100%[]]",
            "*_ digits[[]tiny-bare[]] _*",
            "suite 'small': *baselines/small.json has the cell 'digits/tiny/bare', *",
            "small: fail; report: *",
            "FAILED suites/small.yaml::digits[[]tiny-bare[]]*",
        ]
    )
    assert project.record()["verdict"] == "fail"
    suite = junit_suite(project.path / "junit.xml")
    assert {key: suite.get(key) for key in ("tests", "failures", "errors")} == {
        "tests": "2", "failures": "1", "errors": "0",
    }  # fmt: skip
    case = suite.findall("testcase")[1]
    assert (case.get("classname"), case.get("name")) == ("suites.small.yaml", "digits[tiny-bare]")
    assert "and the suite no longer does" in case.find("failure").get("message")


def test_a_renamed_cell_is_a_failed_test_that_last_failed_does_not_look_for(project, small):
    text = (project.path / "suites/small.yaml").read_text()
    project.write("suites/small.yaml", text.replace("bare:", "plain:"))
    lost = "suite 'small': 'digits/tiny/plain' is called 'digits/tiny/bare' in the baseline *"
    first = project.run()
    first.assert_outcomes(passed=1, failed=2)
    first.stdout.fnmatch_lines([lost])
    again = project.run("--lf")
    again.assert_outcomes(failed=2)
    again.stdout.fnmatch_lines(["run-last-failure: rerun previous 1 failure", lost])


def test_a_deselected_cell_is_no_lost_one_wherever_tests_wander(project, small):
    project.write(
        "suites/conftest.py",
        "import os, pytest\n\n@pytest.fixture(autouse=True)\ndef wander():\n    os.chdir('/')\n",
    )
    result = project.run("-k", "photo")
    assert result.ret == pytest.ExitCode.OK
    assert project.record()["baseline"]["skipped_cells"] == ["digits/tiny/bare"]


def test_options_name_a_baseline_a_margin_and_a_holdout(project, accept):
    accept(file=project.path / "elsewhere/small.json")
    result = project.run(
        "--clipeval-baseline=elsewhere", "--clipeval-margin=0.25", "--clipeval-holdout=0.5"
    )
    result.assert_outcomes(passed=2)
    record = project.record()
    assert record["baseline"]["source"].endswith("elsewhere/small.json")
    assert [(gate["kind"], gate["limit"]) for gate in record["cells"][0]["gates"]] == [
        ("max_drop", 0.25)
    ]
    (holdout,) = record["holdouts"]
    assert (holdout["fraction"], holdout["n_explored"] + holdout["n_held_out"]) == (0.5, 20)
    line = "holdout digits, tiny: '*' on 10 images with *; on the 10 held out it has *%, * [[]*] points against '*' (p *)"
    result.stdout.fnmatch_lines([line])


def test_a_missing_baseline_fails_each_cell_that_needs_it(project):
    project.write("suites/small.yaml", project.suite + GATES)
    result = project.run("-k", "photo")
    result.assert_outcomes(failed=1, deselected=1)
    result.stdout.fnmatch_lines(
        ["  FAIL  top1 max_drop 0.3: suite 'small' has no baseline to compare with *"]
    )


SPOILT = """\
import pathlib, pytest

@pytest.fixture(autouse=True)
def spoil():
    yield
    pathlib.Path('baselines/small.json').write_text('{}')
"""


def test_a_baseline_that_is_spoilt_meanwhile_is_compared_with_as_it_was(project, small):
    project.write("suites/conftest.py", SPOILT)
    result = project.run("-k", "photo")
    result.assert_outcomes(passed=1, deselected=1)
    assert result.ret == pytest.ExitCode.OK
    assert len(project.record()["comparisons"]) == 1
    small.unlink()
    assert project.run("-k", "photo").ret == pytest.ExitCode.TESTS_FAILED


def test_a_baseline_that_is_spoilt_under_xdist_is_compared_with_as_it_was(project, small):
    project.write("suites/conftest.py", SPOILT)
    result = project.run_apart("-n", "1", "suites")
    result.assert_outcomes(passed=2)
    assert result.ret == pytest.ExitCode.OK
    assert len(project.record()["comparisons"]) == 2


MANY = """\
gates:
  - {metric: top1, max_drop: 0.01}
  - {metric: macro_f1, max_drop: 0.02}
  - {metric: macro_recall, max_drop: 0.02}
  - {metric: top5, max_drop: 0.02}
  - {metric: top1, max_negative_flip_rate: 0.02}
"""


def test_one_cause_is_said_once_with_the_gates_that_it_concerns(project):
    project.write("suites/small.yaml", project.suite + MANY)
    result = project.run("-k", "photo")
    start = result.outlines.index("digits/tiny/photo: 5 of 5 gates failed")
    cause, gates = result.outlines[start + 1 : start + 3]
    assert cause.startswith("  FAIL  suite 'small' has no baseline to compare with (looked for ")
    assert cause.endswith("clipeval baseline accept RUN (against baseline)")
    assert gates == (
        "        gates: top1 max_drop 0.01, macro_f1 max_drop 0.02, macro_recall max_drop 0.02, "
        "top5 max_drop 0.02, top1 max_negative_flip_rate 0.02"
    )
    assert result.stdout.str().count("has no baseline to compare with") == 1


@pytest.mark.parametrize(
    ("content", "options", "text"),
    [
        ('{"baseline_version": 1', (), "*small.json:1:*cut off*"),
        (None, (), "*small.json: was changed after it was accepted*"),
        ("{}", ("--clipeval-baseline=none.json",), "*none.json: no such file*"),
    ],
)
def test_a_broken_baseline_is_a_usage_error_before_anything_runs(
    project, small, content, options, text
):
    changed = small.read_text().replace('"n": 20', '"n": 21')
    small.write_text(changed if content is None else content)
    result = project.run(*options)
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines([f"ERROR: {text}"])
    assert not (project.path / "reports").exists()


def test_the_baseline_of_another_suite_is_a_usage_error(project, small):
    project.write("suites/small.yaml", project.suite.replace("suite: small", "suite: other"))
    result = project.run(f"--clipeval-baseline={small}")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["ERROR: *is the baseline of suite 'small', not of 'other'; *"])
    assert not (project.path / "reports").exists()


HOLDOUTS = [
    (("--clipeval-holdout=0.001",), "*20 images of data set 'digits' leaves 0 to confirm on*"),
    (("--clipeval-holdout=0.5", "-k", "bare"), "*'digits' has 1 template and nothing to choose*"),
]


@pytest.mark.parametrize(("options", "text"), HOLDOUTS)
def test_a_holdout_that_cannot_be_made_is_a_usage_error_before_anything_runs(
    project, options, text
):
    result = project.run(*options)
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines([f"ERROR: holdout: {text}"])
    assert result.stderr.str().count("holdout: ") == 1
    assert not (project.path / "reports").exists()


def test_xdist_refuses_a_holdout_that_the_chosen_cells_cannot_make(project):
    options, text = HOLDOUTS[1]
    result = project.run_apart("-n", "1", "--dist", "loadgroup", *options, "suites")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines([f"ERROR: holdout: {text}"])
    assert not (project.path / "reports").exists()


def test_the_run_folder_that_would_be_replaced_is_no_baseline(project, small):
    shutil.copytree(project.path / "accepted-small", project.path / "reports/small")
    before = (project.path / "reports/small/run.json").read_bytes()
    result = project.run("--clipeval-baseline=reports/small")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["ERROR: *is the run folder that this run replaces*"])
    assert (project.path / "reports/small/run.json").read_bytes() == before


def test_xdist_decides_as_a_serial_run_does(project, small, monkeypatch, junit_suite):
    """A lost cell and new ones, gates against the baseline and the reference, one of them failed."""

    def cases_of(path):
        cases = junit_suite(path).findall("testcase")
        for one in cases:
            one.attrib.pop("time")
        return sorted(ET.tostring(one, encoding="unicode") for one in cases)

    project.write(
        "suites/small.yaml",
        project.suite.replace(', bare: "{}"', ', number: "the number {}", the: "the {}"')
        + "reference: {template: photo}\n"
        "gates:\n"
        "  - {metric: top1, max_drop: 0.3, templates: [photo]}\n"
        "  - {metric: top1, max_drop: 0.05, against: reference_template}\n"
        "  - {metric: ece, max: 0, templates: [number]}\n",
    )
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(project.path / "serial.md"))
    serial = project.run("--clipeval-out=serial", "--junitxml=serial.xml", "suites")
    serial.assert_outcomes(passed=1, failed=2)
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(project.path / "xdist.md"))
    parallel = project.run_apart(
        "-n", "2", "--clipeval-out=xdist", "--junitxml=xdist.xml", "suites"
    )
    assert parallel.ret == serial.ret == pytest.ExitCode.TESTS_FAILED
    for result in (serial, parallel):
        assert "2 failed, 1 passed, 1 inconclusive" in result.outlines[-1]
        result.stdout.fnmatch_lines(["suite 'small': *has the cell 'digits/tiny/bare'*"])
    assert cases_of(project.path / "xdist.xml") == cases_of(project.path / "serial.xml")
    assert text_of(project.record("xdist")) == text_of(project.record("serial"))
    record = project.record("serial")
    assert record["verdict"] == "fail"
    assert record["baseline"]["missing_cells"] == ["digits/tiny/bare"]
    for page in ("serial.md", "xdist.md"):
        assert (project.path / page).read_text().count("**FAIL** small") == 1


def test_xdist_refuses_a_broken_baseline_before_anything_runs(project, small):
    small.write_text('{"baseline_version": 1')
    project.write(
        "suites/conftest.py",
        "import pathlib, pytest\n\n@pytest.fixture(autouse=True)\ndef seen():\n"
        "    pathlib.Path('evaluated').touch()\n",
    )
    result = project.run_apart("-n", "1", "suites")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["ERROR: *small.json:1:*cut off*"])
    assert not (project.path / "evaluated").exists()
    assert not (project.path / "reports").exists()
