"""What a suite's cells are compared with, opened once, and each pair of them compared once."""

import shutil
from dataclasses import asdict, replace
from pathlib import Path

import pytest

import clipeval
from clipeval import api
from clipeval.api import comparer
from clipeval.api.baselines import open_baseline
from clipeval.api.comparer import MAX_FLIPS, Comparer, ComparisonRequest, allows_other_model
from clipeval.comparison import cell_outcomes, compare
from clipeval.errors import ComparisonError
from clipeval.plan import build_plan
from clipeval.records import DatasetSpec, FolderSource, GateSpec, ModelSpec, SuiteSpec, TemplateSpec

TINY = Path(clipeval.__file__).parent / "models" / "tiny"
SUITE = """\
suite: s
datasets: [digits]
models: [tiny, "local-dir:copy"]
templates: {photo: "a photo of the number {}", bare: "{}"}
reference: {template: photo, model: tiny}
gates:
  - {metric: top1, max_drop: 0.5, max_negative_flip_rate: 0.5}
  - {metric: macro_f1, max_drop: 0.5}
  - {metric: top1, max_drop: 0.5, against: reference_template}
  - {metric: top1, max_drop: 0.5, against: reference_model}
"""


@pytest.fixture
def outcomes(evaluated):
    def make(*words, **values):
        one = evaluated(*words, **values)
        return cell_outcomes(one.result, one.predictions)

    return make


class TestPairs:
    def test_are_compared_once_for_each_kind(self, outcomes):
        photo, plate, other = outcomes("photo"), outcomes("plate", n_wrong=3), outcomes("other")
        compared = Comparer()
        first = compared.compare(photo, plate, kind="template")
        assert compared.compare(photo, plate, kind="template") is first
        assert compared.compare(photo, plate, kind="run").kind == "run"
        assert compared.compare(photo, other, kind="template").n_newly_wrong == 0
        assert first.n_newly_wrong == 3

    def test_name_some_flips_and_count_all(self, outcomes):
        photo, bad = outcomes("photo", n_images=300), outcomes("bad", n_images=300, n_wrong=250)
        one = Comparer().compare(photo, bad, kind="template")
        assert (len(one.newly_wrong), one.n_newly_wrong) == (MAX_FLIPS, 250)

    def test_that_cannot_be_compared_are_refused_each_time(self, outcomes):
        compared = Comparer()
        for _ in range(2):
            with pytest.raises(ComparisonError, match="10 images only in the base"):
                compared.compare(outcomes(), outcomes("plate", n_images=20), kind="template")


@pytest.fixture
def pairs(monkeypatch):
    """Return what was compared, each time that it was."""
    seen = []

    def spy(base, candidate, *, kind):
        seen.append((kind, base.cell, candidate.cell))
        return compare(base, candidate, kind=kind)

    monkeypatch.setattr(comparer, "compare", spy)
    return seen


class TestAWholeRun:
    """Gates and record of a run, by command or under pytest, share a baseline that is opened once."""

    @pytest.fixture
    def suite(self, project, loaded):
        shutil.copytree(TINY, project / "copy")
        (project / "s.yaml").write_text(SUITE)
        suite = loaded(project / "s.yaml", limit=20)
        api.run(suite, project / "first")
        api.accept(project / "first")
        return suite

    @pytest.fixture
    def opened(self, suite, project):
        """The baseline of the suite, whose file is gone by the time anything is evaluated."""
        opened = api.open_baselines([suite], [project / "out"])
        (project / "baselines/s.json").unlink()
        return opened

    @pytest.fixture
    def session(self, suite, opened):
        session = api.EvaluationSession()
        cells = build_plan(suite).cells
        session.plan([(suite, cell) for cell in cells], baselines=opened)
        for cell in cells:
            session.evaluate(suite, cell)
        return session

    @staticmethod
    def assert_each_once(record, pairs):
        assert (record.verdict, record.baseline.source) == ("pass", "baselines/s.json")
        assert [len(cell.gates) for cell in record.cells] == [3, 4, 4, 5]
        assert len(pairs) == len(set(pairs)) == 4 + 2 + 2
        assert set(pairs) == {(one.kind, one.base, one.candidate) for one in record.comparisons}

    def test_of_the_command(self, suite, opened, project, pairs):
        self.assert_each_once(api.run(suite, project / "out", baselines=opened), pairs)

    def test_of_a_session(self, suite, pairs, session, project):
        merged = api.merge_outcomes(session.outcomes)
        (run,) = api.finish_outcomes(merged, project / "out", base=project)
        self.assert_each_once(run.record, pairs)

    def test_of_another_process(self, session, opened, project):
        (exported,) = api.export_outcomes(session.outcomes)
        outcome = api.import_outcome(exported, baselines=opened)
        (run,) = api.finish_outcomes([outcome], project / "out", base=project)
        assert (run.record.verdict, run.record.baseline.source) == ("pass", "baselines/s.json")

    def test_that_was_given_no_baseline_looks_for_it(self, suite, project):
        assert api.run(suite, project / "out").baseline.source == "baselines/s.json"


class TestRequest:
    @pytest.fixture
    def suite(self, project):
        return SuiteSpec(
            name="food",
            path=project / "suites" / "food.yaml",
            datasets=(DatasetSpec(key="food", source=FolderSource(project)),),
            models=(ModelSpec(id="m", kind="tiny", name="tiny"),),
            templates=(TemplateSpec(id="photo", templates=("{}",)),),
            reference_templates={"food": "photo"},
            gates=(GateSpec(metric="top1", max_drop=0.01),),
            holdout=0.25,
        )

    def test_is_read_off_a_suite(self, suite, evaluated, write_run, project):
        plan = build_plan(suite)
        assert ComparisonRequest.of(plan, None).baseline is None
        baseline = open_baseline(api.accept(write_run("accepted", evaluated())).file)
        assert ComparisonRequest.of(plan, baseline) == ComparisonRequest(
            reference_templates={"food": "photo"},
            baseline="baselines/food.json",
            folder=str(project),
            has_baseline_gates=True,
            suite_cells=("food/m/photo",),
            holdout=0.25,
        )

    def test_a_suite_that_the_command_line_changed_has_no_cells_to_lose(self, suite):
        request = ComparisonRequest.of(build_plan(replace(suite, is_whole=False)), None)
        assert (request.suite_cells, request.any_model) == (None, True)

    def test_another_models_name_is_allowed_for_one_model_of_the_command_line(self, suite):
        model = ModelSpec(id="n", kind="tiny", name="tiny")
        changed = replace(suite, is_whole=False)
        assert allows_other_model(changed)
        assert not allows_other_model(suite)
        assert not allows_other_model(replace(changed, models=(*suite.models, model)))

    def test_survives_the_way_to_another_process(self, suite):
        request = ComparisonRequest.of(build_plan(suite), None)
        assert ComparisonRequest(**asdict(request)) == request
