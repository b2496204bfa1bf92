"""Latency: limits, timings stage by stage, and the charts of them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from clipeval.records import LatencyGateResult, RunRecord, Verdict
from clipeval.records.latency import (
    BenchmarkRecord,
    LatencySummary,
    ModelSize,
    PeakMemory,
    StageProfile,
    Tradeoff,
)
from clipeval.records.latency_gates import LatencyGateKind, LatencySetting
from clipeval.report import format as fmt
from clipeval.report.charts import (
    Chart,
    batch_sweep_chart,
    distribution_chart,
    roofline_chart,
    tradeoff_chart,
)
from clipeval.report.views.gates import MARKS
from clipeval.report.views.numbers import ABSENT, Number, exact, integer
from clipeval.wording import count

FLOP_PER_GFLOP = 1e9
MAX_MODELS = 4
"""That the line at the top of the page names."""
_LIMITS: dict[LatencyGateKind, str] = {
    "max_ms": "at most {:g} ms",
    "min_per_s": "at least {:g} a second",
    "max_slowdown": "at most {:+.1%}",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class LimitRow:
    """One limit on one stage of one model."""

    state: Verdict
    mark: str
    model: str
    stage: str
    setting: str
    limit: str
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TimingRow:
    """One stage of one model in one setting."""

    model: str
    setting: str
    batch_size: Number
    stage: str
    median: Number
    interval: str
    iqr: Number
    on_device: Number
    """Median by a GPU's own clock."""
    quantiles: tuple[Number, Number, Number]
    """p90, p95 and p99; `n too small` where there are too few calls to state one."""
    per_s: Number
    of_peak: Number
    memory: Number
    doubts: tuple[str, ...]
    """Why the timing is to be taken with care."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SizeRow:
    """What a model costs by its shape."""

    model: str
    n_parameters: Number
    per_image: Number
    per_prompt: Number


@dataclass(frozen=True, slots=True, kw_only=True)
class TradeoffRow:
    """What one model takes, and how often it is right."""

    dataset: str
    template: str
    model: str
    setting: str
    median: Number
    top1: Number
    interval: str
    is_on_front: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class LatencyView:
    """The whole section."""

    lead: str
    speed: str
    """How long each model takes, in a line for the top of the page; empty if nothing was timed."""
    problems: tuple[str, ...]
    limits: tuple[LimitRow, ...]
    sizes: tuple[SizeRow, ...]
    timings: tuple[TimingRow, ...]
    has_device_clock: bool
    tradeoffs: tuple[TradeoffRow, ...]
    charts: tuple[Chart, ...]


def latency_view(record: RunRecord, benchmark: BenchmarkRecord | None) -> LatencyView | None:
    """Build the section; None if nothing was timed, or was to be."""
    latency = record.latency
    if latency is None and benchmark is None:
        return None
    profiles = () if benchmark is None else benchmark.profiles
    tradeoffs = () if benchmark is None else _competing(benchmark.tradeoffs)
    return LatencyView(
        lead=_lead(profiles),
        speed=_speed(profiles),
        problems=() if latency is None else latency.problems,
        limits=() if latency is None else tuple(map(_limit_row, latency.gates)),
        sizes=()
        if benchmark is None
        else tuple(_size_row(model, size) for model, size in benchmark.models.items()),
        timings=tuple(map(_timing_row, profiles)),
        has_device_clock=any(one.device_summary for one in profiles),
        tradeoffs=tuple(map(_tradeoff_row, tradeoffs)),
        charts=() if benchmark is None else _charts(benchmark, tradeoffs),
    )


def _lead(profiles: Sequence[StageProfile]) -> str:
    n_calls = sum(len(one.samples_s) for one in profiles)
    settings = len(dict.fromkeys(one.setting for one in profiles))
    return (
        f"{count(n_calls, 'call')} timed in {count(settings, 'setting')}, the device waited for, nothing "
        "cached. p90 is stated from 64 calls on, p95 from 130, p99 from 662."
    )


def _speed(profiles: Sequence[StageProfile]) -> str:
    """Say what one call takes, end to end where that was timed, in the smallest batch of each model."""
    chosen: dict[str, StageProfile] = {}
    for stage in ("end_to_end", "encode_image"):
        for one in sorted(profiles, key=lambda one: one.setting.batch_size):
            if one.stage == stage and one.summary is not None:
                chosen.setdefault(one.setting.model, one)
    said = [
        f"{model} takes {_seconds(one.summary.median_s).text} a call of {one.stage} "
        f"({', '.join((*_where(one), *one.doubts))})"
        for model, one in list(chosen.items())[:MAX_MODELS]
        if one.summary is not None
    ]
    return "; ".join(said) + "." if said else ""


def _competing(tradeoffs: Sequence[Tradeoff]) -> tuple[Tradeoff, ...]:
    """Leave out what has nothing to compete with: a front needs two, on the same data, device and batch."""

    def place(one: Tradeoff) -> tuple[str, str, int]:
        return one.dataset, one.setting.device, one.setting.batch_size

    places = Counter(place(one) for one in tradeoffs)
    return tuple(one for one in tradeoffs if places[place(one)] > 1)


def _charts(benchmark: BenchmarkRecord, tradeoffs: Sequence[Tradeoff]) -> tuple[Chart, ...]:
    drawn = (
        distribution_chart(benchmark.profiles),
        batch_sweep_chart(benchmark.sweeps),
        roofline_chart(benchmark),
        tradeoff_chart(tradeoffs),
    )
    return tuple(chart for chart in drawn if chart is not None)


def _limit_row(gate: LatencyGateResult) -> LimitRow:
    point = gate.point
    return LimitRow(
        state=gate.state,
        mark=MARKS[gate.state],
        model=gate.model,
        stage=point.stage,
        setting=f"{point.device} {point.precision} {point.backend}, batch {point.batch_size}, "
        f"{count(point.n_threads, 'thread')}",
        limit=_LIMITS[gate.kind].format(gate.limit),
        message=gate.message,
    )


def _size_row(model: str, size: ModelSize) -> SizeRow:
    def flop(found: float) -> Number:
        return Number(f"{found / FLOP_PER_GFLOP:,.3g} GFLOP", exact(found))

    return SizeRow(
        model=model,
        n_parameters=integer(size.n_parameters),
        per_image=flop(size.flop_per_image),
        per_prompt=flop(size.flop_per_prompt),
    )


def _where(one: StageProfile) -> tuple[str, str]:
    setting = one.setting
    return f"{setting.device} {setting.precision}", f"batch {setting.batch_size}"


def _timing_row(one: StageProfile) -> TimingRow:
    summary = one.summary
    problems = () if summary is not None else (one.problem,)
    return TimingRow(
        model=one.setting.model,
        setting=_setting(one.setting),
        batch_size=Number(str(one.setting.batch_size), str(one.setting.batch_size)),
        stage=one.stage,
        median=_seconds(None if summary is None else summary.median_s),
        interval=_interval(summary),
        iqr=_seconds(None if summary is None or summary.n == 1 else summary.q3_s - summary.q1_s),
        on_device=_seconds(one.device_summary.median_s if one.device_summary else None),
        quantiles=_quantiles(summary),
        per_s=ABSENT
        if one.items_per_s is None
        else Number(f"{one.items_per_s:,.1f}", exact(one.items_per_s)),
        of_peak=ABSENT
        if one.flop_share is None
        else Number(fmt.percent(one.flop_share), exact(one.flop_share)),
        memory=_memory(one.memory),
        doubts=(*problems, *one.doubts),
    )


def _quantiles(summary: LatencySummary | None) -> tuple[Number, Number, Number]:
    if summary is None or summary.n == 1:
        return ABSENT, ABSENT, ABSENT
    p90, p95, p99 = (
        Number("n too small", "") if one is None else _seconds(one)
        for one in (summary.p90_s, summary.p95_s, summary.p99_s)
    )
    return p90, p95, p99


def _memory(memory: PeakMemory | None) -> Number:
    """Say what was in use at most: of the process, and of a GPU what tensors took of what torch reserved."""
    if memory is None:
        return ABSENT
    text = fmt.size(memory.rss_bytes)
    if memory.device_allocated_bytes is not None and memory.device_reserved_bytes is not None:
        text += (
            f", GPU {fmt.size(memory.device_allocated_bytes)} of "
            f"{fmt.size(memory.device_reserved_bytes)}"
        )
    return Number(text, str(memory.rss_bytes))


def _tradeoff_row(one: Tradeoff) -> TradeoffRow:
    return TradeoffRow(
        dataset=one.dataset,
        template=one.template,
        model=one.setting.model,
        setting=f"{_setting(one.setting)}, batch {one.setting.batch_size}",
        median=_seconds(one.median_s),
        top1=Number(fmt.percent(one.top1), exact(one.top1)),
        interval=fmt.interval("top1", one.top1_low, one.top1_high),
        is_on_front=one.is_on_front,
    )


def _setting(setting: LatencySetting) -> str:
    threads = count(setting.n_threads, "thread")
    return f"{setting.device} {setting.precision} {setting.backend}, {threads}"


def _seconds(seconds: float | None) -> Number:
    return ABSENT if seconds is None else Number(fmt.latency(seconds), exact(seconds))


def _interval(summary: LatencySummary | None) -> str:
    if summary is None or summary.low_s is None or summary.high_s is None:
        return ""
    return f"[{fmt.latency(summary.low_s)}, {fmt.latency(summary.high_s)}]"
