"""How throughput grows with the batch size: where it stops growing, and where memory ends."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from clipeval.records.latency import BatchSweep, StageProfile

KNEE_SHARE = 0.95
"""The knee is the smallest batch with so much of the best throughput."""


def doubling(largest: int) -> Iterator[int]:
    """Yield 1, 2, 4, ... up to and including the largest."""
    size = 1
    while size < largest:
        yield size
        size *= 2
    yield largest


def sweep_batch_sizes(profile_at: Callable[[int], StageProfile], *, largest: int) -> BatchSweep:
    """Profile a stage at doubling batch sizes until memory does not suffice.

    Between the last size that fitted and the first that did not, halving finds the largest that fits.

    Args:
        profile_at: profiles at a batch size; `problem` of what it gives says that it does not fit.
        largest: batch size to end at if memory never runs out.
    """
    profiles: list[StageProfile] = []
    fits, too_large = 0, None
    for size in doubling(largest):
        profile = profile_at(size)
        profiles.append(profile)
        if profile.problem:
            too_large = size
            break
        fits = size
    while too_large is not None and too_large - fits > max(1, fits // 8):
        size = (fits + too_large) // 2
        profile = profile_at(size)
        profiles.append(profile)
        if profile.problem:
            too_large = size
        else:
            fits = size
    profiles.sort(key=lambda one: one.setting.batch_size)
    return BatchSweep(
        profiles=tuple(profiles),
        knee=_knee(profiles),
        largest_that_fits=fits,
        smallest_too_large=too_large,
    )


def _knee(profiles: list[StageProfile]) -> int | None:
    """Return the smallest batch size with 95% of the best throughput; None if nothing fitted."""
    speeds = {one.setting.batch_size: one.items_per_s for one in profiles if one.items_per_s}
    if not speeds:
        return None
    best = max(speeds.values())
    return min(size for size, speed in speeds.items() if speed >= KNEE_SHARE * best)
