"""What pytest-benchmark times, on a fake device that works on behind calls that have returned."""

import pytest

from clipeval import api
from clipeval.api.timed_stages import TimedStage
from clipeval.bench.protocol import Effort
from clipeval.errors import BenchError
from clipeval.records.latency_gates import LatencySetting
from tests.bench.test_protocol import LAUNCH_S, Bench

SETTING = LatencySetting(
    model="m", device="cuda", precision="fp32", backend="torch", batch_size=4, n_threads=2
)


@pytest.fixture
def bench():
    return Bench()


def stage_of(bench, seconds):
    return TimedStage(
        stage="encode_image", setting=SETTING, effort=Effort(window=3, min_warmup_s=0),
        _target=bench.call_of(seconds), _stopwatch=bench.stopwatch,
    )  # fmt: skip


def test_a_call_returns_when_the_device_has_done_it(bench):
    """Without the wait it would have taken no longer than queueing it."""
    stage_of(bench, 2.0).call(0)
    assert bench.clock.now() == pytest.approx(2.0 + LAUNCH_S)


def test_the_device_s_own_times_are_kept_beside_those_of_the_wall(bench):
    stage = stage_of(bench, lambda number: 1.0 + number)
    warmup = stage.warm_up()
    for number in range(3):
        stage.call(number)
    profile = stage.profile((1.1, 2.1, 3.1), warmup)
    assert profile.samples_s == (1.1, 2.1, 3.1)
    assert profile.device_samples_s == pytest.approx([1, 2, 3], abs=2 * LAUNCH_S)
    assert profile.device_summary.median_s == pytest.approx(2, abs=2 * LAUNCH_S)
    assert api.extra_info(profile)["device_median_s"] == profile.device_summary.median_s


def test_a_batch_that_is_too_large_is_one_error_and_names_it():
    def use():
        with api.timed_stage("classify", model="tiny", batch_size=2, device="cpu"):
            raise MemoryError

    with pytest.raises(
        BenchError, match=r"tiny, classify on cpu, fp32, torch, batch 2.*out of memory"
    ):
        use()
