"""Accepting runs, and finding what was accepted."""

import json
import shutil
from pathlib import Path

import pytest

from clipeval import api
from clipeval.api.baselines import (
    baseline_of,
    baseline_of_run,
    find_baseline,
    list_baselines,
    open_baseline,
    refuse_own_folder,
)
from clipeval.errors import StoreError
from clipeval.records import GateResult, SuiteSpec
from clipeval.store import read_baseline, read_run


def gate(state, against=None):
    return GateResult(
        metric="top1", kind="max_drop" if against else "min", limit=0.9, value=0.8, low=None,
        high=None, state=state, message=f"top1 says {state}", against=against,
    )  # fmt: skip


def codes(accepted):
    return [notice.code for notice in accepted.notices]


@pytest.fixture
def suite(project):
    def make(name="food", **changes):
        return SuiteSpec(
            name=name, path=project / "suites" / "food.yaml", datasets=(), models=(), templates=(),
            **changes,
        )  # fmt: skip

    return make


@pytest.fixture
def accepted(project, evaluated, write_run):
    """Return a function that makes a baseline file of suite `food`."""

    def make(path, *, suite="food"):
        return api.accept(write_run("run-to-accept", evaluated(), suite=suite), file=path).file

    return make


class TestAccept:
    def test_writes_the_suites_baseline_in_the_current_folder(self, project, evaluated, write_run):
        run = write_run("run", evaluated("photo", n_wrong=3), evaluated("plate"))
        accepted = api.accept(run)
        assert accepted.file == Path("baselines/food.json")
        assert (accepted.suite, accepted.n_cells, accepted.replaced) == ("food", 2, False)
        assert accepted.size_bytes == (project / accepted.file).stat().st_size
        assert accepted.notices == ()
        baseline = read_baseline(accepted.file)
        assert list(baseline.cells) == ["food/m/photo", "food/m/plate"]
        cell = baseline.cells["food/m/photo"]
        assert (cell.outcomes.predicted != cell.outcomes.labels).nonzero()[0].tolist() == [0, 1, 2]
        assert cell.metrics["top1"].value == 0.9

    def test_takes_run_json_and_another_name(self, project, evaluated, write_run):
        run = write_run("run", evaluated())
        accepted = api.accept(run / "run.json", file=Path("here/mine.json"))
        assert read_baseline(Path("here/mine.json")).suite == accepted.suite == "food"
        assert not (project / "baselines").exists()

    def test_says_that_it_replaces_one(self, accepted, evaluated, write_run):
        accepted(None)
        again = api.accept(write_run("next", evaluated(n_wrong=9)))
        assert again.replaced
        assert read_baseline(again.file).cells["food/m/photo"].metrics["top1"].value == 0.7

    @pytest.mark.parametrize("content", ["", "\n", '{\n  "baseline_version": 1,\n  "sui', None])
    def test_replaces_a_broken_baseline_as_its_error_advises(self, accepted, project, content):
        file = project / accepted(None)
        text = file.read_text() if content is None else content
        file.write_text(text.replace('"suite": "food"', '"suite": "foot"'))
        with pytest.raises(StoreError):
            read_baseline(file)
        accepted(None)
        assert read_baseline(file).suite == "food"

    @pytest.mark.parametrize("name", ["thesis.txt", "run-to-accept/run.json"])
    def test_does_not_overwrite_another_file(self, accepted, project, name):
        accepted(None)
        (project / "thesis.txt").write_text("precious")
        before = (project / name).read_bytes()
        with pytest.raises(StoreError, match="is there, and is not a baseline"):
            api.accept(project / "run-to-accept", file=project / name)
        assert (project / name).read_bytes() == before

    def test_a_folder_in_the_place_of_the_file_is_an_error(self, accepted, project):
        (project / "baselines" / "food.json").mkdir(parents=True)
        with pytest.raises(StoreError, match=r"cannot write baselines/food\.json"):
            accepted(None)

    def test_refuses_a_partial_run(self, project, evaluated, write_run):
        run = write_run("run", evaluated(), planned=["food/m/photo", "food/m/plate"])
        with pytest.raises(StoreError, match=r"is a partial run \(1 of 2 cells\)"):
            api.accept(run)
        assert not (project / "baselines").exists()

    def test_refuses_a_baseline_as_a_run(self, accepted):
        with pytest.raises(StoreError, match=r"schema_version is missing"):
            api.accept(accepted(None))

    def test_refuses_a_suite_whose_name_leads_elsewhere(self, project, evaluated, write_run):
        run = write_run("run", evaluated(), suite="../../etc/food")
        with pytest.raises(StoreError, match="a name that no file can have"):
            api.accept(run)

    def test_leaves_guests_out(self, project, evaluated, write_run):
        run = write_run("run", evaluated(), evaluated("guest"), guests=("food/m/guest",))
        assert api.accept(run).n_cells == 1
        assert list(read_baseline(Path("baselines/food.json")).cells) == ["food/m/photo"]

    def test_refuses_a_run_of_guests_alone(self, project, evaluated, write_run):
        run = write_run("run", evaluated(), guests=("food/m/photo",))
        with pytest.raises(StoreError, match="has no cells of the suite 'food' itself"):
            api.accept(run)


class TestDoubts:
    def test_a_dirty_tree(self, project, evaluated, write_run):
        accepted = api.accept(write_run("run", evaluated(), git_dirty=True))
        assert codes(accepted) == ["dirty-tree"]

    def test_random_weights(self, project, evaluated, write_run):
        accepted = api.accept(write_run("run", evaluated(random_weights=True)))
        assert codes(accepted) == ["accepted-random-weights"]
        assert "m has random weights" in accepted.notices[0].message

    @pytest.mark.parametrize("state", ["fail", "error"])
    def test_a_gate_that_is_not_kept(self, project, evaluated, write_run, state):
        cell = evaluated(gates=(gate("pass"), gate(state), gate(state, "photo")))
        accepted = api.accept(write_run("run", cell))
        assert codes(accepted) == ["accepted-not-passed"]
        assert f"food/m/photo: top1 says {state} (and 1 more)" in accepted.notices[0].message

    def test_not_a_gate_against_the_baseline_that_is_replaced(self, project, evaluated, write_run):
        gates = (gate("fail", "baseline"), gate("inconclusive"))
        run = write_run("run", evaluated(gates=gates))
        assert read_run(run).verdict == "fail"
        assert codes(api.accept(run)) == []


class TestFind:
    """The one that was named; else the nearest up to .git, from the current folder, then from the suite's."""

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


class TestCheck:
    def test_passes_what_is_whole_and_what_is_not_there(self, suite, accepted, project):
        accepted(None)
        api.check_baselines([suite(), suite("other")], [project / "one", project / "two"])

    def test_refuses_one_that_was_changed(self, suite, accepted, project):
        file = project / accepted(None)
        file.write_text(file.read_text().replace("a CPU", "a GPU"))
        with pytest.raises(StoreError, match=r"food\.json: was changed after it was accepted"):
            api.check_baselines([suite("other"), suite()], [project / "one", project / "two"])

    @pytest.mark.parametrize("name", ["run", "run/run.json"])
    def test_refuses_the_run_folder_that_would_be_replaced(
        self, suite, project, evaluated, write_run, name, monkeypatch
    ):
        write_run("run", evaluated())
        with pytest.raises(StoreError, match="is the run folder that this run replaces"):
            refuse_own_folder(suite(baseline=project / name), Path("run"))
        refuse_own_folder(suite(baseline=project / name), Path("run-2"))
        refuse_own_folder(suite(), Path("run"))


class TestRunsAsBaselines:
    def test_are_refused_when_partial(self, evaluated, write_run):
        run = write_run("run", evaluated(), planned=["food/m/photo", "food/m/plate"])
        with pytest.raises(StoreError, match="is a partial run"):
            open_baseline(run)

    def test_are_refused_with_the_table_of_another_run(self, evaluated, write_run):
        run = write_run("run", evaluated(n_wrong=2))
        for other, message in (
            (evaluated("plate"), "has no cell 'food/m/photo'"),
            (evaluated(n_images=29), "has 29 images of cell 'food/m/photo', run.json 30"),
            (evaluated(n_wrong=3), "does not add up to the confusion matrix"),
            (evaluated(class_keys=("a", "b", "c", "d")), "food/m/photo"),
        ):
            table = write_run("other", other) / "predictions.parquet"
            shutil.copy(table, run / "predictions.parquet")
            with pytest.raises(StoreError, match=message) as caught:
                open_baseline(run)
            assert "\n" not in str(caught.value)

    def test_are_refused_with_half_a_table(self, evaluated, write_run):
        table = write_run("run", evaluated()) / "predictions.parquet"
        table.write_bytes(table.read_bytes()[:-100])
        with pytest.raises(StoreError, match=r"predictions\.parquet: cannot be read as Parquet"):
            open_baseline(table.parent)

    def test_are_refused_without_a_table(self, evaluated, write_run):
        run = write_run("run", evaluated())
        (run / "predictions.parquet").unlink()
        with pytest.raises(StoreError, match=r"predictions\.parquet: no such file"):
            open_baseline(run)

    def test_are_refused_from_a_newer_clipeval(self, evaluated, write_run):
        run = write_run("run", evaluated())
        record = json.loads((run / "run.json").read_text())
        (run / "run.json").write_text(json.dumps(record | {"schema_version": 2}))
        with pytest.raises(StoreError, match="pip install -U clipeval"):
            open_baseline(run)

    def test_say_the_same_as_the_baseline_made_of_them(self, project, evaluated, write_run):
        run = write_run("run", evaluated(n_wrong=4))
        record = read_run(run)
        accepted = read_baseline(api.accept(run).file)
        predictions = {cell.id: evaluated(n_wrong=4).predictions for cell in record.cells}
        found = baseline_of_run(record, predictions, source="run")
        for id_, one in found.cells.items():
            other = accepted.cells[id_]
            assert one.metrics == other.metrics
            assert one.outcomes.model == other.outcomes.model
            assert one.outcomes.prompts_sha256 == other.outcomes.prompts_sha256
            assert one.outcomes.predicted.tolist() == other.outcomes.predicted.tolist()


class TestList:
    def test_all_in_the_current_folder(self, accepted):
        accepted(None)
        accepted(None, suite="another")
        assert [one.suite for one in list_baselines()] == ["another", "food"]

    def test_by_suite_or_by_file(self, accepted, project):
        accepted(None)
        accepted(project / "mine.json", suite="other")
        found = list_baselines((Path("mine.json"), Path("food")))
        assert [one.suite for one in found] == ["other", "food"]

    def test_none_at_all(self, project):
        with pytest.raises(StoreError, match="there is none in baselines/"):
            list_baselines()

    def test_one_that_is_not_there(self, project):
        with pytest.raises(StoreError, match="nothing: no such file"):
            list_baselines((Path("nothing"),))
