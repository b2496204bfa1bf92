"""A suite that has something timed, from the file to every document of its run folder."""

import json
import xml.etree.ElementTree as ET

import jsonschema
import pytest
import torch

from clipeval.wording import count

THREADS = count(torch.get_num_threads(), "thread")
SUITE = """\
suite: timed
datasets: [digits]
models: [tiny]
templates: {photo: "a photo of the number {}"}
latency:
  stages: [classify, end_to_end]
  batch_sizes: [2]
  samples: 10
  gates:
    end_to_end: {max_ms: LIMIT}
"""
CATALOG = "digits: {source: sklearn-digits, limit: 20}\n"


@pytest.fixture
def timed(project, clipeval):
    """Run the suite with a limit; the slowest machine keeps 100 s, and none 0.001 ms."""
    (project / "datasets.yaml").write_text(CATALOG)

    def run(limit, *words):
        (project / "timed.yaml").write_text(SUITE.replace("LIMIT", str(limit)))
        return clipeval("run", "timed.yaml", "--out", "out", *words)

    return run


def test_a_limit_that_is_kept(timed, clipeval, project):
    ended = timed(100_000)
    assert ended.code == 0, ended
    assert "tiny on cpu, fp32, torch, batch 2" in ended.out
    assert f"tiny, end_to_end on cpu, fp32, torch, batch 2, {THREADS} takes" in ended.out
    record = json.loads((project / "out/run.json").read_text())
    assert record["verdict"] == "pass"
    (gate,) = record["latency"]["gates"]
    assert (gate["kind"], gate["limit"], gate["state"]) == ("max_ms", 100_000, "pass")
    benchmark = json.loads((project / "out/benchmark.json").read_text())
    assert [one["stage"] for one in benchmark["profiles"]] == ["classify", "end_to_end"]
    schema = json.loads(clipeval("schema", "benchmark").out)
    jsonschema.Draft202012Validator(schema).validate(benchmark)
    page = (project / "out/report.html").read_text()
    assert 'id="latency"' in page
    assert "<svg" in page
    assert "Latency" in (project / "out/summary.md").read_text()
    cases = {c.get("name") for c in ET.parse(project / "out/junit.xml").iter("testcase")}
    assert any(name.startswith("latency[tiny-cpu-fp32-torch-b2-") for name in cases)

    rendered = clipeval("report", "out")
    assert rendered.code == 0
    assert (project / "out/report.html").read_text() == page

    accepted = clipeval("baseline", "accept", "out")
    assert accepted.code == 0
    assert json.loads((project / "baselines/latency/timed.json").read_text()) == benchmark
    assert clipeval("baseline", "show").code == 0  # the timings are no baseline of their own

    again = timed(100_000, "--no-latency")
    assert again.code == 0
    assert "what suite 'timed' wants timed was left out" in again.err
    assert "none of the suite's gates applies" in again.out
    assert not (project / "out/benchmark.json").exists()
    assert json.loads((project / "out/run.json").read_text())["latency"] is None
    kept = clipeval("baseline", "accept", "out")
    assert "kept-timings" in kept.err


def test_a_limit_that_is_not_kept_fails_the_run(timed, project):
    ended = timed(0.001)
    assert ended.code == 1
    assert "FAIL" in ended.out
    record = json.loads((project / "out/run.json").read_text())
    assert record["verdict"] == "fail"
    assert "**FAIL** timed" in (project / "out/summary.md").read_text()
    junit = ET.parse(project / "out/junit.xml").getroot()
    assert junit.get("failures") == "1"


def test_a_mistake_is_found_without_torch(project, clipeval):
    (project / "timed.yaml").write_text(SUITE.replace("LIMIT", "-1"))
    ended = clipeval("validate", "timed.yaml")
    assert ended.code == 2
    assert "timed.yaml:10:26: got the number -1; expected more than 0" in ended.err


def test_an_interruption_while_models_are_timed_leaves_all_that_was_scored(
    timed, project, monkeypatch
):
    def interrupt(*args, **options):
        raise KeyboardInterrupt

    monkeypatch.setattr("clipeval.api.running.measure_latency", interrupt)
    ended = timed(100_000)
    assert ended.code == 130
    record = json.loads((project / "out/run.json").read_text())
    assert (record["status"], record["verdict"]) == ("complete", "error")
    assert record["latency"]["problems"] == ["interrupted while models were timed"]
    for name in ("report.html", "summary.md", "junit.xml", "predictions.parquet"):
        assert (project / "out" / name).is_file()


def test_accepting_a_run_that_was_too_slow_is_doubted(timed, clipeval):
    timed(0.001)
    accepted = clipeval("baseline", "accept", "out")
    assert "accepted-not-passed" in accepted.err
    assert "end_to_end" in accepted.err


def test_modules_of_the_current_folder_are_not_taken_for_pythons(timed, project):
    (project / "statistics.py").write_text("raise SystemExit('shadowed')")
    assert timed(100_000).code == 0
