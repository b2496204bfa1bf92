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


def test_names_no_machine_and_stays_small():
    record = read_run(FOLDER)
    assert record.status == "complete"
    assert record.environment.platform == "Linux"
    assert record.environment.git_commit is None
    assert not any(word.startswith("/") for word in record.environment.argv)
    assert (FOLDER / "report.html").stat().st_size < MAX_BYTES
