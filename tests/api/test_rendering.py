"""Rendering a run again, from whatever is left of its folder."""

import pytest

from clipeval import api
from clipeval.errors import StoreError
from clipeval.store import RunFolder, read_part_predictions, read_part_thumbnails, read_run


def run_once(digits, folder):
    api.run(digits("photo=a photo of the number {}", "bare={}"), folder, argv=("clipeval",))


def test_a_run_json_alone_is_rendered_and_what_is_missing_is_said(digits, project):
    run_once(digits, project / "out")
    alone = project / "alone"
    alone.mkdir()
    (alone / "run.json").write_bytes((project / "out" / "run.json").read_bytes())
    rendered = api.render_report(alone / "run.json")
    assert [path.name for path in rendered.files] == [
        "report.html", "summary.md", "junit.xml", "top1-1.svg", "calibration-1.svg",
    ]  # fmt: skip
    assert [notice.code for notice in rendered.notices] == ["no-predictions"]


def test_a_run_that_was_cut_short_is_rendered_from_what_it_had_finished(digits, project):
    run_once(digits, project / "out")
    whole = read_run(project / "out")
    first = whole.cells[0]
    with RunFolder.begin(project / "cut", whole) as folder:
        # The parts of the first cell, as a killed run leaves them.
        predictions, thumbnails = parts_of(project / "out", first.id)
        folder.add_cell(first, predictions, thumbnails)
    rendered = api.render_report(project / "cut")
    page = rendered.files[0].read_text(encoding="utf-8")
    assert rendered.notices == ()
    assert read_run(project / "cut").status == "partial"
    assert f"{first.metrics['top1'].value:.1%}" in page
    assert read_part_predictions(project / "cut", first.id).cell == first.id
    assert read_part_thumbnails(project / "cut", first.id) == thumbnails


def parts_of(folder, cell_id):
    from clipeval.store import read_predictions, read_thumbnails

    (predictions,) = read_predictions(folder, cell_id)
    return predictions, read_thumbnails(folder)


def test_a_whole_run_is_rendered_to_the_same_bytes(digits, project):
    run_once(digits, project / "out")
    before = (project / "out" / "report.html").read_bytes()
    rendered = api.render_report(project / "out")
    assert rendered.notices == ()
    assert (project / "out" / "report.html").read_bytes() == before


def test_edited_metrics_are_refused_and_nothing_is_written(evaluated, write_run):
    run = write_run("run", evaluated(n_wrong=3))
    before = (run / "report.html").read_bytes()
    text = (run / "run.json").read_text(encoding="utf-8")
    assert '"value": 0.9,' in text
    (run / "run.json").write_text(text.replace('"value": 0.9,', '"value": 0.99,'), encoding="utf-8")
    with pytest.raises(StoreError, match=r"says top1 0\.9900 of cell 'food/m/photo'"):
        api.render_report(run)
    assert (run / "report.html").read_bytes() == before


def test_edited_metrics_of_a_run_that_was_cut_short_are_refused(evaluated, write_run):
    made = evaluated(n_wrong=3)
    planned = read_run(write_run("run", made))
    with RunFolder.begin(planned_folder := write_run("cut", made), planned) as folder:
        folder.add_cell(made.result, made.predictions, made.thumbnails)
    file = planned_folder / "run.json"
    text = file.read_text(encoding="utf-8").replace('"value": 0.9,', '"value": 0.99,')
    file.write_text(text, encoding="utf-8")
    with pytest.raises(StoreError, match=r"says top1 0\.9900"):
        api.render_report(planned_folder)
