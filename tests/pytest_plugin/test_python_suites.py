"""Evaluations written in Python: the fixtures, and the run folder that their cells go into."""

import pytest


def test_zero_shot_returns_metrics_and_writes_a_run_folder_named_after_the_file(
    project, junit_properties
):
    project.write_tests(
        "suites/test_ink.py",
        "@pytest.mark.parametrize('template', ['{} ink', 'a {} digit'])\n"
        "def test_ink(zero_shot, template):\n"
        "    top1 = zero_shot(template).metrics['top1']\n"
        "    assert 0 <= top1.low <= top1.value <= top1.high <= 1\n",
    )
    result = project.run("suites/test_ink.py", "--junitxml=junit.xml")
    result.assert_outcomes(passed=2)
    assert project.cells("reports/test_ink") == ["ink/tiny/ink", "ink/tiny/a-digit"]
    assert project.record("reports/test_ink")["suite"] == "test_ink"
    assert "top1" in junit_properties(project.path / "junit.xml")["test_ink[{} ink]"]
    result.stdout.fnmatch_lines(
        ["test_ink: done, no gates set; report: reports/test_ink/report.html"]
    )


def test_a_failed_assert_is_an_ordinary_failure_and_the_cell_is_kept(project):
    project.write_tests(
        "test_ink.py",
        "def test_ink(zero_shot):\n    assert zero_shot('{} ink').metrics['top1'].value > 1\n",
    )
    result = project.run("test_ink.py")
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines([">*assert zero_shot*", "E*> 1*"])
    assert project.cells("reports/test_ink") == ["ink/tiny/ink"]


def test_templates_may_be_a_list_or_a_named_set(project):
    project.write_tests(
        "test_ink.py",
        "def test_ink(zero_shot):\n"
        "    both = zero_shot(['{} ink', 'a {} digit'], id='both')\n"
        "    assert both.template.templates == ('{} ink', 'a {} digit')\n"
        "    assert zero_shot('@openai-imagenet').template.id == 'openai-imagenet'\n",
    )
    project.run("test_ink.py").assert_outcomes(passed=1)
    assert project.cells("reports/test_ink") == ["ink/tiny/both", "ink/tiny/openai-imagenet"]


def test_the_nearest_mark_and_the_call_decide_about_model_and_data_set(project):
    project.write_tests(
        "test_which.py",
        "def test_module(zero_shot):\n    assert zero_shot('{}').id == 'ink/tiny/class-name'\n\n"
        "@pytest.mark.clip(dataset='digits')\n"
        "def test_own(zero_shot):\n    assert zero_shot('{}').id == 'digits/tiny/class-name'\n\n"
        "def test_call(zero_shot):\n"
        "    assert zero_shot('the {}', dataset='digits').id == 'digits/tiny/the'\n",
    )
    project.run("test_which.py").assert_outcomes(passed=3)


def test_model_and_data_set_fixtures_follow_the_mark_or_a_parameter(project):
    project.write_tests(
        "test_parts.py",
        "def test_mark(clip_model, clip_dataset):\n"
        "    assert clip_model.record.id == 'tiny'\n"
        "    assert clip_dataset.key == 'ink'\n"
        "    assert len(clip_dataset.samples) == 20\n\n"
        "@pytest.mark.parametrize('clip_dataset', ['digits'], indirect=True)\n"
        "@pytest.mark.parametrize('clip_model', ['tiny'], indirect=True)\n"
        "def test_parameter(clip_model, clip_dataset):\n"
        "    assert (clip_model.record.id, clip_dataset.key) == ('tiny', 'digits')\n",
    )
    project.run("test_parts.py", "--strict-markers").assert_outcomes(passed=2)
    assert not (project.path / "reports").exists()


@pytest.mark.parametrize("fixture", ["clip_model", "clip_dataset"])
def test_fixtures_without_a_mark_say_what_is_missing(project, fixture):
    project.write("test_bare.py", f"def test_bare({fixture}): pass\n")
    result = project.run("test_bare.py")
    result.assert_outcomes(errors=1)
    what = fixture.removeprefix("clip_")
    result.stdout.fnmatch_lines([f"test_bare.py::test_bare: no {what} named; *pytest.mark.clip(*"])
    result.stdout.no_fnmatch_line("*fixtures.py*")


def test_zero_shot_without_a_mark_says_what_is_missing(project):
    project.write("test_bare.py", "def test_bare(zero_shot): zero_shot('{}')\n")
    result = project.run("test_bare.py")
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["test_bare.py::test_bare: no model named; *"])
    result.stdout.no_fnmatch_line("*fixtures.py*")


def test_a_mark_with_an_unknown_key_is_refused(project):
    project.write_tests(
        "test_typo.py",
        "@pytest.mark.clip(datset='digits')\ndef test_typo(zero_shot): zero_shot('{}')\n",
    )
    result = project.run("test_typo.py")
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(
        ["*the mark clip does not know datset; it takes model=, dataset=, suite=*"]
    )


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (
            "zero_shot('no placeholder')",
            "E *ConfigError: test_wrong.py 'no placeholder': template * has no placeholder*",
        ),
        (
            "zero_shot('{}', dataset='inc')",
            "E *ConfigError: test_wrong.py: 'inc' names no data set*'ink'*",
        ),
        (
            "zero_shot('{}', model='tinny')",
            "E *ConfigError: test_wrong.py: 'tinny' does not name a model*",
        ),
        ("zero_shot([])", "E *PromptError: test_wrong.py: an empty list of templates*"),
        (
            "zero_shot('{}', id='../up')",
            "E *ConfigError: test_wrong.py: '../up' cannot name a template*",
        ),
    ],
)
def test_wrong_values_are_told_at_the_line_of_the_test(project, call, message):
    project.write_tests("test_wrong.py", f"def test_wrong(zero_shot):\n    {call}\n")
    result = project.run("test_wrong.py")
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines([message])
    # pytest marks the line that raised: it is the test's own.
    (marked,) = [line for line in result.outlines if line.startswith(">")]
    assert marked.removeprefix(">").strip() == call
    result.stdout.no_fnmatch_line("*single_cells.py*")
    result.stdout.no_fnmatch_line("*fixtures.py*")


def test_a_suite_name_cannot_leave_the_reports_folder(project):
    project.write_tests(
        "test_up.py", "@pytest.mark.clip(suite='../up')\ndef test_up(zero_shot): zero_shot('{}')\n"
    )
    result = project.run("test_up.py")
    result.stdout.fnmatch_lines(["E *'../up' cannot name a suite*"])


GUEST = """\
@pytest.mark.clip(suite='small', dataset='digits')
def test_same_cell(zero_shot):
    assert zero_shot('{}', id='bare').id == 'digits/tiny/bare'

@pytest.mark.clip(suite='small')
def test_own_cell(zero_shot):
    assert zero_shot('{} ink').gates == ()
"""


@pytest.mark.parametrize("order", [["suites", "test_guest.py"], ["test_guest.py", "suites"]])
def test_cells_join_the_run_folder_of_the_suite_that_the_mark_names(project, order):
    project.write("suites/small.yaml", project.suite + "gates: {top1: {min: 0.999}}\n")
    project.write_tests("test_guest.py", GUEST)
    result = project.run(*order)
    # The suite's gate fails its own two cells; the tests in Python judge for themselves.
    result.assert_outcomes(passed=2, failed=2)
    record = project.record()
    gates = {cell["id"]: [gate["state"] for gate in cell["gates"]] for cell in record["cells"]}
    assert gates == {
        "digits/tiny/photo": ["fail"],
        "digits/tiny/bare": ["fail"],
        "ink/tiny/ink": [],
    }
    assert record["status"] == "complete"
    assert [path.name for path in (project.path / "reports").iterdir()] == ["small"]


def test_cells_that_join_a_suite_have_a_folder_of_its_name_when_run_alone(project):
    project.write_tests("test_guest.py", GUEST)
    project.run("test_guest.py").assert_outcomes(passed=2)
    assert project.cells() == ["digits/tiny/bare", "ink/tiny/ink"]
    assert project.record()["status"] == "complete"


def test_another_template_with_a_taken_id_is_refused(project):
    project.write_tests(
        "test_guest.py",
        "@pytest.mark.clip(suite='small', dataset='digits')\n"
        "def test_clash(zero_shot):\n    zero_shot('the {}', id='photo')\n",
    )
    result = project.run()
    result.assert_outcomes(passed=2, failed=1)
    result.stdout.fnmatch_lines(
        ["E *two different cells have the id 'digits/tiny/photo', *'the {}'*zero_shot(..., id=*"]
    )
    assert project.record()["verdict"] == "pass"


def test_another_data_set_with_a_taken_key_is_refused(project):
    project.write("apart/datasets.yaml", "digits: {source: sklearn-digits, limit: 10}\n")
    project.write_tests(
        "apart/test_guest.py",
        "@pytest.mark.clip(suite='small', dataset='digits')\n"
        "def test_clash(zero_shot):\n    zero_shot('the {}')\n",
    )
    result = project.run("suites", "apart")
    result.assert_outcomes(passed=2, failed=1)
    result.stdout.fnmatch_lines(["E *two different data sets have the key 'digits'*"])


def test_two_files_of_one_name_do_not_share_a_folder_unawares(project):
    for folder in ("one", "two"):
        project.write(f"{folder}/__init__.py", "")
        project.write_tests(
            f"{folder}/test_ink.py", "def test_ink(zero_shot):\n    zero_shot('{} ink')\n"
        )
    result = project.run("one", "two")
    result.assert_outcomes(passed=1, failed=1)
    result.stdout.fnmatch_lines(
        ["E *suite 'test_ink' has the name of *one/test_ink.py*clip(suite=*"]
    )
