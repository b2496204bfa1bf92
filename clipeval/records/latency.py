"""What a latency profile found: the shape of benchmark.json."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from clipeval.records.latency_gates import LatencyPoint, LatencySetting
from clipeval.records.results import Environment
from clipeval.records.samples import Notice
from clipeval.records.specs import Precision, StageName

STAGES: tuple[StageName, ...] = (
    "load", "cold", "preprocess", "encode_image", "encode_text", "classify", "end_to_end",
)  # fmt: skip
ONCE: frozenset[StageName] = frozenset({"load", "cold"})
"""Stages that happen once for a model, whatever the batch size: one timing each."""
BENCHMARK_VERSION = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class LatencySummary:
    """Quantiles of a stage's calls, in seconds."""

    n: int
    median_s: float
    low_s: float | None
    high_s: float | None
    """95% confidence interval of the median, from order statistics; None below six calls."""
    q1_s: float
    q3_s: float
    p90_s: float | None
    p95_s: float | None
    p99_s: float | None
    """None: too few calls to state it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PeakMemory:
    """The most memory in use while a stage was measured, in bytes."""

    rss_bytes: int
    """Resident memory of the process."""
    device_allocated_bytes: int | None = None
    """Of a GPU, in tensors; None on the CPU."""
    device_reserved_bytes: int | None = None
    """Of a GPU, taken by torch."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StageProfile:
    """One stage in one setting; `problem` says why there are no timings."""

    stage: StageName
    setting: LatencySetting
    samples_s: tuple[float, ...] = ()
    """Wall time of every call, in order, the device waited for."""
    device_samples_s: tuple[float, ...] = ()
    """The same calls by a GPU's own clock; empty elsewhere."""
    warmup_s: tuple[float, ...] = ()
    """Wall time of the calls before, the first 200."""
    summary: LatencySummary | None = None
    device_summary: LatencySummary | None = None
    """Of the same calls by a GPU's own clock; None elsewhere."""
    is_steady: bool = True
    """Whether medians of successive windows of the warm-up agreed within 2%."""
    drift: float | None = None
    """Share by which the second half of the calls is slower than the first, if they drift."""
    items_per_s: float | None = None
    """Images, or prompts, a second, at the median."""
    memory: PeakMemory | None = None
    flop_per_item: float | None = None
    """Floating-point operations; a multiply-add counts as two."""
    flop_share: float | None = None
    """Operations a second as a share of the machine's measured matrix peak in this precision."""
    flop_per_byte: float | None = None
    """Operations of a call for each byte of weights, which are read once a call at least: an upper bound of
    its arithmetic intensity."""
    problem: str = ""

    @property
    def doubts(self) -> tuple[str, ...]:
        """Why the timings are to be taken with care: `unsteady`, `drifts +14%`."""
        drifting = () if self.drift is None else (f"drifts {self.drift:+.0%}",)
        return (*(() if self.is_steady else ("unsteady",)), *drifting)


@dataclass(frozen=True, slots=True, kw_only=True)
class LatencyComparison:
    """How much slower a candidate is than what it is compared with, and what that comes to."""

    point: LatencyPoint
    margin: float
    """Tolerated slowdown: 0.10 is ten per cent."""
    verdict: Literal["pass", "fail", "inconclusive", "incomparable"]
    ratio: float | None = None
    """Candidate over base, median."""
    low: float | None = None
    high: float | None = None
    """95% interval of the ratio."""
    n_blocks: int = 0
    """Of processes in the order A, B, B, A; 0 against a stored profile."""
    noise_floor: float | None = None
    """What comparing a model with itself could not tell from nothing."""
    doubt: str = ""
    """What speaks against the timings: processes that never became steady, or drifted."""
    cause: str = ""
    """Why it is incomparable."""

    @property
    def shown(self) -> Literal["slower", "faster", "no difference"]:
        """What the interval shows, whatever is tolerated: `pass` may well be slower."""
        if self.low is not None and self.low > 1:
            return "slower"
        return "faster" if self.high is not None and self.high < 1 else "no difference"


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchSweep:
    """A stage at doubling batch sizes."""

    profiles: tuple[StageProfile, ...]
    """By batch size; those that did not fit have a `problem`."""
    knee: int | None
    """Smallest batch size with 95% of the best throughput; None if not even one fitted."""
    largest_that_fits: int
    """0 if not even one did."""
    smallest_too_large: int | None
    """None: memory never ran out, up to the largest that was tried."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelSize:
    """What a model costs by its shape."""

    n_parameters: int
    flop_per_image: float
    flop_per_prompt: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Roof:
    """What a device could do at best in one precision, measured: the roofline's two ends."""

    device: str
    precision: Precision
    n_threads: int
    """torch's, meanwhile; what a GPU does hangs little on it."""
    flop_per_s: float
    """Of the fastest product of two square matrices."""
    bytes_per_s: float
    """Read and written, of a copy that no cache holds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tradeoff:
    """What a model takes, and how often it is right: one point of accuracy against latency."""

    dataset: str
    template: str
    stage: StageName
    setting: LatencySetting
    median_s: float
    """Of one call."""
    items_per_s: float
    top1: float
    top1_low: float | None
    top1_high: float | None
    """95% interval."""
    is_on_front: bool
    """No other model at the same data set, device and batch size is both faster and at least as accurate,
    or as fast and more accurate."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BenchmarkRecord:
    """All that a run of `clipeval bench`, or the latency part of a suite, measured."""

    environment: Environment
    fingerprint: str
    """Of what a timing hangs on beside the model; only timings of the same one are compared."""
    profiles: tuple[StageProfile, ...]
    models: Mapping[str, ModelSize] = field(default_factory=dict)
    sweeps: tuple[BatchSweep, ...] = ()
    roofs: tuple[Roof, ...] = ()
    """Of each device, precision and number of threads; none for int8, in which torch multiplies nothing."""
    tradeoffs: tuple[Tradeoff, ...] = ()
    """Where a data set was given: which models are worth their time."""
    notices: tuple[Notice, ...] = ()
    benchmark_version: int = BENCHMARK_VERSION
