"""Profiles of several processes as one record."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from clipeval.api.bench_request import BenchRequest
from clipeval.api.fresh_process import profile_in_fresh_process
from clipeval.errors import BenchError
from clipeval.progress import Progress, SilentProgress
from clipeval.records import Notice, Precision
from clipeval.records.latency import BenchmarkRecord, Roof, StageProfile

NOT_PROFILED = "not-profiled"
ProfileAlone = Callable[[BenchRequest], BenchmarkRecord]
"""Profiles what is asked for in a process of its own."""


def bench_in_fresh_processes(
    request: BenchRequest,
    *,
    is_split: bool = True,
    argv: Sequence[str] = (),
    progress: Progress | None = None,
    profile: ProfileAlone = profile_in_fresh_process,
) -> BenchmarkRecord:
    """Profile models, every configuration in a process of its own.

    One that fails leaves the others as they are: a notice NOT_PROFILED says why.

    Args:
        request: what to profile; check_request has seen it.
        is_split: whether each batch size is a configuration of its own, too.
        argv: the command to record.
        progress: told of every process done.
        profile: profiles one configuration.
    Raises:
        BenchError: every process failed.
    """
    alone = request.apart(by_batch_size=is_split)
    watcher = progress or SilentProgress()
    found: list[BenchmarkRecord] = []
    failed: list[Notice] = []
    with watcher.stage("profiling", total=len(alone), unit="processes") as advance:
        for one in alone:
            try:
                found.append(profile(one))
            except BenchError as error:
                if len(alone) == 1:
                    raise
                failed.append(Notice(NOT_PROFILED, str(error)))
            advance(1)
    if not found:
        raise BenchError("\n".join(dict.fromkeys(one.message for one in failed)))
    record = joined(found, argv=argv)
    return replace(record, notices=(*record.notices, *failed))


def joined(records: Sequence[BenchmarkRecord], *, argv: Sequence[str]) -> BenchmarkRecord:
    """Join what processes on one machine measured.

    Args:
        records: at least one.
        argv: the command to record.
    """
    first = records[0]
    roofs = _highest([roof for record in records for roof in record.roofs])
    return replace(
        first,
        environment=replace(first.environment, argv=tuple(argv)),
        profiles=tuple(_below(roofs, one) for record in records for one in record.profiles),
        models={id_: size for record in records for id_, size in record.models.items()},
        sweeps=tuple(
            replace(sweep, profiles=tuple(_below(roofs, one) for one in sweep.profiles))
            for record in records
            for sweep in record.sweeps
        ),
        roofs=tuple(roofs.values()),
        notices=tuple(dict.fromkeys(one for record in records for one in record.notices)),
    )


_Roofs = Mapping[tuple[str, Precision, int], Roof]


def _highest(found: Sequence[Roof]) -> _Roofs:
    """Keep the best that any process saw of each: others were in its way less."""
    best: dict[tuple[str, Precision, int], Roof] = {}
    for roof in found:
        key = (roof.device, roof.precision, roof.n_threads)
        before = best.get(key, roof)
        best[key] = replace(
            roof,
            flop_per_s=max(roof.flop_per_s, before.flop_per_s),
            bytes_per_s=max(roof.bytes_per_s, before.bytes_per_s),
        )
    return best


def _below(roofs: _Roofs, profile: StageProfile) -> StageProfile:
    """Set a profile against the roof of all processes, not that of its own."""
    setting = profile.setting
    roof = roofs.get((setting.device, setting.precision, setting.n_threads))
    if roof is None or not profile.items_per_s or not profile.flop_per_item:
        return profile
    return replace(
        profile, flop_share=profile.items_per_s * profile.flop_per_item / roof.flop_per_s
    )
