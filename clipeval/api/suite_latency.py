"""The latency of a suite: its models timed, its limits decided."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from clipeval import store
from clipeval.api.baseline_files import find_baseline, latency_baseline_of
from clipeval.api.bench_comparing import incomparable
from clipeval.api.bench_records import ProfileAlone, joined
from clipeval.api.bench_request import BenchRequest, Model
from clipeval.api.fresh_process import profile_in_fresh_process
from clipeval.api.paired_profiles import (
    PairedProfiles,
    Ratios,
    ratios_to_stored,
)
from clipeval.api.tradeoffs import tradeoffs
from clipeval.errors import BenchError
from clipeval.gates.latency import (
    MeasuredRatio,
    applies_to,
    decide_limits,
    decide_slowdown,
    undecided_slowdown,
)
from clipeval.progress import Progress, SilentProgress
from clipeval.records import BackendName, CellResult, ModelSpec, Notice, Precision, SuiteSpec
from clipeval.records.latency import BenchmarkRecord, StageProfile
from clipeval.records.latency_gates import LatencyGateResult, LatencyOutcome, LatencyPoint
from clipeval.records.specs import LatencyGateSpec, LatencySpec
from clipeval.records.stated_gates import GATE_NOT_APPLIED
from clipeval.wording import count

_Held = Sequence[tuple[LatencyGateSpec, StageProfile]]
"""Timings, with the limits that they are held to."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SuiteLatency:
    """What timing a suite's models found."""

    outcome: LatencyOutcome
    record: BenchmarkRecord | None
    """None if nothing could be timed."""
    notices: tuple[Notice, ...] = ()
    """Limits that judge nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredLatency:
    """Timings that were accepted."""

    source: str
    record: BenchmarkRecord


def stored_latency(suite: SuiteSpec) -> StoredLatency | None:
    """Open the accepted timings of a suite, if it has a baseline with timings.

    Raises:
        StoreError: the baseline that was named is not there, or the timings cannot be read.
    """
    found = find_baseline(suite)
    file = None if found is None else latency_baseline_of(found)
    if file is None or not file.is_file():
        return None
    return StoredLatency(source=str(file), record=store.read_benchmark(file))


def measure_latency(
    suite: SuiteSpec,
    cells: Sequence[CellResult],
    stored: StoredLatency | None,
    *,
    argv: Sequence[str],
    progress: Progress | None = None,
    profile: ProfileAlone = profile_in_fresh_process,
) -> SuiteLatency | None:
    """Time the models of a suite as its cells ran them, each in a process of its own, and decide its limits.

    Args:
        suite: what is asked for.
        cells: that were scored: they say what `auto` came to.
        stored: accepted timings, that max_slowdown compares with.
        argv: the command to record.
        progress: told of every process done.
        profile: profiles in a process of its own.
    Returns:
        None if the suite has nothing timed.
    """
    latency = suite.latency
    if latency is None:
        return None
    specs = {spec.id: spec for spec in suite.models}
    setups = dict.fromkeys(_Setup.of(cell, specs) for cell in cells if cell.model.id in specs)
    watcher = progress or SilentProgress()
    records, problems = [], []
    alone = [
        (setup, request)
        for setup in setups
        for request in setup.request(latency).apart(by_batch_size=False)
    ]
    with watcher.stage("timing", total=len(alone), unit="processes") as advance:
        for setup, request in alone:
            try:
                records.append(profile(request))
            except BenchError as error:
                threads = "".join(f", {count(n, 'thread')}" for n in request.thread_counts)
                problems.append(f"{setup}{threads}: {error}")
            advance(1)
    if not records:
        return SuiteLatency(outcome=LatencyOutcome(problems=tuple(problems)), record=None)
    record = joined(records, argv=argv)
    record = replace(record, tradeoffs=tradeoffs(suite, cells, record.profiles))
    problems += [
        f"{one.setting.model}, {LatencyPoint.of(one.stage, one.setting)}: {one.problem}"
        for one in record.profiles
        if one.problem
    ]
    judge = _LatencyJudge(
        suite=suite, latency=latency, record=record, stored=stored, profile=profile, watcher=watcher
    )
    gates = tuple(result for setup in setups for result in judge.results(setup))
    return SuiteLatency(
        outcome=LatencyOutcome(gates=gates, problems=tuple(problems)),
        record=record,
        notices=tuple(
            limit_not_applied(suite, gate, "it judges none of the models that were timed")
            for gate in latency.gates
            if not any(_is_of(result, gate) for result in gates)
        ),
    )


def limit_not_applied(suite: SuiteSpec, gate: LatencyGateSpec, why: str) -> Notice:
    """Say that a limit on latency judges nothing in a run."""
    return Notice(
        GATE_NOT_APPLIED,
        f"{gate.where or suite.name}: the limit on the latency of {gate.stage} is not applied: {why}",
    )


def limits_not_applied(suite: SuiteSpec, why: str) -> tuple[Notice, ...]:
    """Say of every limit on latency of a suite that it judges nothing in a run."""
    gates = () if suite.latency is None else suite.latency.gates
    return tuple(limit_not_applied(suite, gate, why) for gate in gates)


def _is_of(result: LatencyGateResult, gate: LatencyGateSpec) -> bool:
    return (
        result.point.stage == gate.stage
        and (not gate.models or result.model in gate.models)
        and (not gate.batch_sizes or result.point.batch_size in gate.batch_sizes)
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Setup:
    """How cells ran a model."""

    model: ModelSpec
    device: str
    precision: Precision
    backend: BackendName

    @classmethod
    def of(cls, cell: CellResult, specs: dict[str, ModelSpec]) -> _Setup:
        return cls(
            model=specs[cell.model.id],
            device=cell.device,
            precision=cell.precision,
            backend=cell.backend,
        )

    def request(self, latency: LatencySpec) -> BenchRequest:
        return BenchRequest(
            models=(self.model,),
            devices=(self.device,),
            precisions=(self.precision,),
            batch_sizes=latency.batch_sizes,
            backend=self.backend,
            stages=latency.stages,
            thread_counts=latency.thread_counts,
            n_samples=latency.n_samples,
            sweep_to=latency.sweep_to,
        )

    def owns(self, profile: StageProfile) -> bool:
        setting = profile.setting
        return (self.model.id, self.device, self.precision, self.backend) == (
            setting.model, setting.device, setting.precision, setting.backend,
        )  # fmt: skip

    def __str__(self) -> str:
        return f"{self.model.id} on {self.device}, {self.precision}, {self.backend}"


@dataclass(frozen=True, slots=True, kw_only=True)
class _LatencyJudge:
    """Decides the limits on one setup after the other."""

    suite: SuiteSpec
    latency: LatencySpec
    record: BenchmarkRecord
    stored: StoredLatency | None
    profile: ProfileAlone
    watcher: Progress

    def results(self, setup: _Setup) -> Iterator[LatencyGateResult]:
        """Yield what every limit on a setup comes to."""
        own = [one for one in self.record.profiles if setup.owns(one)]
        held = [(gate, one) for one in own for gate in self.latency.gates if applies_to(gate, one)]
        for gate, one in held:
            yield from decide_limits(gate, one)
        relative = [(gate, one) for gate, one in held if gate.max_slowdown is not None]
        for against, decide in (
            ("baseline", self._against_baseline),
            ("reference_model", self._against_reference),
        ):
            chosen = [(gate, one) for gate, one in relative if gate.against == against]
            if chosen:
                yield from decide(setup, chosen)

    def _against_baseline(self, setup: _Setup, held: _Held) -> Iterator[LatencyGateResult]:
        if self.stored is None:
            cause = (
                "the baseline has no timings to compare with; accept a run that has: "
                "clipeval baseline accept RUN"
            )
            yield from _undecided(held, cause)
            return
        source, then = self.stored.source, self.stored.record
        if differs := incomparable(then, self.record):
            cause = f"incomparable with {source}, which is of another machine ({differs})"
            yield from _undecided(held, cause, against=source)
            return
        before = [one for one in then.profiles if one.setting.model == setup.model.id]
        try:
            found = ratios_to_stored(before, self._pairs(setup, held).processes(setup.model))
        except BenchError as error:
            yield from _undecided(held, str(error), against=source)
            return
        missing = (
            f"{source} has no timing of it, or not every process could time it; accept a run that has: "
            "clipeval baseline accept RUN"
        )
        yield from _decided(held, found.ratios, found.noise, against=source, missing=missing)

    def _against_reference(self, setup: _Setup, held: _Held) -> Iterator[LatencyGateResult]:
        reference = next(
            (spec for spec in self.suite.models if spec.id == self.suite.reference_model), None
        )
        if reference == setup.model:
            return
        if reference is None:
            cause = "there is no reference model in this run to compare with; do not leave it out"
            yield from _undecided(held, cause)
            return
        pairs = self._pairs(setup, held)
        try:
            floors = pairs.noise_floors(reference)
            ratios = pairs.ratios(reference, setup.model)
        except BenchError as error:
            yield from _undecided(held, str(error), against=reference.id)
            return
        missing = f"it could not be timed of both {setup.model.id} and {reference.id}"
        yield from _decided(held, ratios, floors, against=reference.id, missing=missing)

    def _pairs(self, setup: _Setup, held: _Held) -> PairedProfiles:
        """Prepare to profile what is limited, and nothing else."""
        request = replace(
            setup.request(self.latency),
            stages=tuple(dict.fromkeys(one.stage for _, one in held)),
            batch_sizes=tuple(dict.fromkeys(one.setting.batch_size for _, one in held)),
            sweep_to=None,
            has_arithmetic=False,
        )

        def alone(model: Model) -> BenchmarkRecord:
            return self.profile(replace(request, models=(model,)))

        return PairedProfiles(profile=alone, n_blocks=self.latency.n_blocks, progress=self.watcher)


def _undecided(
    held: _Held, cause: str, *, against: str | None = None
) -> Iterator[LatencyGateResult]:
    for gate, one in held:
        yield undecided_slowdown(gate, one, cause, against=against)


def _decided(
    held: _Held,
    ratios: Ratios,
    floors: Mapping[LatencyPoint, float],
    *,
    against: str,
    missing: str,
) -> Iterator[LatencyGateResult]:
    for gate, one in held:
        point = LatencyPoint.of(one.stage, one.setting)
        if point in ratios and point in floors:
            measured = MeasuredRatio(
                ratio=ratios[point], noise_floor=floors[point], against=against
            )
            yield decide_slowdown(gate, one, measured)
        else:
            yield undecided_slowdown(gate, one, missing, against=against)
