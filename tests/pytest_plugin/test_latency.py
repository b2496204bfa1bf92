"""The fixture `clip_latency`: pytest-benchmark's table and JSON, by clipeval's protocol."""

import json

import pytest
import torch

from clipeval.wording import count

TEST = """
def test_text(clip_latency):
    profile = clip_latency("encode_text", model="tiny", device="cpu", batch_size=2, n_samples=70)
    assert profile.summary.n == 70
    assert profile.summary.p90_s >= profile.summary.median_s > 0
    assert profile.summary.p99_s is None
"""


@pytest.fixture(autouse=True)
def benchmark_on(monkeypatch):
    for name in (
        "CI",
        "PYTEST_XDIST_WORKER",
    ):  # pytest-benchmark is off in a worker, and in one of its children
        monkeypatch.delenv(name, raising=False)


def test_results_are_those_of_pytest_benchmark(pytester):
    pytester.makepyfile(TEST)
    ended = pytester.runpytest_subprocess("--benchmark-json=out.json")
    ended.assert_outcomes(passed=1)
    ended.stdout.fnmatch_lines(["*encode_text on cpu, fp32, torch, batch 2*", "*test_text*"])
    written = json.loads((pytester.path / "out.json").read_text())
    (found,) = written["benchmarks"]
    threads = count(torch.get_num_threads(), "thread")
    assert found["group"] == f"encode_text on cpu, fp32, torch, batch 2, {threads}"
    assert found["stats"]["rounds"] == len(found["stats"]["data"]) == 70
    assert found["stats"]["iterations"] == 1
    info = found["extra_info"]
    assert (info["model"], info["stage"], info["batch_size"]) == ("tiny", "encode_text", 2)
    assert info["median_s"] == pytest.approx(found["stats"]["median"])
    assert info["p90_s"] > 0
    assert info["p95_s"] is None
    machine = written["machine_info"]["clipeval"]
    assert machine["torch"]
    assert len(machine["fingerprint"]) == 64


def test_pytest_benchmark_compares_what_was_saved(pytester):
    pytester.makepyfile(TEST)
    for _ in range(2):
        pytester.runpytest_subprocess("--benchmark-autosave").assert_outcomes(passed=1)
    ended = pytester.run("pytest-benchmark", "compare")
    assert ended.ret == 0
    for saved in ("test_text (0001", "test_text (0002"):
        assert saved in ended.stdout.str()


def test_timing_under_xdist_is_refused(pytester):
    pytester.makepyfile(TEST)
    ended = pytester.runpytest_subprocess("-n", "1")
    assert ended.ret == 1
    ended.stdout.fnmatch_lines(["*timing under pytest-xdist is refused*"])


def test_disabled_timing_is_a_skip_that_says_so(pytester):
    pytester.makepyfile(TEST)
    ended = pytester.runpytest_subprocess("--benchmark-disable", "-rs")
    ended.assert_outcomes(skipped=1)
    ended.stdout.fnmatch_lines(["*called once, not timed: pytest-benchmark is disabled*"])


def test_what_stands_in_the_way_is_one_error(pytester):
    pytester.makepyfile(
        """
        def test_nothing(clip_latency):
            clip_latency("encode_image", model="tiny", device="gpu")
        """
    )
    ended = pytester.runpytest_subprocess()
    ended.assert_outcomes(failed=1)
    ended.stdout.fnmatch_lines(["*DeviceError: unknown device 'gpu'*"])


def test_other_benchmarks_know_nothing_of_torch(pytester):
    pytester.makepyfile(
        """
        import sys

        def test_sum(benchmark):
            benchmark(sum, [1, 2])

        def test_no_torch():
            assert "torch" not in sys.modules
        """
    )
    ended = pytester.runpytest_subprocess("--benchmark-json=out.json")
    ended.assert_outcomes(passed=2)
    assert "clipeval" not in json.loads((pytester.path / "out.json").read_text())["machine_info"]
