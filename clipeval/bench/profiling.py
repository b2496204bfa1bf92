"""One model in one setting: each stage timed, and what it costs."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TypeVar, cast

import torch

from clipeval.bench.costs import WeightBytes
from clipeval.bench.inputs import Inputs
from clipeval.bench.memory import watch_memory
from clipeval.bench.protocol import Effort, Stopwatch, Timing, measure
from clipeval.bench.stages import StageCalls
from clipeval.devices import is_out_of_memory, release_unused_memory
from clipeval.encode.backends import build_tower
from clipeval.encode.images import default_workers
from clipeval.models import ClipModel
from clipeval.records.latency import ModelSize, StageProfile
from clipeval.records.latency_gates import LatencySetting
from clipeval.records.specs import CallStage, StageName
from clipeval.stats import drift, summarize_timings

_Found = TypeVar("_Found")

MAX_WARMUP_KEPT = 200
"""Calls of the warm-up that are written down: of a quick stage there are thousands."""
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
    weights: WeightBytes
    matrix_peak: float | None
    """FLOP/s of the device's fastest matrix product in the precision, with the same threads; None if torch
    has no such product."""


def profile_stages(
    loaded: Loaded,
    setting: LatencySetting,
    stages: Sequence[StageName],
    *,
    inputs: Inputs,
    costs: Callable[[], Costs] | None,
    stopwatch: Stopwatch,
    effort: Effort,
) -> Iterator[StageProfile]:
    """Time stages of a loaded model, one after another.

    Args:
        loaded: the model, fresh: `cold` is its first call.
        setting: what it was loaded for; threads are set meanwhile.
        stages: which, in the order they are wanted in.
        inputs: what they are given.
        costs: finds out what arithmetic comes to; asked after `cold`: it runs the model. None: not asked.
        stopwatch: what times the calls.
        effort: how long each is timed.
    """
    with stage_calls(loaded.model, setting, inputs) as calls:
        for stage in stages:
            if stage == "load":
                yield _once(stage, setting, loaded.load_s)
            elif stage == "cold":
                yield _cold(setting, calls, stopwatch)
            else:
                yield _profile(stage, setting, calls, costs, stopwatch, effort)


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


def _cold(setting: LatencySetting, calls: StageCalls, stopwatch: Stopwatch) -> StageProfile:
    first = if_it_fits(lambda: stopwatch.time(calls.of("end_to_end"), 0)[0], setting)
    return _too_large("cold", setting) if first is None else _once("cold", setting, first)


def _profile(
    stage: StageName,
    setting: LatencySetting,
    calls: StageCalls,
    costs: Callable[[], Costs] | None,
    stopwatch: Stopwatch,
    effort: Effort,
) -> StageProfile:
    def measured() -> StageProfile:
        target = calls.of(cast("CallStage", stage))
        profile = profile_of(stage, setting, measure(target, stopwatch, effort))
        with watch_memory(setting.device) as memory:
            for number in range(N_MEMORY_CALLS):
                stopwatch.time(target, number)
        return replace(profile, memory=memory.peak)

    profile = if_it_fits(measured, setting)
    if profile is None:
        return _too_large(stage, setting)
    if costs is None or stage not in ("encode_image", "encode_text"):
        return profile
    return _with_arithmetic(profile, costs)


def _with_arithmetic(profile: StageProfile, costs: Callable[[], Costs]) -> StageProfile:
    found = costs()
    is_image = profile.stage == "encode_image"
    flop = found.size.flop_per_image if is_image else found.size.flop_per_prompt
    weight_bytes = found.weights.image if is_image else found.weights.text
    share = None
    if profile.items_per_s and found.matrix_peak:
        share = profile.items_per_s * flop / found.matrix_peak
    return replace(
        profile,
        flop_per_item=flop,
        flop_share=share,
        flop_per_byte=profile.setting.batch_size * flop / weight_bytes,
    )


def if_it_fits(measure_it: Callable[[], _Found], setting: LatencySetting) -> _Found | None:
    """Return what was measured; None if memory did not suffice."""
    try:
        return measure_it()
    except (RuntimeError, MemoryError) as error:
        if not is_out_of_memory(error):
            raise
    # Not in the handler: its traceback would keep the failed batch's tensors alive.
    release_unused_memory(setting.device)
    return None


def _too_large(stage: StageName, setting: LatencySetting) -> StageProfile:
    problem = f"out of memory with a batch of {setting.batch_size}"
    return StageProfile(stage=stage, setting=setting, problem=problem)


def profile_of(stage: StageName, setting: LatencySetting, timing: Timing) -> StageProfile:
    """Say what timings of a stage come to."""
    summary = summarize_timings(timing.samples_s)
    return StageProfile(
        stage=stage,
        setting=setting,
        samples_s=timing.samples_s,
        device_samples_s=timing.device_samples_s,
        warmup_s=timing.warmup_s[:MAX_WARMUP_KEPT],
        summary=summary,
        device_summary=summarize_timings(timing.device_samples_s)
        if timing.device_samples_s
        else None,
        is_steady=timing.steadiness == "steady",
        drift=drift(timing.samples_s),
        items_per_s=setting.batch_size / summary.median_s,
    )


def _once(stage: StageName, setting: LatencySetting, seconds: float) -> StageProfile:
    summary = summarize_timings([seconds])
    return StageProfile(stage=stage, setting=setting, samples_s=(seconds,), summary=summary)


@contextmanager
def _threads(n_threads: int) -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(n_threads)
    try:
        yield
    finally:
        torch.set_num_threads(before)
