"""Where and how a run is made: versions, commit, processor, threads, command."""

from __future__ import annotations

import os
import platform
import subprocess
from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from clipeval.cores import usable_cores
from clipeval.records import Environment, MachineFacts

PACKAGES = (
    "torch", "torchvision", "open_clip_torch", "timm", "transformers", "openvino", "onnxruntime", "numpy",
    "pillow", "scikit-learn", "scipy", "pyarrow", "pydantic",
)  # fmt: skip
GIT_TIMEOUT_S = 10


def capture_environment(
    argv: tuple[str, ...], *, folder: Path, machine: MachineFacts
) -> Environment:
    """Describe this process and machine.

    Args:
        argv: the command, as typed.
        folder: whose git repository is recorded, if it is in one.
        machine: what torch says of it.
    """
    commit = _git(folder, "rev-parse", "HEAD")
    status = _git(folder, "status", "--porcelain", "--untracked-files=no") if commit else None
    return Environment(
        clipeval=version("clipeval"),
        python=platform.python_version(),
        platform=platform.platform(),
        packages=_versions(),
        git_commit=commit,
        git_dirty=None if status is None else bool(status),
        cpu=cpu_model(),
        n_cores=usable_cores(),
        n_threads=machine.n_threads,
        memory_bytes=_memory_bytes(),
        gpus=machine.gpus,
        argv=argv,
    )


def _versions() -> Mapping[str, str]:
    found = {}
    for name in PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue  # optional: not installed, so it cannot have mattered
    return found


def _git(folder: Path, *command: str) -> str | None:
    """Run a git command; None where there is no git or no repository."""
    try:
        done = subprocess.run(  # noqa: S603 (fixed commands, no shell)
            ["git", "-C", str(folder), *command],  # noqa: S607 (the user's own git)
            capture_output=True, text=True, timeout=GIT_TIMEOUT_S, check=False,
        )  # fmt: skip
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip() if done.returncode == 0 else None


def cpu_model() -> str:
    """Name the processor as the system does, or its architecture."""
    return _model_name(Path("/proc/cpuinfo")) or platform.processor() or platform.machine()


def _model_name(cpuinfo: Path) -> str | None:
    """Return what Linux says; None elsewhere, on ARM, and where a sandbox hides the file."""
    try:
        lines = cpuinfo.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return None
    names = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(names, None)


def _memory_bytes() -> int | None:
    """Return the size of the machine's memory; None where the platform does not say (Windows)."""
    if not hasattr(os, "sysconf"):
        return None
    try:
        size = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (OSError, ValueError):
        return None
    return size if size > 0 else None
