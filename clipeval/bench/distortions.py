"""What will distort a measurement on this machine, and what to do about it."""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import psutil
import torch

from clipeval.cores import usable_cores
from clipeval.wording import count

BUSY_SHARE = 0.15
"""Share of the cores that others may use without being mentioned."""
LOOKED_AT_S = 0.5
NVIDIA_SMI_TIMEOUT_S = 10
THREAD_VARIABLES = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")
_IDLE_GPU_PERCENT = 5
_GPU_FIELDS = ("index", "utilization.gpu", "clocks_throttle_reasons.active")
_GPU_HARMLESS = 0x1 | 0x2
"""Idle, and clocks that an application set. Source: NVML's nvmlClocksThrottleReasons."""
_X86, _ARM = ("x86_64", "AMD64"), ("aarch64", "arm64")


@dataclass(frozen=True, slots=True)
class Distortion:
    """Something that makes timings here slower, or less steady, than they need be."""

    subject: str
    finding: str
    advice: str
    is_lasting: bool = False
    """Whether it is what the machine is, rather than how it is now."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Machine:
    """Where to look; tests look elsewhere."""

    root: Path = Path("/")
    """Of /proc and /sys."""
    environment: Mapping[str, str]
    n_cores: int
    """That this process may use."""
    n_threads: int
    """torch's."""
    busy_share: float
    """Of the cores, by whatever runs."""
    is_on_battery: bool = False
    architecture: str = "x86_64"
    nvidia_smi: str | None = None
    """Path of the program; None if it is not there."""

    @classmethod
    def this(cls) -> Machine:
        """Look at this machine; takes half a second."""
        battery = psutil.sensors_battery() if hasattr(psutil, "sensors_battery") else None
        return cls(
            environment=os.environ,
            n_cores=usable_cores(),
            n_threads=torch.get_num_threads(),
            busy_share=psutil.cpu_percent(interval=LOOKED_AT_S) / 100,
            is_on_battery=battery is not None and not battery.power_plugged,
            architecture=platform.machine(),
            nvidia_smi=shutil.which("nvidia-smi"),
        )

    def read(self, path: str) -> str:
        """Return the text of a file below the root; nothing if it cannot be read."""
        try:
            return (self.root / path).read_text(encoding="utf-8", errors="replace").strip()
        except OSError:
            return ""


def distortions(machine: Machine) -> tuple[Distortion, ...]:
    """Return everything found, in the order in which it is worth mending."""
    return tuple(
        found
        for look in (
            _load,
            _quota,
            _throttling,
            _governor,
            _battery,
            _threads,
            _instructions,
            _gpus,
        )
        for found in look(machine)
    )


def _load(machine: Machine) -> Iterator[Distortion]:
    if machine.busy_share > BUSY_SHARE:
        yield Distortion(
            "load",
            f"other programs use {machine.busy_share:.0%} of the processor",
            "stop them, or measure when they have ended",
        )


def _quota(machine: Machine) -> Iterator[Distortion]:
    quota, _, period = machine.read("sys/fs/cgroup/cpu.max").partition(" ")
    if not quota:  # control groups of the first version
        quota = machine.read("sys/fs/cgroup/cpu/cpu.cfs_quota_us")  # -1: none
        period = machine.read("sys/fs/cgroup/cpu/cpu.cfs_period_us")
    if not quota.isdigit() or not period.isdigit():
        return
    allowed = int(quota) / int(period)
    if allowed < machine.n_cores:
        yield Distortion(
            "CPU quota",
            f"this container may use {allowed:g} of {machine.n_cores} cores: beyond that it is stopped for "
            "part of every tenth of a second",
            f"run with --threads {max(1, int(allowed))}, or give the container whole cores (cpuset)",
        )


def _throttling(machine: Machine) -> Iterator[Distortion]:
    stopped = dict(
        line.split(maxsplit=1)
        for file in ("sys/fs/cgroup/cpu.stat", "sys/fs/cgroup/cpu/cpu.stat")
        for line in machine.read(file).splitlines()
        if " " in line
    )
    if int(stopped.get("nr_throttled", "0")) > 0:
        yield Distortion(
            "CPU quota",
            f"this container used its share up and was stopped {count(int(stopped['nr_throttled']), 'time')}",
            "use fewer threads than the quota allows, or raise the quota",
        )
    folders = (machine.root / "sys/devices/system/cpu").glob("cpu[0-9]*/thermal_throttle")
    times = [
        machine.read(str((folder / "core_throttle_count").relative_to(machine.root)))
        for folder in folders
    ]
    hottest = max((int(one) for one in times if one.isdigit()), default=0)
    if hottest:
        yield Distortion(
            "throttling",
            f"a core was slowed down for heat {count(hottest, 'time')} since the machine started",
            "let it cool, improve its cooling, and look whether timings drift",
        )


def _governor(machine: Machine) -> Iterator[Distortion]:
    folders = (machine.root / "sys/devices/system/cpu").glob("cpu[0-9]*/cpufreq/scaling_governor")
    governors = {machine.read(str(one.relative_to(machine.root))) for one in folders} - {""}
    if slow := sorted(governors - {"performance"}):
        yield Distortion(
            "governor",
            f"the clock follows the load (governor {', '.join(slow)})",
            "sudo cpupower frequency-set -g performance",
        )


def _battery(machine: Machine) -> Iterator[Distortion]:
    if machine.is_on_battery:
        yield Distortion("power", "this machine runs on its battery", "plug it in")


def _threads(machine: Machine) -> Iterator[Distortion]:
    cores = count(machine.n_cores, "core")
    if machine.n_threads > machine.n_cores:
        yield Distortion(
            "threads",
            f"torch uses {machine.n_threads} threads on {cores}: they wait for one another",
            f"--threads {machine.n_cores}",
        )
    for name in THREAD_VARIABLES:
        value = machine.environment.get(name, "")
        if value.isdigit() and int(value) != machine.n_cores:
            yield Distortion(
                "threads",
                f"{name}={value} is set, and this process may use {cores}",
                f"unset {name}, unless you mean it",
            )


def _instructions(machine: Machine) -> Iterator[Distortion]:
    info = machine.read("proc/cpuinfo")
    flags = {
        flag
        for line in info.splitlines()
        if line.partition(":")[0].strip() in ("flags", "Features")
        for flag in line.partition(":")[2].split()
    }
    if not flags:
        return
    if machine.architecture in _X86:
        if "avx512f" not in flags:
            yield Distortion(
                "AVX-512",
                "this processor lacks it: fp32 runs at about half of what one with it does",
                "compare with timings of processors of this kind alone",
                is_lasting=True,
            )
        if "avx512_bf16" in flags and "amx_bf16" not in flags:
            yield Distortion(
                "AMX",
                "this processor lacks it: bf16 gains less here than on one with it",
                "compare bf16 with timings of processors of this kind alone",
                is_lasting=True,
            )
        has_bf16 = bool(flags & {"avx512_bf16", "amx_bf16"})
        has_int8 = bool(flags & {"avx512_vnni", "avx_vnni", "amx_int8"})
    elif machine.architecture in _ARM:
        has_bf16, has_int8 = "bf16" in flags, bool(flags & {"i8mm", "asimddp"})
    else:
        return
    if not has_bf16:
        yield Distortion(
            "bf16",
            "this processor has no instructions for it (AVX-512 BF16, AMX): bf16 is slower than fp32 here",
            "--precision fp32, or int8 with --backend onnxruntime",
            is_lasting=True,
        )
    if not has_int8:
        yield Distortion(
            "int8",
            "this processor has no instructions for it (VNNI, AMX): int8 gains little here",
            "--precision fp32",
            is_lasting=True,
        )


def _gpus(machine: Machine) -> Iterator[Distortion]:
    if machine.nvidia_smi is None:
        return
    command = [
        machine.nvidia_smi,
        f"--query-gpu={','.join(_GPU_FIELDS)}",
        "--format=csv,noheader,nounits",
    ]
    try:
        done = subprocess.run(  # noqa: S603 (no shell)
            command, capture_output=True, text=True, check=False, timeout=NVIDIA_SMI_TIMEOUT_S
        )
    except (OSError, subprocess.TimeoutExpired):
        return
    for line in done.stdout.splitlines() if not done.returncode else ():
        index, busy, reasons = (part.strip() for part in [*line.split(","), "", "", ""][:3])
        if busy.isdigit() and int(busy) > _IDLE_GPU_PERCENT:
            yield Distortion(
                f"GPU {index}", f"others use {busy}% of it", "stop them, or choose another GPU"
            )
        if _is_throttled(reasons):
            yield Distortion(
                f"GPU {index}",
                f"its clock is held down (reasons {reasons})",
                "see nvidia-smi -q -d PERFORMANCE: power limit, heat, or locked clocks",
            )


def _is_throttled(reasons: str) -> bool:
    try:
        return bool(int(reasons, 16) & ~_GPU_HARMLESS)
    except ValueError:
        return False
