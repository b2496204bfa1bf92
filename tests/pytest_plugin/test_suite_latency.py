"""`latency` of a suite under pytest: one item a suite, after all cells."""

import json

import pytest

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


def test_without_a_cell_there_is_nothing_to_time(timed):
    result = timed(1).run("suites", "-k", "latency", "-rs")
    result.assert_outcomes(skipped=1)
    result.stdout.fnmatch_lines(["*no cell of this suite was evaluated*"])


def test_timing_under_xdist_is_refused(timed):
    result = timed(100_000).run_apart("suites", "-n", "1")
    result.assert_outcomes(passed=2, failed=1)
    result.stdout.fnmatch_lines(["*timing under pytest-xdist is refused*"])
