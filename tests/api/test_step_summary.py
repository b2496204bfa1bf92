"""The CI system's page for a job: added to, never replaced, and never worth a run."""

from dataclasses import replace

import pytest

from clipeval.api.step_summary import VARIABLE, add_to_step_summary
from clipeval.report import render_summary
from clipeval.store import read_run


@pytest.fixture
def record(evaluated, write_run):
    return read_run(write_run("run", evaluated(n_wrong=3)))


def test_nothing_is_written_where_there_is_no_such_page(record, project, monkeypatch):
    monkeypatch.delenv(VARIABLE, raising=False)
    assert add_to_step_summary(record) is None
    monkeypatch.setenv(VARIABLE, "")
    assert add_to_step_summary(record) is None


def test_the_summary_is_added_at_the_end(record, project, monkeypatch):
    page = project / "summary.md"
    page.write_text("what another step said\n", encoding="utf-8")
    monkeypatch.setenv(VARIABLE, str(page))
    assert add_to_step_summary(record) is None
    assert add_to_step_summary(record) is None
    summary = render_summary(record) + "\n"
    assert page.read_text(encoding="utf-8") == "what another step said\n" + 2 * summary


def test_a_page_that_cannot_be_written_is_a_notice(record, project, monkeypatch):
    for target in (project, project / "nowhere" / "summary.md", project / ("n" * 300)):
        monkeypatch.setenv(VARIABLE, str(target))
        notice = add_to_step_summary(record)
        assert notice.code == "no-step-summary"
        assert notice.message.startswith(f"{target} (${VARIABLE}) cannot be written: ")


def test_names_in_any_script_are_written(evaluated, write_run, project, monkeypatch):
    monkeypatch.setenv(VARIABLE, str(project / "summary.md"))
    cell = evaluated(class_keys=("비빔밥", "caf\udce9", "sushi"), n_wrong=3)
    assert add_to_step_summary(replace(read_run(write_run("run", cell)), suite="비빔밥")) is None
    assert "비빔밥" in (project / "summary.md").read_text(encoding="utf-8")
