"""`latency` of a suite under pytest: one item a suite, after all cells."""

import json

import pytest

from clipeval import api
from tests.pytest_plugin.conftest import SUITE

TIMED = (
    SUITE
    + """\
latency:
  stages: [classify]
  batch_sizes: [2]
  samples: 10
  gates: {classify: {max_ms: LIMIT}}
"""
)


@pytest.fixture
def timed(project):
    def write(limit):
        project.write("suites/small.yaml", TIMED.replace("LIMIT", str(limit)))
        return project

    return write


def test_is_an_item_of_its_own_after_the_cells(timed):
    project = timed(100_000)
    result = project.run("suites", "-v")
    result.assert_outcomes(passed=3)
    result.stdout.fnmatch_lines(
        ["*small.yaml::digits[[]tiny-bare] PASSED*", "*small.yaml::latency PASSED*"]
    )
    record = json.loads((project.path / "reports/small/run.json").read_text())
    assert record["latency"]["gates"][0]["state"] == "pass"
    assert (project.path / "reports/small/benchmark.json").is_file()


def test_fails_with_the_limit_that_is_not_kept(timed):
    project = timed(0.000001)
    result = project.run("suites")
    result.assert_outcomes(passed=2, failed=1)
    result.stdout.fnmatch_lines(
        ["small: 1 of 1 limit on latency failed", "*FAIL*tiny, classify on cpu*"]
    )
    assert json.loads((project.path / "reports/small/run.json").read_text())["verdict"] == "fail"


def test_chosen_alone_it_evaluates_what_says_how_to_run_the_models(timed):
    """As --lf does with one that failed."""
    project = timed(0.000001)
    result = project.run("suites", "-k", "latency")
    result.assert_outcomes(failed=1)
    record = json.loads((project.path / "reports/small/run.json").read_text())
    assert [cell["id"] for cell in record["cells"]] == ["digits/tiny/photo"]


def test_left_out_it_is_said_that_its_limits_judged_nothing(timed):
    project = timed(1)
    result = project.run("suites", "-k", "not latency")
    result.assert_outcomes(passed=2)
    result.stdout.fnmatch_lines(
        ["note gate-not-applied: *the limit on the latency of classify*not chosen"]
    )


def test_what_stands_in_its_way_is_in_the_run_too(timed):
    project = timed(1)
    project.run("suites", "-k", "not latency", "--clipeval-out", "base")
    api.accept(project.path / "base", file=project.write("baselines/small.json", ""))
    project.write("baselines/latency/small.json", "{")
    result = project.run("suites")
    result.assert_outcomes(passed=2, failed=1)
    record = json.loads((project.path / "reports/small/run.json").read_text())
    assert record["verdict"] == "error"
    assert "baselines/latency/small.json" in record["latency"]["problems"][0]


def test_timing_under_xdist_is_refused(timed):
    result = timed(100_000).run_apart("suites", "-n", "1")
    result.assert_outcomes(passed=2, failed=1)
    result.stdout.fnmatch_lines(["*timing under pytest-xdist is refused*"])
