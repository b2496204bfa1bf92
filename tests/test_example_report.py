"""reports/example/ is what this version renders from its own run folder."""

import shutil
from pathlib import Path

import pytest

from clipeval import api
from clipeval.store import read_run

FOLDER = Path(__file__).parents[1] / "reports" / "example"
MAX_BYTES = 2_500_000


@pytest.mark.parametrize("name", ["report.html", "summary.md", "junit.xml"])
def test_is_not_stale(tmp_path, name):
    copy = tmp_path / "example"
    shutil.copytree(FOLDER, copy)
    api.render_report(copy)
    assert (copy / name).read_bytes() == (FOLDER / name).read_bytes(), "run: make example"
    drawn = {one.name: one.read_bytes() for one in (copy / "charts").iterdir()}
    assert drawn == {one.name: one.read_bytes() for one in (FOLDER / "charts").iterdir()}


def test_is_of_the_suite_and_the_model_as_they_are_now(tmp_path, monkeypatch):
    """All but what the machine adds: timings, rounding of the last digits."""
    monkeypatch.chdir(FOLDER.parents[1])
    shown = read_run(FOLDER)
    limit = shown.environment.argv[shown.environment.argv.index("--limit") + 1]
    (suite,) = api.load_suites(
        [Path("suites/quickstart.yaml")], overrides=api.Overrides(limit=int(limit))
    )
    made = api.run(suite, tmp_path / "run", use_cache=False)
    assert [cell.id for cell in made.cells] == [cell.id for cell in shown.cells]
    assert made.verdict == shown.verdict
    for now, then in zip(made.cells, shown.cells, strict=True):
        assert now.template == then.template, "run: make example"
        assert now.dataset == then.dataset
        assert now.model == then.model
        assert now.confusion == then.confusion
        assert [(one.metric, one.kind, one.limit, one.state) for one in now.gates] == [
            (one.metric, one.kind, one.limit, one.state) for one in then.gates
        ]
        assert {key: one.value for key, one in now.metrics.items()} == pytest.approx(
            {key: one.value for key, one in then.metrics.items()}, abs=1e-5
        )


def test_names_no_machine_and_stays_small():
    record = read_run(FOLDER)
    assert record.status == "complete"
    assert record.environment.platform == "Linux"
    assert record.environment.git_commit is None
    assert not any(word.startswith("/") for word in record.environment.argv)
    assert (FOLDER / "report.html").stat().st_size < MAX_BYTES
