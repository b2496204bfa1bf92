"""Profiles of several processes as one record."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from clipeval.api.bench_request import BenchRequest
from clipeval.api.fresh_process import profile_in_fresh_process
from clipeval.progress import Progress, SilentProgress
from clipeval.records.latency import BenchmarkRecord

ProfileAlone = Callable[[BenchRequest], BenchmarkRecord]
"""Profiles what is asked for in a process of its own."""


def bench_in_fresh_processes(
    request: BenchRequest,
    *,
    argv: Sequence[str] = (),
    progress: Progress | None = None,
    profile: ProfileAlone = profile_in_fresh_process,
) -> BenchmarkRecord:
    """Profile models, every configuration in a process of its own.

    Args:
        request: what to profile.
        argv: the command to record.
        progress: told of every process done.
        profile: profiles one configuration.
    Raises:
        BenchError: a process failed.
    """
    alone = request.one_by_one()
    watcher = progress or SilentProgress()
    found = []
    with watcher.stage("profiling", total=len(alone), unit="processes") as advance:
        for one in alone:
            found.append(profile(one))
            advance(1)
    return joined(found, argv=argv)


def joined(records: Sequence[BenchmarkRecord], *, argv: Sequence[str]) -> BenchmarkRecord:
    """Join what processes on one machine measured.

    Args:
        records: at least one.
        argv: the command to record.
    """
    first = records[0]
    return replace(
        first,
        environment=replace(first.environment, argv=tuple(argv)),
        profiles=tuple(one for record in records for one in record.profiles),
        models={id_: size for record in records for id_, size in record.models.items()},
        sweeps=tuple(one for record in records for one in record.sweeps),
        matrix_peaks=_fastest([record.matrix_peaks for record in records]),
        memory_bandwidths=_fastest([record.memory_bandwidths for record in records]),
        notices=tuple(dict.fromkeys(one for record in records for one in record.notices)),
    )


def _fastest(found: Sequence[Mapping[str, float]]) -> dict[str, float]:
    """Return the best that any process saw: others were in its way less."""
    best: dict[str, float] = {}
    for speeds in found:
        for name, speed in speeds.items():
            best[name] = max(speed, best.get(name, 0.0))
    return best
