"""Real clocks and devices for the protocol."""

from __future__ import annotations

import time
from dataclasses import dataclass

import torch

from clipeval.bench.protocol import Events, Stopwatch
from clipeval.devices import synchronize

MS_PER_S = 1e3


class SystemClock:
    """The clock with the finest steps that never runs backwards."""

    def now(self) -> float:
        """Return seconds."""
        return time.perf_counter()


class CudaEvents:
    """Marks in the queue of the current stream of a CUDA GPU."""

    def __init__(self) -> None:
        self._start: torch.cuda.Event = torch.cuda.Event(enable_timing=True)  # type: ignore[no-untyped-call]
        self._stop: torch.cuda.Event = torch.cuda.Event(enable_timing=True)  # type: ignore[no-untyped-call]

    def start(self) -> None:
        """Mark where the work begins."""
        self._start.record()

    def stop(self) -> None:
        """Mark where it ends."""
        self._stop.record()

    def elapsed_s(self) -> float:
        """Return the seconds between the marks."""
        return float(self._start.elapsed_time(self._stop)) / MS_PER_S


@dataclass(frozen=True, slots=True)
class TorchDevice:
    """A device of torch: `cpu`, `cuda`, `cuda:N` or `mps`."""

    name: str

    def synchronize(self) -> None:
        """Wait until it has done all that it was given."""
        synchronize(self.name)

    def events(self) -> Events | None:
        """Return marks for the queue of a CUDA GPU."""
        return CudaEvents() if self.name.startswith("cuda") else None


def stopwatch(device: str) -> Stopwatch:
    """Return what times calls on a device."""
    return Stopwatch(SystemClock(), TorchDevice(device))
