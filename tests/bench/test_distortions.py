"""What doctor says of machines that a test makes up."""

import pytest

from clipeval.bench.distortions import Machine, distortions

FLAGS = "flags\t\t: fpu avx2 avx512f avx512_vnni avx512_bf16 amx_bf16\n"


@pytest.fixture
def made(tmp_path):
    """Make a quiet machine; files of /proc and /sys by path, and other facts by name."""

    def make(files=(), **facts):
        for path, text in {"proc/cpuinfo": FLAGS, **dict(files)}.items():
            file = tmp_path / path
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text)
        quiet = {"environment": {}, "n_cores": 4, "n_threads": 4, "busy_share": 0.02}
        return Machine(root=tmp_path, **{**quiet, **facts})

    return make


def test_a_quiet_machine_has_nothing(made):
    assert distortions(made()) == ()


def test_a_machine_that_says_nothing_of_itself_has_nothing(tmp_path):
    bare = Machine(root=tmp_path, environment={}, n_cores=1, n_threads=1, busy_share=0)
    assert distortions(bare) == ()


CPU = "sys/devices/system/cpu"


@pytest.mark.parametrize(
    ("files", "facts", "subject", "says"),
    [
        ({}, {"busy_share": 0.8}, "load", "other programs use 80%"),
        ({"sys/fs/cgroup/cpu.max": "150000 100000"}, {}, "CPU quota", "1.5 of 4 cores"),
        (
            {
                "sys/fs/cgroup/cpu/cpu.cfs_quota_us": "250000",
                "sys/fs/cgroup/cpu/cpu.cfs_period_us": "100000",
            },
            {}, "CPU quota", "2.5 of 4 cores",
        ),
        ({"sys/fs/cgroup/cpu/cpu.stat": "nr_throttled 3\n"}, {}, "CPU quota", "3 times"),
        ({"sys/fs/cgroup/cpu.stat": "usage_usec 5\nnr_throttled 12\n"}, {}, "CPU quota", "12 times"),
        ({f"{CPU}/cpu3/thermal_throttle/core_throttle_count": "7"}, {}, "throttling", "7 times"),
        ({f"{CPU}/cpu0/cpufreq/scaling_governor": "powersave\n"}, {}, "governor", "powersave"),
        ({}, {"is_on_battery": True}, "power", "battery"),
        ({}, {"n_threads": 8}, "threads", "8 threads on 4 cores"),
        ({}, {"environment": {"OMP_NUM_THREADS": "1"}}, "threads", "OMP_NUM_THREADS=1"),
        ({"proc/cpuinfo": "flags : avx2 avx_vnni amx_bf16"}, {}, "AVX-512", "lacks it"),
        ({"proc/cpuinfo": "flags : avx512f avx512_vnni"}, {}, "bf16", "slower than fp32"),
        ({"proc/cpuinfo": "flags : avx512f avx512_bf16 avx512_vnni"}, {}, "AMX", "bf16 gains less"),
        ({"proc/cpuinfo": "flags : avx512f avx512_bf16 amx_bf16"}, {}, "int8", "gains little"),
        ({"proc/cpuinfo": "Features : asimd asimddp"}, {"architecture": "aarch64"}, "bf16", "slower"),
    ],
)  # fmt: skip
def test_each_by_itself(made, files, facts, subject, says):
    (found,) = distortions(made(files, **facts))
    assert found.subject == subject
    assert says in found.finding
    assert found.advice


@pytest.mark.parametrize(
    "files",
    [
        {"sys/fs/cgroup/cpu.max": "max 100000"},
        {"sys/fs/cgroup/cpu.max": "400000 100000"},
        {"sys/fs/cgroup/cpu.stat": "nr_throttled 0"},
        {f"{CPU}/cpu0/cpufreq/scaling_governor": "performance"},
        {f"{CPU}/cpu0/thermal_throttle/core_throttle_count": "0"},
        {"proc/cpuinfo": "flags : avx512f avx512_vnni amx_bf16"},
    ],
)
def test_what_is_as_it_should_be_is_not_mentioned(made, files):
    assert distortions(made(files)) == ()


class TestGpus:
    @pytest.fixture
    def nvidia_smi(self, tmp_path):
        def write(printed, code=0):
            program = tmp_path / "nvidia-smi"
            program.write_text(f"#!/bin/sh\nprintf '{printed}'\nexit {code}\n")
            program.chmod(0o755)
            return str(program)

        return write

    @pytest.mark.parametrize(
        ("printed", "texts"),
        [
            ("0, 0, 0x0000000000000001\\n", []),
            ("0, 0, 0x0000000000000003\\n", []),
            ("0, 96, 0x0000000000000000\\n1, 0, 0x0000000000000001\\n", ["others use 96% of it"]),
            (
                "0, 0, 0x0000000000000004\\n",
                ["its clock is held down (reasons 0x0000000000000004)"],
            ),
            ("0, [N/A], [N/A]\\n", []),
        ],
    )
    def test_busy_and_throttled(self, made, nvidia_smi, printed, texts):
        found = distortions(made(nvidia_smi=nvidia_smi(printed)))
        assert [one.finding for one in found] == texts

    def test_a_program_that_fails_says_nothing(self, made, nvidia_smi):
        assert distortions(made(nvidia_smi=nvidia_smi("0, 99, 0x4", code=9))) == ()
        assert distortions(made(nvidia_smi="/nowhere/nvidia-smi")) == ()


def test_this_machine():
    found = Machine.this()
    assert found.n_cores >= 1
    assert 0 <= found.busy_share <= 1
    distortions(found)
