"""`clipeval compare`: what is printed, and what it comes to as an exit code."""

import json
import shutil

import pytest

from tests.cli.conftest import refused

BASE, NOISY = "digits/local-dir:../model", "digits/local-dir:noisy-model"


SINGLE = ("only-photo", "only-bare")


class TestExitCode:
    def test_0_for_the_same_run(self, trial):
        ended = trial("compare", "base", "base")
        assert (ended.code, ended.err) == (0, "")
        assert ended.out.rstrip().endswith("PASS")
        assert "base       base" in ended.out

    def test_1_for_a_worse_one_and_it_names_classes_and_images(self, trial):
        ended = trial("compare", "base", "noisy")
        assert ended.code == 1
        assert ended.out.rstrip().endswith("FAIL")
        assert f"{NOISY}/photo: worse: top-1 -" in ended.out
        assert "  class " in ended.out
        assert "  newly wrong: test/" in ended.out
        assert "note matched-by-name" in ended.err

    def test_it_says_what_changed_about_the_cells(self, trial):
        cells = f"{NOISY}/photo, {NOISY}/bare"
        for words in (("compare", "base", "noisy"), ("baseline", "diff", "noisy")):
            assert f"changed    weights of {cells} changed" in trial(*words).out.splitlines()

    def test_0_for_an_inconclusive_one_and_1_on_request(self, trial):
        ended = trial("compare", *SINGLE)
        assert ended.code == 0
        assert ended.out.rstrip().endswith("INCONCLUSIVE")
        assert "template photo with bare is compared" in ended.err
        ended = trial("compare", *SINGLE, "--on-inconclusive", "fail")
        assert ended.code == 1
        assert ended.out.rstrip().endswith("FAIL")
        ended = trial("compare", *SINGLE, "--margin", "0.5")
        assert (ended.code, ended.out.rstrip()[-4:]) == (0, "PASS")

    def test_2_for_a_cell_that_vanished(self, trial):
        ended = trial("compare", "base", "only-photo")
        assert ended.code == 2
        assert ended.out.rstrip().endswith("ERROR")
        assert f"{BASE}/bare: only in the base: it vanished or was renamed" in ended.err

    def test_2_for_runs_that_cannot_be_compared(self, trial):
        trial("run", "suites/small.yaml", "--limit", "10", "--template", "photo", "--out", "few")
        refused(trial("compare", "base", "few"), "20 images only in the base")


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (("base", "none"), "none: no such file"),
        (("base", "n" * 300), "cannot read"),
        (("base", "suites/small.yaml"), "not JSON"),
        (("base", "base/predictions.parquet"), "not UTF-8"),
        (("suites", "base"), "no such file; expected a run folder"),
        (("base", "base", "--margin", "-0.1"), "--margin: got -0.1"),
        (("base", "base", "--margin=1"), "did you mean 0.01, which is 1 points?"),
        (("base", "base", "--margin", "nan"), "--margin: got nan"),
        (("base", "base", "--margin", "2"), "did you mean 0.02"),
    ],
)
def test_bad_input_is_one_message_and_2(trial, words, text):
    refused(trial("compare", *words), text)


def test_an_unreadable_run_is_one_message_and_2(trial, project):
    shutil.copy(project / "noisy/predictions.parquet", project / "base/predictions.parquet")
    refused(trial("compare", "base", "noisy"), "are not of the same run")
    (project / "noisy/predictions.parquet").write_bytes(b"PAR1")
    refused(trial("compare", "noisy", "noisy"), "cannot be read as Parquet")
    record = json.loads((project / "noisy/run.json").read_text())
    (project / "noisy/run.json").write_text(json.dumps(record | {"schema_version": 99}))
    refused(trial("compare", "noisy", "noisy"), "upgrade with `pip install -U clipeval`")


def test_json_is_all_there_is_and_nothing_else_is_on_stdout(trial):
    ended = trial("compare", "base", "noisy", "--json", "--margin", "0.05")
    assert ended.code == 1
    found = json.loads(ended.out)
    assert (found["verdict"], found["margin"]) == ("fail", 0.05)
    assert [one["candidate"] for one in found["comparisons"]] == [f"{NOISY}/photo", f"{NOISY}/bare"]
    for one, gate in zip(found["comparisons"], found["gates"], strict=True):
        assert gate["state"] == "fail"
        assert len(one["newly_wrong"]) == one["n_newly_wrong"] > 5
        assert one["top1"]["value"] == pytest.approx(
            (one["n_newly_right"] - one["n_newly_wrong"]) / 30
        )
        assert {each["name"] for each in one["per_class"]} >= {"zero", "nine"}
    assert found["notices"][0]["code"] == "matched-by-name"
    assert found["only_in_base"] == found["only_in_candidate"] == []


class TestPage:
    def test_is_written_with_images_of_both_runs(self, trial, project):
        ended = trial("compare", "base", "noisy", "--html", "two.html")
        assert ended.code == 1
        assert "page       two.html" in ended.out
        page = (project / "two.html").read_text()
        assert "data:image/webp;base64," in page
        assert "Change of confusion of" in page

    def test_of_a_baseline_file_has_no_images_of_it(self, trial, project):
        ended = trial("compare", "baselines/small.json", "base", "--html", "two.html")
        assert ended.code == 0
        assert (project / "two.html").is_file()

    def test_never_replaces_a_record(self, trial, project):
        before = (project / "base/run.json").read_bytes()
        for name, why in (
            ("run.json", "expected the name of a page"),
            ("report.html", "report of a run"),
        ):
            ended = trial("compare", "noisy", "base", "--html", f"base/{name}")
            assert (ended.code, ended.out) == (2, "")
            assert f"error: --html base/{name}: " in ended.err
            assert why in ended.err
        assert (project / "base/run.json").read_bytes() == before

    @pytest.mark.parametrize("where", [".", "nowhere/two.html"])
    def test_a_place_that_no_file_can_have_is_refused(self, trial, where):
        refused(trial("compare", "base", "base", "--html", where), "--html")
