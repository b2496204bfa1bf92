"""What a larger batch would take, on machines whose memory is made up."""

import psutil
import pytest

from clipeval.bench.memory_forecast import MemoryForecast, room_bytes
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


def forecast(*seen, room):
    made = MemoryForecast(room=lambda: room)
    for size, rss_bytes in seen:
        made.add(profile(size, rss_bytes))
    return made


class TestForecast:
    def test_a_batch_whose_peak_would_be_more_than_there_is_is_not_tried(self):
        # 0.5 GiB an image: 128 would peak at 66 GiB, whatever was given back since
        made = forecast((32, 18 * GIB), (64, 34 * GIB), room=50 * GIB)
        assert made.problem(96) == ""
        assert made.problem(128) == (
            "out of memory with a batch of 128: not tried, it would take about 66.0 GiB, and this process can "
            "have 50.0"
        )

    def test_the_last_two_batches_tell(self):
        made = forecast((1, 2 * GIB), (32, 2 * GIB), (64, 4 * GIB), room=7 * GIB)
        assert made.problem(64 + 49)
        assert not made.problem(64 + 48)

    @pytest.mark.parametrize("seen", [(), ((1, GIB),)])
    def test_one_batch_tells_nothing(self, seen):
        assert forecast(*seen, room=0).problem(10**6) == ""

    def test_memory_that_does_not_grow_fits(self):
        assert forecast((1, 2 * GIB), (2, GIB), room=GIB).problem(4) == ""


class TestRoom:
    def left(self, root):
        return room_bytes(root) - psutil.Process().memory_info().rss

    def made(self, root, files):
        for name, text in files.items():
            (root / name).parent.mkdir(parents=True, exist_ok=True)
            (root / name).write_text(text)

    def test_of_the_machine_where_no_group_limits_it(self, tmp_path):
        assert self.left(tmp_path) > GIB // 4

    def test_the_group_s_own_limit_and_those_above_it(self, tmp_path):
        group = "sys/fs/cgroup/a/b"
        self.made(
            tmp_path,
            {
                "proc/self/cgroup": "0::/a/b\n",
                f"{group}/memory.max": "max\n",
                f"{group}/memory.current": "1000\n",
                "sys/fs/cgroup/a/memory.max": "50000000\n",
                "sys/fs/cgroup/a/memory.current": "20000000\n",
            },
        )
        assert self.left(tmp_path) == pytest.approx(30_000_000, abs=2e6)  # what it holds changes
        (tmp_path / group / "memory.max").write_text("5001000\n")
        assert self.left(tmp_path) == pytest.approx(5_000_000, abs=2e6)

    def test_pages_of_files_are_given_up_for_it(self, tmp_path):
        self.made(
            tmp_path,
            {
                "proc/self/cgroup": "4:memory:/\n3:cpu:/\n",
                "sys/fs/cgroup/memory/memory.limit_in_bytes": "90000000",
                "sys/fs/cgroup/memory/memory.usage_in_bytes": "89000000",
                "sys/fs/cgroup/memory/memory.stat": "cache 7\ninactive_file 40000000\n",
            },
        )
        assert self.left(tmp_path) == pytest.approx(41_000_000, abs=2e6)
