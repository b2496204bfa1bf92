"""The one that was named; else the nearest up to .git, from the current folder, then from the suite's."""

from pathlib import Path

import pytest

from clipeval import api
from clipeval.api.baseline_files import baseline_of, find_baseline
from clipeval.api.baselines import open_baseline
from clipeval.errors import StoreError
from clipeval.records import SuiteSpec


class TestFind:
    """A run, `accept` and `diff` mean the same file."""

    def test_none(self, suite):
        assert find_baseline(suite()) is None

    def test_the_one_that_accept_and_diff_mean_comes_first(self, suite, accepted, project):
        accepted(project / "suites/baselines/food.json")
        assert find_baseline(suite()) == Path("suites/baselines/food.json")
        accepted(project / "baselines/food.json")
        assert find_baseline(suite()) == baseline_of("food") == Path("baselines/food.json")

    def test_accept_in_a_subfolder_replaces_the_projects(
        self, accepted, project, evaluated, write_run, monkeypatch
    ):
        accepted(project / "baselines/food.json")
        run = write_run("run", evaluated()).absolute()
        (project / "suites").mkdir(exist_ok=True)
        monkeypatch.chdir(project / "suites")
        found = api.accept(run)
        assert found.replaced
        assert found.file.resolve() == (project / "baselines/food.json").resolve()

    def test_another_suites_is_not_taken(self, suite, accepted, project):
        accepted(project / "baselines/other.json")
        assert find_baseline(suite()) is None

    def test_not_above_the_projects_root(self, project, accepted, monkeypatch):
        inner = project / "inner"
        (inner / ".git").mkdir(parents=True)
        (project / "elsewhere" / ".git").mkdir(parents=True)
        monkeypatch.chdir(project / "elsewhere")
        accepted(project / "baselines/food.json")
        path = inner / "suites" / "food.yaml"
        spec = SuiteSpec(name="food", path=path, datasets=(), models=(), templates=())
        assert find_baseline(spec) is None
        accepted(inner / "baselines/food.json")
        assert find_baseline(spec) == inner / "baselines/food.json"

    def test_in_the_current_folder_first(self, suite, accepted, project, monkeypatch):
        here = project / "suites" / "below"
        here.mkdir(parents=True)
        monkeypatch.chdir(here)
        accepted(here / "baselines/food.json")
        assert find_baseline(suite()) == Path("baselines/food.json")
        accepted(project / "baselines/food.json")
        assert find_baseline(suite()) == Path("baselines/food.json")

    def test_not_for_a_suite_of_the_command_line(self, accepted, project):
        accepted(project / "baselines/adhoc.json", suite="adhoc")
        spec = SuiteSpec(name="adhoc", path=None, datasets=(), models=(), templates=())
        assert find_baseline(spec) is None

    def test_the_named_file_before_all(self, suite, accepted, project):
        accepted(project / "suites/baselines/food.json")
        named = accepted(project / "named.json")
        assert find_baseline(suite(baseline=named)) == named

    def test_the_suites_file_in_a_named_folder(self, suite, accepted, project):
        file = accepted(project / "accepted/food.json")
        assert find_baseline(suite(baseline=project / "accepted")) == file
        with pytest.raises(
            StoreError, match=r"accepted: has no other\.json; expected the baseline"
        ):
            find_baseline(suite("other", baseline=project / "accepted"))

    @pytest.mark.parametrize("name", ["run-to-accept", "run-to-accept/run.json"])
    def test_a_named_run(self, suite, accepted, project, name):
        accepted(None)
        found = find_baseline(suite(baseline=project / name))
        assert found == project / name
        assert list(open_baseline(found).cells) == ["food/m/photo"]

    @pytest.mark.parametrize("name", ["none.json", "none/none.json", "n" * 300])
    def test_a_named_one_that_is_not_there(self, suite, project, name):
        with pytest.raises(StoreError, match=r"no such file; expected a baseline|cannot read"):
            find_baseline(suite(baseline=project / name))
