"""What a run of suites says, and what it leaves in the run folder."""

import tempfile
from dataclasses import replace

import pytest

from clipeval import api
from clipeval.pytest_plugin.outcome import summary_lines

IDS = ["digits/tiny/photo", "digits/tiny/bare"]
GATE = "gates: [{metric: top1, min: 0.999, templates: [bare]}]\n"
TWO_GATES = "gates: [{metric: top1, min: 0.999, templates: [bare]}, {metric: ece, max: 0}]\n"


def _assert_same_scores(record, other):
    """Compare counts exactly, and other numbers as far as threads, which add up in any order, allow."""
    assert [cell["id"] for cell in record["cells"]] == [cell["id"] for cell in other["cells"]]
    for cell, its_twin in zip(record["cells"], other["cells"], strict=True):
        assert cell["confusion"] == its_twin["confusion"]
        assert cell["metrics"].keys() == its_twin["metrics"].keys()
        for name, value in cell["metrics"].items():
            assert value == pytest.approx(its_twin["metrics"][name], abs=1e-6), name


def test_a_run_passes_and_writes_the_run_folder(project):
    result = project.run("suites/small.yaml")
    result.assert_outcomes(passed=2)
    assert result.ret == 0
    record = project.record()
    assert (record["suite"], record["status"], record["verdict"]) == ("small", "complete", "pass")
    assert project.cells() == IDS
    assert record["environment"]["argv"][0] == "pytest"
    assert record["environment"]["argv"][-1] == "suites/small.yaml"
    written = {path.name for path in (project.path / "reports/small").iterdir()}
    assert {"report.html", "summary.md", "junit.xml", "predictions.parquet"} <= written
    result.stdout.fnmatch_lines(
        [
            "*= clipeval =*",
            "digits/tiny/photo*n=20",
            "small: done, no gates set; report: reports/small/report.html",
        ]
    )


def test_pytest_and_the_api_give_the_same_numbers(project):
    project.run("suites/small.yaml")
    (suite,) = api.load_suites([project.path / "suites/small.yaml"])
    api.run(suite, project.path / "by-api")
    _assert_same_scores(project.record(), project.record("by-api"))


def test_a_failed_gate_is_one_block_of_text(project):
    project.write("suites/small.yaml", project.suite + TWO_GATES)
    result = project.run("-k", "bare")
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    lines = result.outlines
    start = lines.index("digits/tiny/bare: 2 of 2 gates failed")
    assert "digits[tiny-bare]" in lines[start - 1]
    assert lines[start + 1].startswith("  FAIL  top1 0.")
    assert lines[start + 2].startswith("  FAIL  ece 0.")
    assert "= clipeval =" in lines[start + 3]
    assert "Traceback" not in result.stdout.str()
    assert ".py" not in "".join(lines[start - 2 : start + 3])
    assert project.record()["verdict"] == "fail"


def test_last_failed_runs_the_failed_cell_again(project):
    project.write("suites/small.yaml", project.suite + GATE)
    project.run().assert_outcomes(passed=1, failed=1)
    project.run("--lf").assert_outcomes(failed=1)
    assert project.cells() == ["digits/tiny/bare"]


def test_deselected_cells_do_not_make_a_run_partial(project):
    project.run("-k", "photo").assert_outcomes(passed=1, deselected=1)
    record = project.record()
    assert record["status"] == "complete"
    assert record["planned_cells"] == ["digits/tiny/photo"]


def test_a_run_that_was_stopped_says_so(project):
    project.write("suites/small.yaml", project.suite + GATE.replace("bare", "photo"))
    result = project.run("-x")
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["small: error, partial: 1 of 2 cells evaluated; report: *"])
    record = project.record()
    assert record["status"] == "partial"
    assert record["planned_cells"] == IDS
    assert project.cells() == ["digits/tiny/photo"]


def test_junit_has_the_metrics(project, junit_properties):
    project.run("--junitxml=junit.xml")
    found = junit_properties(project.path / "junit.xml")["digits[tiny-photo]"]
    top1 = project.record()["cells"][0]["metrics"]["top1"]
    assert found["clipeval_cell"] == "digits/tiny/photo"
    assert float(found["top1"]) == top1["value"]
    assert float(found["top1_low"]) == top1["low"]


def test_a_cell_that_cannot_be_evaluated_is_recorded_and_told_without_a_traceback(project):
    project.write("photos/cat/a.jpg", "not an image")
    project.write("photos/dog/b.jpg", "not an image")
    project.write(
        "datasets.yaml",
        "digits: {source: sklearn-digits, limit: 20}\nphotos: {source: folder, path: photos}\n",
    )
    project.write("suites/small.yaml", project.suite.replace("[digits]", "[photos, digits]"))
    result = project.run()
    result.assert_outcomes(passed=2, failed=2)
    result.stdout.fnmatch_lines(
        ["data set 'photos': 2 of 2 images cannot be read*", "*cat/a.jpg: *"]
    )
    result.stdout.no_fnmatch_line("*Traceback*")
    result.stdout.no_fnmatch_line("*sessions.py*")
    record = project.record()
    assert [error["id"] for error in record["errors"]] == ["photos/tiny/photo", "photos/tiny/bare"]
    assert (record["status"], record["verdict"]) == ("partial", "error")
    assert project.cells() == IDS


def test_a_suite_of_which_nothing_was_evaluated_leaves_no_folder(project):
    project.write("datasets.yaml", "digits: {source: folder, path: nowhere}\n")
    result = project.run()
    result.assert_outcomes(failed=2)
    result.stdout.fnmatch_lines(
        ["small: error, partial: 0 of 2 cells evaluated; no report written"]
    )
    assert not (project.path / "reports").exists()


def test_autouse_fixtures_of_a_conftest_run_for_cells(project):
    project.write(
        "suites/conftest.py",
        "import pytest\n\n@pytest.fixture(autouse=True)\ndef seen(request):\n"
        "    print('fixture of', request.node.name)\n",
    )
    result = project.run("-s", "-k", "bare")
    result.stdout.fnmatch_lines(["*fixture of digits[[]tiny-bare[]]*"])


def test_out_names_the_run_folder_of_one_suite(project):
    project.run("--clipeval-out", "here", "-k", "photo").assert_outcomes(passed=1, deselected=1)
    assert project.cells("here") == ["digits/tiny/photo"]
    assert not (project.path / "reports").exists()


def test_out_has_a_folder_a_suite_where_there_are_several(project):
    project.write("suites/other.yaml", project.suite.replace("small", "other"))
    project.run("--clipeval-out", "here").assert_outcomes(passed=4)
    assert project.cells("here/small") == project.cells("here/other") == IDS


def test_reports_are_written_where_pytest_was_started(project, monkeypatch):
    (project.path / "elsewhere").mkdir()
    monkeypatch.chdir(project.path / "elsewhere")
    project.run("../suites/small.yaml").assert_outcomes(passed=2)
    assert project.cells("elsewhere/reports/small") == IDS


def test_a_folder_of_something_else_is_refused_before_anything_is_evaluated(project):
    project.write("mine/thesis.txt", "precious")
    result = project.run("--clipeval-out", "mine")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["ERROR: *mine*"])
    assert (project.path / "mine/thesis.txt").read_text() == "precious"


def test_an_out_that_is_a_file_is_refused_before_anything_is_collected(project):
    project.write("mine", "precious")
    result = project.run("--clipeval-out", "mine")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["ERROR: *mine is not a folder*"])
    result.stdout.no_fnmatch_line("*collected*")


def test_a_run_whose_folder_is_taken_meanwhile_is_kept_elsewhere(project, monkeypatch, tmp_path):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    project.write(
        "suites/conftest.py",
        "import pathlib, pytest\n\n@pytest.fixture(autouse=True)\ndef spoil():\n    yield\n"
        "    pathlib.Path('reports').mkdir(exist_ok=True)\n"
        "    pathlib.Path('reports/small').write_text('in the way')\n",
    )
    result = project.run("-k", "bare")
    result.assert_outcomes(passed=1, deselected=1)
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    (kept,) = tmp_path.glob("clipeval-*")
    result.stdout.fnmatch_lines(
        [
            f"small: done, no gates set; report: {kept}/report.html",
            f"error: *reports/small*written to {kept}:*",
        ]
    )
    result.stdout.no_fnmatch_line("*Traceback*")
    assert project.cells(kept) == ["digits/tiny/bare"]


def test_notices_are_told_once_a_suite(project):
    project.write(
        "suites/small.yaml",
        project.suite.replace("[digits]", "[ink]").replace('"{}"', '"a {} digit"'),
    )
    result = project.run("suites/small.yaml")
    result.stdout.fnmatch_lines(
        [
            "ink/tiny/bare *n=20",
            "note article: *'a orange digit'*",
            "small: done, no gates set; report: *",
        ]
    )
    assert result.stdout.str().count("note article") == 1


def test_random_weights_are_told_beside_each_cell(project):
    (suite,) = api.load_suites([project.path / "suites/small.yaml"])
    record = api.run(suite, project.path / "out")
    first, second = record.cells
    untrained = replace(second, model=replace(second.model, random_weights=True))
    run = api.FinishedRun(record=replace(record, cells=(first, untrained)), folder=None)
    lines = summary_lines(run, base=project.path)
    assert [line.endswith("n=20 (random weights)") for line in lines[:2]] == [False, True]


@pytest.mark.parametrize("dist", ["load", "loadgroup"])
def test_xdist_writes_one_folder_with_the_numbers_of_a_serial_run(project, dist, monkeypatch):
    project.write_tests(
        "suites/test_ink.py",
        "@pytest.mark.parametrize('t', ['{} ink', 'a {} digit'])\n"
        "def test_ink(zero_shot, t):\n    assert zero_shot(t).metrics['top1'].n == 20\n",
    )
    project.run("--clipeval-out", "serial").assert_outcomes(passed=4)
    handed_over = project.path / "handed-over"
    handed_over.mkdir()
    monkeypatch.setenv("TMPDIR", str(handed_over))
    result = project.run_apart("-n", "2", "--dist", dist, "--junitxml=junit.xml", "suites")
    result.assert_outcomes(passed=4)
    _assert_same_scores(project.record(), project.record("serial/small"))
    _assert_same_scores(project.record("reports/test_ink"), project.record("serial/test_ink"))
    assert project.cells() == IDS
    assert project.record()["status"] == "complete"
    assert project.record()["environment"]["argv"][-1] == "suites"
    assert sorted(path.name for path in (project.path / "reports").iterdir()) == [
        "small",
        "test_ink",
    ]
    assert not list(handed_over.glob("clipeval-*"))


def test_xdist_refuses_a_folder_of_something_else_before_a_cell_is_evaluated(project):
    project.write("mine/thesis.txt", "precious")
    project.write(
        "suites/conftest.py",
        "import pathlib, pytest\n\n@pytest.fixture(autouse=True)\ndef seen():\n"
        "    pathlib.Path('evaluated').touch()\n",
    )
    result = project.run_apart("-n", "2", "--clipeval-out", "mine", "suites")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["ERROR: *mine: has files in it*"])
    assert not (project.path / "evaluated").exists()
    assert [path.name for path in (project.path / "mine").iterdir()] == ["thesis.txt"]
