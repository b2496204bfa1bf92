"""`clipeval run` against a baseline: 0, 1 or 2, and why."""

import pytest

SUITE, OUT = "suites/small.yaml", "reports/small"


@pytest.fixture
def rewrite(project, trial):
    """Return a function that changes the suite's text."""

    def replace(old, new):
        path = project / SUITE
        text = path.read_text()
        assert old in text
        path.write_text(text.replace(old, new))

    return replace


def test_the_same_weights_pass_and_the_summary_is_added_to_the_jobs_page(
    trial, project, monkeypatch
):
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(project / "page.md"))
    (project / "page.md").write_text("earlier\n")
    ended = trial("run", SUITE)
    assert (ended.code, ended.err) == (0, "")
    assert "same weights and prompts: 0 of 30 predictions changed" in ended.out
    assert "baseline baselines/small.json, accepted" in ended.out
    page = (project / "page.md").read_text()
    assert page.startswith("earlier\n**PASS** small: 2 cells")
    assert page.count("**PASS**") == 1


def test_without_a_baseline_gates_that_need_it_fail(trial, project, monkeypatch):
    (project / "baselines/small.json").unlink()
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(project / "nowhere" / "page.md"))
    ended = trial("run", SUITE)
    assert ended.code == 1
    assert "suite 'small' has no baseline to compare with" in " ".join(ended.out.split())
    assert "Traceback" not in ended.err
    assert "note no-step-summary: " in ended.err


MANY = """\
gates:
  - {metric: top1, min: 0.1, max_drop: 0.01}
  - {metric: macro_f1, max_drop: 0.02}
  - {metric: macro_recall, max_drop: 0.02}
  - {metric: top5, max_drop: 0.02}
  - {metric: top1, max_negative_flip_rate: 0.02}
  - {metric: recall, classes: [zebra, yak], min: 0.1, max: 0.9}
"""


def test_one_cause_is_said_once_a_cell_with_the_gates_that_it_concerns(trial, project, rewrite):
    rewrite("gates: {top1: {max_drop: 0.2}}", MANY)
    (project / "baselines/small.json").unlink()
    ended = trial("run", SUITE)
    assert ended.code == 2
    table = " ".join(ended.out.split())
    assert table.count("has no baseline to compare with") == 2
    assert (
        table.count(
            "gates: top1 max_drop 0.01, macro_f1 max_drop 0.02, macro_recall max_drop 0.02, "
            "top5 max_drop 0.02, top1 max_negative_flip_rate 0.02"
        )
        == 2
    )
    error, gates = ended.err.splitlines()[:2]
    assert error.startswith(
        "error: digits/local-dir:../model/photo: digits has no classes 'zebra' (did you mean 'zero'?), "
        "'yak'; available: zero, one, two, "
    )
    assert gates == "  gates: recall min 0.1, recall max 0.9"
    assert ended.err.count("zebra") == 2


def test_a_renamed_a_vanished_and_a_new_cell_are_said_and_fail(trial, rewrite):
    rewrite('photo: "a photo of the number {}", bare: "{}"', 'snap: "a photo of the number {}"')
    rewrite("templates: {", 'templates: {extra: "the {}", ')
    ended = trial("run", SUITE)
    assert ended.code == 1
    cell = "digits/local-dir:../model"
    assert f"error: {cell}/bare: the baseline has this cell, and the suite no longer does" in (
        ended.err
    )
    assert f"error: {cell}/snap: is called {cell}/photo in the baseline" in ended.err
    assert f"new {cell}/extra: the baseline does not have it" in ended.out
    assert "FAIL  reports/small" in ended.out


def test_a_lost_cell_is_said_and_is_no_error_where_no_gate_relies_on_the_baseline(trial, rewrite):
    rewrite(', bare: "{}"', "")
    rewrite("gates: {top1: {max_drop: 0.2}}", "gates: {top1: {min: 0.1}}")
    ended = trial("run", SUITE)
    assert (ended.code, ended.err) == (0, "")
    assert "lost digits/local-dir:../model/bare: the baseline has this cell" in ended.out


def test_cells_that_the_command_line_leaves_out_are_skipped(trial, project):
    ended = trial("run", SUITE, "--template", "bare")
    assert ended.code == 0, ended
    assert "PASS  reports/small" in ended.out
    summary = (project / OUT / "summary.md").read_text()
    (line,) = [one for one in summary.splitlines() if "not asked for this time" in one]
    assert "digits/local-dir:../model/photo" in line
    assert "gone from the suite" not in summary


def test_cells_that_no_gate_judges_are_done_and_do_not_pass(trial, rewrite, project):
    rewrite("gates: {top1: {max_drop: 0.2}}", "gates: [{metric: top1, min: 0, templates: [photo]}]")
    ended = trial("run", SUITE, "--template", "bare")
    account = "none of the suite's gates applies to these cells"
    assert (ended.code, "PASS" in ended.out) == (0, False)
    assert f"DONE, {account}  reports/small" in ended.out
    summary = (project / OUT / "summary.md").read_text()
    assert summary.startswith(f"**DONE** small: 1 cell, 30 images, {account}\n")
    assert "the gate on top1 is not decided: it judges none of the cells" in summary


def test_another_number_of_images_is_an_error_that_says_so(trial):
    ended = trial("run", SUITE, "--limit", "10", "--template", "bare")
    assert ended.code == 2
    assert "20 images only in the base" in ended.err
    assert "ERROR  reports/small" in ended.out


def test_another_model_is_held_against_the_baselines_single_one(trial):
    ended = trial("run", SUITE, "--model", "local-dir:noisy-model", "--template", "bare")
    assert ended.code == 1
    words = " ".join(ended.out.split())
    assert "a drop of more than 20 points" in words
    assert "classes that lost recall: " in words
    assert "newly wrong: test/" in words


class TestRefusedBeforeAnythingIsEncoded:
    """Exit code 2, one message, no run folder, and nothing in the cache."""

    @pytest.fixture
    def refused(self, trial, project, monkeypatch):
        monkeypatch.setenv("CLIPEVAL_CACHE", str(project / "fresh-cache"))

        def check(*words):
            ended = trial("run", *words)
            assert (ended.code, ended.out) == (2, ""), ended
            assert "Traceback" not in ended.err
            assert not (project / "reports").exists()
            assert not (project / "fresh-cache").exists()
            return ended.err

        return check

    @pytest.mark.parametrize(
        ("content", "text"),
        [
            ("", "it was cut off"),
            ("{}", "schema_version is missing"),
            ('{"baseline_version": 2}', "written by a newer clipeval"),
            (None, "was changed after it was accepted"),
        ],
    )
    def test_a_baseline_that_is_not_whole(self, refused, project, content, text):
        file = project / "baselines/small.json"
        changed = file.read_text().replace("local-dir:../model/photo", "local-dir:../model/p")
        file.write_text(changed if content is None else content)
        assert text in refused(SUITE)

    def test_the_baseline_of_a_later_suite(self, refused, project):
        text = (project / SUITE).read_text().replace("suite: small", "suite: late")
        (project / "suites/late.yaml").write_text(text)
        (project / "baselines/late.json").write_text("{")
        assert "late.json" in refused(SUITE, "suites/late.yaml")

    def test_a_baseline_that_was_named_and_is_not_there(self, refused):
        assert "none.json: no such file" in refused(SUITE, "--baseline", "none.json")
        assert "suites: has no small.json" in refused(SUITE, "--baseline", "suites")

    def test_the_baseline_of_another_suite(self, refused, project):
        text = (project / SUITE).read_text().replace("suite: small", "suite: other")
        (project / "suites/other.yaml").write_text(text)
        message = refused("suites/other.yaml", "--baseline", "baselines/small.json")
        assert "is the baseline of suite 'small', not of 'other'; name that of 'other'" in message

    @pytest.mark.parametrize(
        ("words", "text"),
        [
            (
                ("--holdout", "0.001"),
                "of the 30 images of data set 'digits' leaves 0 to confirm on",
            ),
            (("--holdout", "0.999"), "leaves 30 to confirm on and 0 to choose on"),
            (("--holdout", "0.5", "--template", "bare"), "'digits' has 1 template and nothing to"),
        ],
    )
    def test_a_holdout_that_cannot_be_made(self, refused, words, text):
        message = refused(SUITE, *words)
        assert message.startswith("error: holdout: ")
        assert message.count("holdout: ") == 1
        assert text in message

    def test_a_holdout_that_a_later_suite_cannot_make(self, refused, project):
        text = (project / SUITE).read_text().replace("suite: small", "suite: late")
        late = project / "suites/late.yaml"
        late.write_text(text.replace(', bare: "{}"', ""))
        assert "has 1 template" in refused(SUITE, late, "--holdout", "0.5")

    def test_a_margin_or_a_holdout_out_of_range(self, refused):
        assert "--margin: got the number 2" in refused(SUITE, "--margin", "2")
        assert "--holdout: got the number 1" in refused(SUITE, "--holdout", "1")

    def test_the_run_folder_that_would_be_replaced(self, refused, project):
        before = (project / "base/run.json").read_bytes()
        message = refused(SUITE, "--baseline", "base", "--out", "base")
        assert "is the run folder that this run replaces" in message
        assert (project / "base/run.json").read_bytes() == before
