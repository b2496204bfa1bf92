"""Whether a larger batch would fit in the memory of the host, where too much of it ends the whole process.

A GPU refuses what does not fit, and that is reported as the limit found. The host's kernel kills.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from clipeval.records.latency import StageProfile

_CGROUP_FILES = (
    ("sys/fs/cgroup/memory.max", "sys/fs/cgroup/memory.current"),
    ("sys/fs/cgroup/memory/memory.limit_in_bytes", "sys/fs/cgroup/memory/memory.usage_in_bytes"),
)
"""Limit and use, of the second version of control groups and of the first."""
_GIB = 2**30
N_POINTS = 2
"""Of a line."""


def available_bytes(root: Path = Path("/")) -> int:
    """Return how much memory this process may still take: the machine's, or its container's if less.

    Args:
        root: where the system's files lie.
    """
    left = [int(psutil.virtual_memory().available)]
    for limit_file, used_file in _CGROUP_FILES:
        try:
            limit, used = ((root / one).read_text().strip() for one in (limit_file, used_file))
        except OSError:
            continue
        if limit.isdigit() and used.isdigit():
            left.append(int(limit) - int(used))
    return max(0, min(left))


@dataclass(slots=True)
class MemoryForecast:
    """Tells from smaller batches what a larger one takes: memory grows with the batch size in a line."""

    available: Callable[[], int] = available_bytes
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
        left = self.available()
        if more <= left:
            return ""
        return (
            f"out of memory with a batch of {batch_size}: not tried, it would take about "
            f"{more / _GIB:.1f} GiB more, and {left / _GIB:.1f} are left"
        )
