"""One model in one setting: each stage timed, and what it costs."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import cast

import torch

from clipeval.bench.costs import watch_memory
from clipeval.bench.inputs import Inputs
from clipeval.bench.protocol import Effort, Stopwatch, Timing, measure
from clipeval.bench.stages import StageCalls
from clipeval.devices import is_out_of_memory, release_unused_memory
from clipeval.encode.backends import build_tower
from clipeval.encode.images import default_workers
from clipeval.models import ClipModel
from clipeval.records.latency import (
    CallStage,
    LatencySetting,
    LatencySummary,
    ModelSize,
    StageName,
    StageProfile,
)
from clipeval.stats import TimingSummary, drift, summarize_timings

N_MEMORY_CALLS = 3
"""Untimed, while memory is watched: watching takes time."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Loaded:
    """A model that was just loaded, and how long that took."""

    model: ClipModel
    load_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Costs:
    """What a model's arithmetic comes to on a device."""

    size: ModelSize
    matrix_peak: float
    """FLOP/s of the device's fastest matrix product in the model's precision."""


def profile_stages(
    loaded: Loaded,
    setting: LatencySetting,
    stages: Sequence[StageName],
    *,
    inputs: Inputs,
    costs: Callable[[], Costs],
    stopwatch: Stopwatch,
    effort: Effort,
) -> Iterator[StageProfile]:
    """Time stages of a loaded model, one after another.

    Args:
        loaded: the model, fresh: `cold` is its first call.
        setting: what it was loaded for; threads are set meanwhile.
        stages: which, in the order they are wanted in.
        inputs: what they are given.
        costs: finds out what the model's arithmetic comes to; asked after `cold`: it runs the model.
        stopwatch: what times the calls.
        effort: how long each is timed.
    """
    with stage_calls(loaded.model, setting, inputs) as calls:
        for stage in stages:
            if stage == "load":
                yield _once(stage, setting, loaded.load_s)
            elif stage == "cold":
                first = stopwatch.time(calls.of("end_to_end"), 0)[0]
                yield _once(stage, setting, first)
            else:
                yield _profile(stage, setting, calls, costs(), stopwatch, effort)


@contextmanager
def stage_calls(model: ClipModel, setting: LatencySetting, inputs: Inputs) -> Iterator[StageCalls]:
    """Build the backend and what else the calls of a model's stages need, for as long as they are made."""
    with (
        torch.inference_mode(),
        _threads(setting.n_threads),
        ThreadPoolExecutor(default_workers(), thread_name_prefix="clipeval-decode") as pool,
    ):
        tower = build_tower(model, setting.backend, setting.precision)
        yield StageCalls(model, tower, inputs, setting.batch_size, pool)


def _profile(
    stage: StageName,
    setting: LatencySetting,
    calls: StageCalls,
    costs: Costs,
    stopwatch: Stopwatch,
    effort: Effort,
) -> StageProfile:
    try:
        target = calls.of(cast("CallStage", stage))
        timing = measure(target, stopwatch, effort)
        with watch_memory(setting.device) as memory:
            for number in range(N_MEMORY_CALLS):
                stopwatch.time(target, number)
    except (RuntimeError, MemoryError) as error:
        if not is_out_of_memory(error):
            raise
        release_unused_memory(setting.device)
        problem = f"out of memory with a batch of {setting.batch_size}"
        return StageProfile(stage=stage, setting=setting, problem=problem)
    profile = profile_of(stage, setting, timing)
    flop = _flop_per_item(stage, costs.size)
    return replace(
        profile,
        memory=memory.peak,
        flop_per_item=flop,
        flop_share=profile.items_per_s * flop / costs.matrix_peak
        if flop and profile.items_per_s
        else None,
    )


def profile_of(stage: StageName, setting: LatencySetting, timing: Timing) -> StageProfile:
    """Say what timings of a stage come to."""
    summary = _in_seconds(summarize_timings(timing.samples_s))
    return StageProfile(
        stage=stage,
        setting=setting,
        samples_s=timing.samples_s,
        device_samples_s=timing.device_samples_s,
        warmup_s=timing.warmup_s,
        summary=summary,
        is_steady=timing.steadiness == "steady",
        drift=drift(timing.samples_s),
        items_per_s=setting.batch_size / summary.median_s,
    )


def _flop_per_item(stage: StageName, size: ModelSize) -> float | None:
    if stage == "encode_image":
        return size.flop_per_image
    return size.flop_per_prompt if stage == "encode_text" else None


def _once(stage: StageName, setting: LatencySetting, seconds: float) -> StageProfile:
    summary = _in_seconds(summarize_timings([seconds]))
    return StageProfile(stage=stage, setting=setting, samples_s=(seconds,), summary=summary)


def _in_seconds(found: TimingSummary) -> LatencySummary:
    return LatencySummary(
        n=found.n,
        median_s=found.median,
        low_s=found.low,
        high_s=found.high,
        q1_s=found.q1,
        q3_s=found.q3,
        p90_s=found.p90,
        p95_s=found.p95,
        p99_s=found.p99,
    )


@contextmanager
def _threads(n_threads: int) -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(n_threads)
    try:
        yield
    finally:
        torch.set_num_threads(before)
