"""Profiles of two models in turn: fresh processes in the order A, B, B, A, and the noise of this machine."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from clipeval.api.bench_request import Model
from clipeval.api.fresh_process import Profile
from clipeval.errors import BenchError
from clipeval.progress import Progress
from clipeval.records.latency import BenchmarkRecord, StageProfile
from clipeval.records.latency_gates import LatencyPoint
from clipeval.stats import (
    MIN_PROCESSES,
    Ratio,
    abba_log_ratio,
    noise_floor,
    process_noise,
    ratio_of_blocks,
    ratio_to_one_process,
)

PROCESSES_A_BLOCK = 4
Ratios = Mapping[LatencyPoint, Ratio]


@dataclass(frozen=True, slots=True, kw_only=True)
class ProcessMedian:
    """What one process says of a stage."""

    seconds: float
    """Median of its calls."""
    is_in_doubt: bool
    """Its calls never became steady, or drifted."""


Medians = Mapping[LatencyPoint, Sequence[ProcessMedian]]
"""Of each stage, process by process."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PairedProfiles:
    """Measures how much longer one model takes than another."""

    profile: Profile
    n_blocks: int
    """Of A, B, B, A."""
    progress: Progress
    """Told of every process done."""

    def ratios(self, base: Model, candidate: Model, *, description: str = "comparing") -> Ratios:
        """Return how long the candidate takes as a multiple of the base, stage by stage.

        A stage that any of the processes could not time is left out.

        Raises:
            BenchError: a process failed, or no stage could be timed in all of them.
        """
        order = (base, candidate, candidate, base) * self.n_blocks
        processes = self._medians_of(order, description=description)
        return {point: _ratio_of_pairs(taken) for point, taken in processes.items()}

    def noise_floors(self, model: Model) -> Mapping[LatencyPoint, float]:
        """Return the smallest margins that this machine's noise leaves room for: a model beside itself.

        Raises: as ratios.
        """
        beside_itself = self.ratios(model, model, description="noise floor")
        return {point: noise_floor(ratio) for point, ratio in beside_itself.items()}

    def processes(self, model: Model) -> Medians:
        """Return the median of each stage's calls in each of several processes, at least MIN_PROCESSES.

        Raises: as ratios.
        """
        n_processes = max(MIN_PROCESSES, PROCESSES_A_BLOCK * self.n_blocks)
        return self._medians_of([model] * n_processes, description="processes of today")

    def _medians_of(
        self, order: Sequence[Model], *, description: str
    ) -> dict[LatencyPoint, list[ProcessMedian]]:
        found: list[dict[LatencyPoint, ProcessMedian]] = []
        with self.progress.stage(description, total=len(order), unit="processes") as advance:
            for model in order:
                found.append(_medians(self.profile(model)))
                advance(1)
        in_all = [point for point in found[0] if all(point in one for one in found)]
        if not in_all:
            named = ", ".join(dict.fromkeys(str(model_id(model)) for model in order))
            raise BenchError(f"no stage of {named} could be timed in every process")
        return {point: [one[point] for one in found] for point in in_all}


@dataclass(frozen=True, slots=True, kw_only=True)
class RatiosToStored:
    """How long something takes as a multiple of what was stored, and how far processes differ."""

    ratios: Ratios
    noise: Mapping[LatencyPoint, float]


def ratios_to_stored(stored: Sequence[StageProfile], processes: Medians) -> RatiosToStored:
    """Compare several processes of today with the one that was stored.

    Args:
        stored: of one model, on this machine.
        processes: of another, or the same, as PairedProfiles.processes returned them.
    """
    before = timed(stored)
    both = [point for point in processes if point in before]
    return RatiosToStored(
        ratios={point: _ratio_to_stored(before[point], processes[point]) for point in both},
        noise={point: process_noise([one.seconds for one in processes[point]]) for point in both},
    )


def _ratio_of_pairs(processes: Sequence[ProcessMedian]) -> Ratio:
    seconds = [one.seconds for one in processes]
    logs = [
        abba_log_ratio(*seconds[start : start + PROCESSES_A_BLOCK])
        for start in range(0, len(seconds), PROCESSES_A_BLOCK)
    ]
    # A, B, B, A: each side is looked at by itself, or one all in doubt would hide behind the other
    sides = [
        [one for i, one in enumerate(processes) if (i % PROCESSES_A_BLOCK in (0, 3)) == is_base]
        for is_base in (True, False)
    ]
    return _with_doubts(ratio_of_blocks(logs), *sides)


def _ratio_to_stored(before: StageProfile, processes: Sequence[ProcessMedian]) -> Ratio:
    then = _median(before)
    ratio = ratio_to_one_process(then.seconds, [one.seconds for one in processes])
    found = _with_doubts(ratio, processes)
    if not then.is_in_doubt:
        return found
    said = "the stored timings were unsteady or drifted"
    doubt = "; ".join(part for part in (said, found.doubt) if part)
    return replace(found, doubt=doubt, is_doubtful=True)


def _with_doubts(ratio: Ratio, *sides: Sequence[ProcessMedian]) -> Ratio:
    """Count processes in doubt; at least half of either side make the ratio doubtful."""
    n_in_doubt = [sum(one.is_in_doubt for one in side) for side in sides]
    if not any(n_in_doubt):
        return ratio
    n_processes = sum(len(side) for side in sides)
    return replace(
        ratio,
        doubt=f"{sum(n_in_doubt)} of {n_processes} processes were unsteady or drifted",
        is_doubtful=any(2 * n >= len(side) for n, side in zip(n_in_doubt, sides, strict=True)),
    )


def timed(profiles: Sequence[StageProfile]) -> dict[LatencyPoint, StageProfile]:
    """Return the profiles that have timings, by what they are of."""
    return {LatencyPoint.of(one.stage, one.setting): one for one in profiles if one.samples_s}


def _medians(record: BenchmarkRecord) -> dict[LatencyPoint, ProcessMedian]:
    return {point: _median(one) for point, one in timed(record.profiles).items()}


def _median(profile: StageProfile) -> ProcessMedian:
    return ProcessMedian(
        seconds=statistics.median(profile.samples_s),
        is_in_doubt=bool(profile.doubts),
    )


def model_id(model: Model) -> str:
    """Return what a model is called."""
    return model if isinstance(model, str) else model.id
