"""Profiles of two models in turn: fresh processes in the order A, B, B, A, and the noise of this machine."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from clipeval.api.bench_request import Model
from clipeval.api.fresh_process import Profile
from clipeval.errors import BenchError
from clipeval.progress import Progress
from clipeval.records.latency import BenchmarkRecord, StageProfile
from clipeval.records.latency_gates import LatencyPoint
from clipeval.stats import Ratio, abba_log_ratio, noise_floor, ratio_of_blocks, ratio_of_samples

PROCESSES_A_BLOCK = 4
Ratios = Mapping[LatencyPoint, Ratio]


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

        Raises:
            BenchError: a process failed, or no stage could be timed in both.
        """
        logs: dict[LatencyPoint, list[float]] = {}
        n_processes = PROCESSES_A_BLOCK * self.n_blocks
        with self.progress.stage(description, total=n_processes, unit="processes") as advance:
            for _ in range(self.n_blocks):
                four = []
                for model in (base, candidate, candidate, base):
                    four.append(_medians(self.profile(model)))
                    advance(1)
                for point in four[0]:
                    if all(point in medians for medians in four):
                        logs.setdefault(point, []).append(
                            abba_log_ratio(*(medians[point] for medians in four))
                        )
        if not logs:
            raise BenchError(f"no stage of '{base}' and '{candidate}' could be timed in both")
        return {point: ratio_of_blocks(of_point) for point, of_point in logs.items()}

    def noise_floors(self, model: Model) -> Mapping[LatencyPoint, float]:
        """Return the smallest margins that this machine's noise leaves room for: a model beside itself.

        Raises: as ratios.
        """
        beside_itself = self.ratios(model, model, description="noise floor")
        return {point: noise_floor(ratio) for point, ratio in beside_itself.items()}


def ratios_to_stored(
    stored: Sequence[StageProfile],
    now: Sequence[StageProfile],
    floors: Mapping[LatencyPoint, float],
) -> Ratios:
    """Compare timings of two days; their interval is widened by the noise floor of today.

    Args:
        stored: of one model, on this machine.
        now: of another, or the same.
        floors: of this machine.
    """
    before, after = timed(stored), timed(now)
    return {
        point: _widened(
            ratio_of_samples(before[point].samples_s, after[point].samples_s), floors[point]
        )
        for point in after
        if point in before and point in floors
    }


def timed(profiles: Sequence[StageProfile]) -> dict[LatencyPoint, StageProfile]:
    """Return the profiles that have timings, by what they are of."""
    return {LatencyPoint.of(one.stage, one.setting): one for one in profiles if one.samples_s}


def _medians(record: BenchmarkRecord) -> dict[LatencyPoint, float]:
    return {
        point: statistics.median(one.samples_s) for point, one in timed(record.profiles).items()
    }


def _widened(ratio: Ratio, floor: float) -> Ratio:
    return Ratio(
        value=ratio.value,
        low=ratio.low / (1 + floor),
        high=ratio.high * (1 + floor),
        n_blocks=ratio.n_blocks,
    )
