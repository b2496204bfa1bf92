"""What a larger batch would take, on machines whose memory is made up."""

import pytest

from clipeval.bench.memory_forecast import MemoryForecast, available_bytes
from clipeval.records.latency import PeakMemory, StageProfile
from clipeval.records.latency_gates import LatencySetting

GIB = 2**30


def profile(size, rss_bytes):
    setting = LatencySetting(
        model="m", device="cpu", precision="fp32", backend="torch", batch_size=size, n_threads=1
    )
    return StageProfile(
        stage="encode_image", setting=setting, memory=PeakMemory(rss_bytes=rss_bytes)
    )


def forecast(*seen, left):
    made = MemoryForecast(available=lambda: left)
    for size, rss_bytes in seen:
        made.add(profile(size, rss_bytes))
    return made


class TestForecast:
    def test_a_batch_that_would_take_more_than_there_is_is_not_tried(self):
        # 0.5 GiB an image from 32 to 64: 128 takes 32 GiB more
        made = forecast((32, 18 * GIB), (64, 34 * GIB), left=16 * GIB)
        assert made.problem(96) == ""
        assert made.problem(128) == (
            "out of memory with a batch of 128: not tried, it would take about 32.0 GiB more, and 16.0 are left"
        )

    def test_the_last_two_batches_tell(self):
        made = forecast((1, 2 * GIB), (32, 2 * GIB), (64, 4 * GIB), left=3 * GIB)
        assert made.problem(64 + 49)
        assert not made.problem(64 + 48)

    @pytest.mark.parametrize("seen", [(), ((1, GIB),)])
    def test_one_batch_tells_nothing(self, seen):
        assert forecast(*seen, left=0).problem(10**6) == ""

    def test_memory_that_does_not_grow_fits(self):
        assert forecast((1, 2 * GIB), (2, GIB), left=0).problem(4) == ""


class TestAvailable:
    def test_a_container_may_have_less_than_the_machine(self, tmp_path):
        whole = available_bytes(tmp_path)
        assert whole > 0
        folder = tmp_path / "sys/fs/cgroup"
        folder.mkdir(parents=True)
        (folder / "memory.max").write_text("3000000\n")
        (folder / "memory.current").write_text("1000000\n")
        assert available_bytes(tmp_path) == 2_000_000
        (folder / "memory.max").write_text("max\n")
        assert available_bytes(tmp_path) > 2_000_000

    def test_control_groups_of_the_first_version(self, tmp_path):
        folder = tmp_path / "sys/fs/cgroup/memory"
        folder.mkdir(parents=True)
        (folder / "memory.limit_in_bytes").write_text("5000")
        (folder / "memory.usage_in_bytes").write_text("6000")
        assert available_bytes(tmp_path) == 0
