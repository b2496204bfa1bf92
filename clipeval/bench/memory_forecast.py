"""Whether a larger batch would fit in the memory of the host, where too much of it ends the whole process.

A GPU refuses what does not fit, and that is reported as the limit found. The host's kernel kills.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

import psutil

from clipeval.records.latency import StageProfile

_GIB = 2**30
N_POINTS = 2
"""Of a line."""


def room_bytes(root: Path = Path("/")) -> int:
    """Return how much memory this process can have in all: what it holds, and what is left to take.

    Left is what the machine has, or less: what a container allows.

    Args:
        root: where the system's files lie.
    """
    left = [int(psutil.virtual_memory().available), *_left_in_groups(root)]
    return max(0, min(left)) + int(psutil.Process().memory_info().rss)


def _left_in_groups(root: Path) -> Iterator[int]:
    """Yield what each control group that this process is in has left: its own, and those above.

    Pages of files that the kernel would give up count as left.
    """
    for line in _text(root / "proc/self/cgroup").splitlines():
        number, controllers, path = line.split(":", 2)
        if number == "0":  # the second version of control groups
            top, limit, used = root / "sys/fs/cgroup", "memory.max", "memory.current"
        elif "memory" in controllers.split(","):
            top = root / "sys/fs/cgroup/memory"
            limit, used = "memory.limit_in_bytes", "memory.usage_in_bytes"
        else:
            continue
        own = PurePosixPath(path.lstrip("/"))
        for folder in (top / own, *(top / parent for parent in own.parents)):
            most, now = _text(folder / limit), _text(folder / used)
            if most.isdigit() and now.isdigit():
                yield int(most) - int(now) + _reclaimable(_text(folder / "memory.stat"))


def _reclaimable(stat: str) -> int:
    lines = (line.split() for line in stat.splitlines())
    return next((int(value) for name, value in lines if name == "inactive_file"), 0)


def _text(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8").strip()
    except OSError:
        return ""


@dataclass(slots=True)
class MemoryForecast:
    """Tells from smaller batches what a larger one takes: memory grows with the batch size in a line."""

    room: Callable[[], int] = room_bytes
    _seen: dict[int, int] = field(default_factory=dict)
    """Batch size -> resident bytes at most."""

    def add(self, profile: StageProfile) -> None:
        """Take a batch into account that was run."""
        if profile.memory is not None:
            self._seen[profile.setting.batch_size] = profile.memory.rss_bytes

    def problem(self, batch_size: int) -> str:
        """Say why a batch is not tried; nothing if it seems to fit, or too little is known."""
        known = sorted(self._seen.items())[-N_POINTS:]
        if len(known) < N_POINTS:
            return ""
        (small, least), (large, most) = known
        more = max(0.0, (most - least) / (large - small)) * (batch_size - large)
        room = self.room()
        if most + more <= room:
            return ""
        return (
            f"out of memory with a batch of {batch_size}: not tried, it would take about "
            f"{(most + more) / _GIB:.1f} GiB, and this process can have {room / _GIB:.1f}"
        )
