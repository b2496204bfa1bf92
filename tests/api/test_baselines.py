"""Accepting runs, and finding what was accepted."""

import json
import shutil
from pathlib import Path

import pytest

from clipeval import api
from clipeval.api.baselines import (
    baseline_of_run,
    list_baselines,
    open_baseline,
    suite_baseline,
)
from clipeval.errors import StoreError
from clipeval.records import GateResult
from clipeval.store import read_baseline, read_run


def gate(state, against=None):
    return GateResult(
        metric="top1", kind="max_drop" if against else "min", limit=0.9, value=0.8, low=None,
        high=None, state=state, message=f"top1 says {state}", against=against,
    )  # fmt: skip


def codes(accepted):
    return [notice.code for notice in accepted.notices]


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


class TestReplacing:
    """A run of part of a suite is accepted, and what the baseline loses by that is said."""

    def test_names_the_cells_that_are_lost(self, project, evaluated, write_run):
        api.accept(write_run("whole", evaluated("photo"), evaluated("plate"), evaluated("sketch")))
        accepted = api.accept(write_run("part", evaluated("plate"), evaluated("new")))
        assert codes(accepted) == ["accepted-fewer-cells"]
        said = "does not have 2 cells of the 3 in the baseline that it replaces: food/m/photo, food/m/sketch;"
        assert said in accepted.notices[0].message
        assert list(read_baseline(accepted.file).cells) == ["food/m/plate", "food/m/new"]

    def test_says_that_there_are_fewer_images(self, project, evaluated, write_run):
        api.accept(write_run("whole", evaluated(), evaluated(dataset="drinks")))
        part = [evaluated(n_images=20), evaluated(dataset="drinks", n_images=40)]
        accepted = api.accept(write_run("part", *part))
        assert codes(accepted) == ["accepted-fewer-images"]
        said = "has 20 images of food, and the baseline that it replaces 30; if the run was of some images"
        assert said in accepted.notices[0].message

    def test_says_nothing_of_a_run_that_has_more(self, project, evaluated, write_run):
        api.accept(write_run("before", evaluated(n_images=20)))
        assert codes(api.accept(write_run("after", evaluated(), evaluated("plate")))) == []

    def test_names_some_of_very_many(self, project, evaluated, write_run):
        every = [evaluated(f"t{number}") for number in range(13)]
        api.accept(write_run("whole", *every))
        (notice,) = api.accept(write_run("part", every[0])).notices
        assert "food/m/t10 and 2 more;" in notice.message
        assert "t11" not in notice.message


class TestOpen:
    """What a suite is held against is opened once, before anything is evaluated."""

    def test_gives_what_there_is_by_suite(self, suite, accepted, project):
        accepted(None)
        folders = [project / "one", project / "two"]
        opened = api.open_baselines([suite(), suite("other")], folders)
        assert list(opened) == ["food"]
        assert opened["food"].source == "baselines/food.json"
        assert list(opened["food"].cells) == ["food/m/photo"]
        assert suite_baseline(suite("other")) is None

    def test_refuses_one_that_was_changed(self, suite, accepted, project):
        file = project / accepted(None)
        file.write_text(file.read_text().replace("a CPU", "a GPU"))
        with pytest.raises(StoreError, match=r"food\.json: was changed after it was accepted"):
            api.open_baselines([suite("other"), suite()], [project / "one", project / "two"])

    def test_refuses_that_of_another_suite_and_says_what_to_do(self, suite, accepted, project):
        accepted(project / "baselines/food.json", suite="drinks")
        with pytest.raises(StoreError) as refused:
            api.open_baselines([suite()], [project / "one"])
        assert str(refused.value) == (
            "baselines/food.json: is the baseline of suite 'drinks', not of 'food'; name that of 'food' or "
            "a folder that has it, or move this one away and accept a run of 'food': "
            "clipeval baseline accept RUN"
        )

    @pytest.mark.parametrize("name", ["run", "run/run.json"])
    def test_refuses_the_run_folder_that_would_be_replaced(
        self, suite, project, evaluated, write_run, name
    ):
        write_run("run", evaluated())
        named = suite(baseline=project / name)
        with pytest.raises(StoreError, match="is the run folder that this run replaces"):
            api.open_baselines([named], [Path("run")])
        assert list(api.open_baselines([named], [Path("run-2")])) == ["food"]


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

    @pytest.mark.parametrize("metric", ["top1", "mean_per_class_recall"])
    def test_are_refused_with_metrics_edited_by_hand(self, evaluated, write_run, metric):
        run = write_run("run", evaluated(n_wrong=3))
        record = json.loads((run / "run.json").read_text())
        metrics = record["cells"][0]["metrics"]
        metrics[metric] = {**metrics["top1"], "value": 0.99}
        (run / "run.json").write_text(json.dumps(record))
        said = rf"run\.json says {metric} 0\.9900 of cell 'food/m/photo', but its predictions give 0\.9000"
        with pytest.raises(StoreError, match=said):
            open_baseline(run)

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
