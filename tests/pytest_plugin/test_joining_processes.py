"""What workers found out comes together: nothing is lost, and no name means two things."""

import tempfile
from dataclasses import replace

import pytest

from clipeval import api
from clipeval.records import Notice

CELL = "digits/tiny/photo"


@pytest.fixture
def evaluated(tmp_path, monkeypatch, embeddings_cache):
    """Return a function that evaluates one cell as a worker does, and hands it over."""
    monkeypatch.setenv("CLIPEVAL_CACHE", str(embeddings_cache))
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))

    def evaluate(template, *, template_id="photo", limit=20, place=0):
        folder = tmp_path / f"limit-{limit}"
        folder.mkdir(exist_ok=True)
        catalogue = f"digits: {{source: sklearn-digits, limit: {limit}}}\n"
        (folder / "datasets.yaml").write_text(catalogue, encoding="utf-8")
        asked = api.single_cell(
            test_file=folder / "test_x.py",
            model="tiny",
            dataset="digits",
            template=template,
            template_id_=template_id,
            suite="shared",
        )
        session = api.EvaluationSession()
        session.evaluate(asked.suite, asked.cell, is_guest=True, place=place)
        (exported,) = api.export_outcomes(session.outcomes)
        return api.import_outcome(exported)

    return evaluate


def _finish(tmp_path, *outcomes):
    (run,) = api.finish_outcomes(api.merge_outcomes(outcomes), tmp_path / "out", base=tmp_path)
    return run


def test_a_cell_that_two_workers_evaluated_alike_is_there_once(evaluated, tmp_path):
    run = _finish(tmp_path, evaluated("a photo of {}"), evaluated("a photo of {}"))
    assert [cell.id for cell in run.record.cells] == [CELL]
    assert (run.problems, run.record.verdict) == ((), "pass")
    assert not list(tmp_path.glob("clipeval-*"))


def test_cells_stand_in_the_order_of_their_tests_whichever_worker_is_ready_first(
    evaluated, tmp_path
):
    later = evaluated("the {}", template_id="later", place=7)
    earlier = evaluated("a photo of {}", template_id="earlier", place=3)
    run = _finish(tmp_path, later, earlier)
    assert [cell.template.id for cell in run.record.cells] == ["earlier", "later"]


def test_one_cell_id_with_other_prompts_is_refused(evaluated, tmp_path):
    run = _finish(tmp_path, evaluated("a photo of {}"), evaluated("the {}"))
    assert [cell.template.templates for cell in run.record.cells] == [("a photo of {}",)]
    (problem,) = run.problems
    assert problem.startswith(
        f"suite 'shared': two different cells have the id '{CELL}', the second of them with the "
        "prompts 'the {}'; give the template an id of its own"
    )


def test_one_data_set_key_with_other_images_is_refused(evaluated, tmp_path):
    other = evaluated("the {}", template_id="the", limit=30)
    run = _finish(tmp_path, evaluated("a photo of {}"), other)
    assert [cell.id for cell in run.record.cells] == [CELL]
    (problem,) = run.problems
    assert "two different data sets have the key 'digits'" in problem
    assert "with 30 images" in problem
    assert [(error.id, error.message) for error in run.record.errors] == [
        ("digits/tiny/the", problem)
    ]
    assert run.record.status == "partial"


def test_one_model_id_with_other_weights_is_refused(evaluated, tmp_path):
    other = evaluated("the {}", template_id="the")
    (cell,) = other.evaluated.values()
    model = replace(cell.result.model, weights_sha256="0" * 64)
    changed = replace(cell, result=replace(cell.result, model=model))
    other.evaluated[cell.result.id] = changed
    run = _finish(tmp_path, evaluated("a photo of {}"), other)
    assert [cell.id for cell in run.record.cells] == [CELL]
    assert "two different models have the id 'tiny'" in run.problems[0]


def test_what_workers_found_is_removed_once_it_is_in_a_run_folder(evaluated, tmp_path):
    outcome = evaluated("a photo of {}")
    (folder,) = outcome.kept_in
    assert folder.is_dir()
    _finish(tmp_path, outcome)
    assert not folder.exists()


def test_what_cannot_be_written_anywhere_stays_and_is_named(evaluated, tmp_path, monkeypatch):
    outcome = evaluated("a photo of {}")
    (folder,) = outcome.kept_in
    (tmp_path / "out").write_text("in the way", encoding="utf-8")
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "nowhere"))
    run = _finish(tmp_path, outcome)
    assert run.folder is None
    assert "is not a folder" in run.problems[0]
    assert "cannot make a temporary folder" in run.problems[1]
    assert run.problems[2] == f"suite 'shared': what its workers evaluated is in {folder}"
    assert (folder / "run.json").is_file()


def test_notices_of_a_suite_reach_the_joined_run(evaluated, tmp_path):
    outcome = evaluated("a photo of {}")
    notice = Notice("said", "Something.")
    outcome.notices = (notice,)
    assert _finish(tmp_path, outcome).record.notices == (notice,)
