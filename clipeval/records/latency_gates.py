"""What became of a suite's limits on latency: the `latency` of run.json."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from clipeval.records.specs import BackendName, Precision, StageName
from clipeval.records.verdicts import Verdict
from clipeval.wording import count

LatencyGateKind = Literal["max_ms", "min_per_s", "max_slowdown"]


@dataclass(frozen=True, slots=True, kw_only=True)
class LatencySetting:
    """One configuration that is profiled."""

    model: str
    device: str
    precision: Precision
    backend: BackendName
    batch_size: int
    n_threads: int


@dataclass(frozen=True, slots=True, kw_only=True)
class LatencyPoint:
    """What is compared: a stage in a setting, whatever the model."""

    stage: StageName
    device: str
    precision: Precision
    backend: BackendName
    batch_size: int
    n_threads: int

    @classmethod
    def of(cls, stage: StageName, setting: LatencySetting) -> LatencyPoint:
        """Take the model out of a setting."""
        return cls(
            stage=stage,
            device=setting.device,
            precision=setting.precision,
            backend=setting.backend,
            batch_size=setting.batch_size,
            n_threads=setting.n_threads,
        )

    def __str__(self) -> str:
        """Say it in words."""
        threads = count(self.n_threads, "thread")
        return (
            f"{self.stage} on {self.device}, {self.precision}, {self.backend}, batch {self.batch_size}, "
            f"{threads}"
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class LatencyGateResult:
    """One limit on one stage of one model, decided."""

    model: str
    """Id of the model."""
    point: LatencyPoint
    kind: LatencyGateKind
    limit: float
    """Milliseconds, items a second, or for max_slowdown the share that is tolerated."""
    value: float | None = None
    """In the unit of the limit; None where it was not measured."""
    low: float | None = None
    high: float | None = None
    """95% interval of the value."""
    state: Verdict
    message: str
    against: str | None = None
    """Id of the model, or the file, that max_slowdown compares with."""
    noise_floor: float | None = None
    """For max_slowdown: what comparing a model with itself could not tell from nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LatencyOutcome:
    """What timing came to in a run; the timings themselves are in benchmark.json."""

    gates: tuple[LatencyGateResult, ...] = ()
    problems: tuple[str, ...] = ()
    """What could not be timed, and why: the verdict is then `error`."""
