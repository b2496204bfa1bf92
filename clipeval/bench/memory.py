"""How much memory is in use while something runs."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import psutil
import torch

from clipeval.records.latency import PeakMemory

INTERVAL_S = 0.002


@dataclass(slots=True)
class MemoryWatch:
    """What was in use at most while it watched."""

    peak: PeakMemory | None = None
    """None until it ends."""


@contextmanager
def watch_memory(device: str) -> Iterator[MemoryWatch]:
    """Watch memory meanwhile; `peak` is filled in at the end.

    The resident set, and MPS's memory, are looked at every 2 ms by another thread: no timing is taken then.
    """
    watch = MemoryWatch()
    on_cuda = device.startswith("cuda")
    if on_cuda:
        torch.cuda.empty_cache()  # what another batch had reserved is not this one's
        torch.cuda.reset_peak_memory_stats(device)
    seen: list[_InUse] = []
    stop = threading.Event()
    watcher = threading.Thread(target=_watch, args=(device, seen, stop), daemon=True)
    watcher.start()
    try:
        yield watch
    finally:
        stop.set()
        watcher.join()
        allocated = max(one.allocated for one in seen) if device == "mps" else None
        reserved = max(one.reserved for one in seen) if device == "mps" else None
        if on_cuda:
            allocated = torch.cuda.max_memory_allocated(device)
            reserved = torch.cuda.max_memory_reserved(device)
        watch.peak = PeakMemory(
            rss_bytes=max(one.rss for one in seen),
            device_allocated_bytes=allocated,
            device_reserved_bytes=reserved,
        )


@dataclass(frozen=True, slots=True)
class _InUse:
    """Bytes in use at one moment."""

    rss: int
    allocated: int = 0
    """On MPS, which keeps no record of its peak."""
    reserved: int = 0


def _watch(device: str, seen: list[_InUse], stop: threading.Event) -> None:
    process = psutil.Process()
    while True:
        rss = process.memory_info().rss
        if device == "mps":
            mps = torch.mps
            seen.append(_InUse(rss, mps.current_allocated_memory(), mps.driver_allocated_memory()))
        else:
            seen.append(_InUse(rss))
        if stop.wait(INTERVAL_S):
            return
