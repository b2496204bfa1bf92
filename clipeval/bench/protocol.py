"""How one call is timed: warmed up until it is steady, the device waited for, nothing else in the way."""

from __future__ import annotations

import gc
import itertools
import statistics
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Literal, Protocol

Steadiness = Literal["steady", "unsteady"]
Target = Callable[[int], object]
"""Does the work once; given the number of the call, so that inputs can rotate."""


class Clock(Protocol):
    """Tells the time."""

    def now(self) -> float:
        """Return seconds that never run backwards."""


class Events(Protocol):
    """A pair of marks in a device's queue of work."""

    def start(self) -> None:
        """Mark where the work begins."""

    def stop(self) -> None:
        """Mark where it ends."""

    def elapsed_s(self) -> float:
        """Return the seconds between the marks by the device's own clock; the device has been waited for."""


class TimedDevice(Protocol):
    """A device that may work on behind a call that has returned."""

    def synchronize(self) -> None:
        """Wait until it has done all that it was given."""

    def events(self) -> Events | None:
        """Return marks for its queue; None if it has none (a CPU)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Effort:
    """How long to warm up, and how much to measure."""

    min_warmup_calls: int = 3
    min_warmup_s: float = 0.5
    max_warmup_s: float = 20.0
    window: int = 5
    """Calls whose median is compared with that of as many before them."""
    tolerance: float = 0.02
    """Medians of successive windows that differ by no more count as steady."""
    n_samples: int = 64
    """Wanted; p90 needs so many."""
    min_samples: int = 10
    max_s: float = 30.0
    """Time after which measuring ends early, min_samples taken."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Timing:
    """Raw timings of one kind of call."""

    samples_s: tuple[float, ...]
    """Wall time of each call, in order, the device waited for."""
    device_samples_s: tuple[float, ...] = ()
    """The same calls by the device's own clock; empty if it has none."""
    warmup_s: tuple[float, ...] = ()
    """Wall time of the calls before, in order."""
    steadiness: Steadiness


@dataclass(frozen=True, slots=True)
class Stopwatch:
    """Times calls on one device."""

    clock: Clock
    device: TimedDevice

    def time(self, target: Target, number: int) -> tuple[float, float | None]:
        """Time one call: wall seconds, and the device's own if it has a clock."""
        events = self.device.events()
        self.device.synchronize()  # what was queued before is not this call's
        started = self.clock.now()
        if events is not None:
            events.start()
        target(number)
        if events is not None:
            events.stop()
        self.device.synchronize()  # inside the timed region: a call returns before its work is done
        wall_s = self.clock.now() - started
        return wall_s, None if events is None else events.elapsed_s()


def measure(target: Target, stopwatch: Stopwatch, effort: Effort) -> Timing:
    """Warm a call up until it is steady, then time it again and again.

    Garbage is collected before, and not meanwhile.

    Args:
        target: what to time. Calls are numbered on from the warm-up's.
        stopwatch: what times it.
        effort: how long.
    """
    with no_collection():
        warmup = warm_up(target, stopwatch, effort)
        number = len(warmup.taken_s)
        wall: list[float] = []
        on_device: list[float] = []
        total_s = 0.0
        while len(wall) < effort.n_samples and (
            len(wall) < effort.min_samples or total_s < effort.max_s
        ):
            wall_s, device_s = stopwatch.time(target, number)
            wall.append(wall_s)
            total_s += wall_s
            on_device.extend([] if device_s is None else [device_s])
            number += 1
    return Timing(
        samples_s=tuple(wall),
        device_samples_s=tuple(on_device),
        warmup_s=tuple(warmup.taken_s),
        steadiness=warmup.steadiness,
    )


def warm_up(target: Target, stopwatch: Stopwatch, effort: Effort) -> WarmUp:
    """Call until it is steady, or until the time for that is up."""
    warmup = WarmUp(effort)
    while not warmup.is_over:
        warmup.add(stopwatch.time(target, len(warmup.taken_s))[0])
    return warmup


WINDOWS_KEPT = 8
"""A window is an eighth of the calls so far, if that is more than is asked for."""
N_WINDOWS = 3
"""Successive windows whose medians have to agree: two of a noisy call do by chance."""


@dataclass(slots=True)
class WarmUp:
    """Calls before those that count."""

    effort: Effort
    taken_s: list[float] = field(default_factory=list)
    """Wall time of each."""
    _total_s: float = 0.0

    @property
    def is_over(self) -> bool:
        """Whether it was long enough, and is steady or will not be waited for any longer."""
        effort, n_calls = self.effort, len(self.taken_s)
        least_s = min(effort.min_warmup_s, effort.max_warmup_s)
        if n_calls < effort.min_warmup_calls or self._total_s < least_s:
            return False
        if self._total_s >= effort.max_warmup_s:
            return True
        # Windows that do not overlap: to look after every call would be to wait for a chance agreement.
        size = self._window
        is_whole = n_calls >= N_WINDOWS * size and n_calls % size == 0
        return is_whole and self.steadiness == "steady"

    @property
    def steadiness(self) -> Steadiness:
        """Compare the medians of the last windows, shorter ones if the calls were too slow for whole ones."""
        size = min(self._window, len(self.taken_s) // N_WINDOWS)
        if size < 1:
            return "unsteady"
        last = self.taken_s[-N_WINDOWS * size :]
        medians = [statistics.median(last[i * size : (i + 1) * size]) for i in range(N_WINDOWS)]
        agree = all(
            abs(after - before) <= self.effort.tolerance * before
            for before, after in itertools.pairwise(medians)
        )
        return "steady" if agree else "unsteady"

    @property
    def _window(self) -> int:
        """Let windows grow with the calls: medians of noisy calls then agree, those of a drift do not."""
        return max(self.effort.window, len(self.taken_s) // WINDOWS_KEPT)

    def add(self, seconds: float) -> None:
        """Count one call."""
        self.taken_s.append(seconds)
        self._total_s += seconds


@contextmanager
def no_collection() -> Iterator[None]:
    """Collect garbage now, and not meanwhile."""
    was_on = gc.isenabled()
    gc.collect()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()
