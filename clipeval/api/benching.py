"""Latency profiles of models."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import torch

from clipeval import store
from clipeval.api.bench_request import BenchRequest
from clipeval.api.bench_settings import BenchSetting
from clipeval.bench.costs import matrix_peak, memory_bandwidth, model_size
from clipeval.bench.inputs import Inputs, generated_inputs
from clipeval.bench.profiling import Costs, profile_stages
from clipeval.bench.protocol import Effort
from clipeval.bench.stopwatches import stopwatch
from clipeval.bench.sweep import sweep_batch_sizes
from clipeval.bench.tracing import trace_stages
from clipeval.devices import describe_machine
from clipeval.engine.environment import capture_environment
from clipeval.errors import ConfigError
from clipeval.progress import Progress, SilentProgress
from clipeval.records import Environment, Notice
from clipeval.records.latency import (
    ONCE,
    STAGES,
    BatchSweep,
    BenchmarkRecord,
    ModelSize,
    StageProfile,
)
from clipeval.records.specs import StageName


def bench(
    request: BenchRequest, *, argv: Sequence[str] = (), progress: Progress | None = None
) -> BenchmarkRecord:
    """Profile models, one configuration after another, in this process.

    Everything that can be refused is refused before anything is measured.

    Raises:
        ConfigError: nothing to profile, or a name that is not understood.
        ModelError, DeviceError, BackendError: what stands in the way.
    """
    settings = _settings(request)
    inputs = generated_inputs(seed=request.seed)
    watcher = progress or SilentProgress()
    found = _Found()
    again = [stage for stage in request.stages if stage not in ONCE]
    n_later = len(again) * (len(request.batch_sizes) - 1)
    n_stages = len(settings) * (len(request.stages) + n_later)
    with watcher.stage("profiling", total=n_stages, unit="stages") as advance:
        for one in settings:
            for profile in _profiles(one, request, inputs, found):
                found.profiles.append(profile)
                advance(1)
    environment = capture_environment(tuple(argv), folder=Path.cwd(), machine=describe_machine())
    return BenchmarkRecord(
        environment=environment,
        fingerprint=fingerprint(environment),
        profiles=tuple(found.profiles),
        models=found.sizes,
        matrix_peaks=found.peaks,
        memory_bandwidths=found.bandwidths,
        sweeps=tuple(found.sweeps),
        notices=tuple(dict.fromkeys(found.notices)),
    )


def write_benchmark(record: BenchmarkRecord, path: Path) -> None:
    """Write a profile as JSON, whole or not at all. Raises: StoreError."""
    store.write_benchmark(record, path)


def fingerprint(environment: Environment) -> str:
    """Hash what a timing hangs on beside the model: processor, GPUs, driver, threads, torch's build."""
    facts = [
        environment.cpu, environment.n_cores, environment.n_threads, list(environment.gpus),
        _driver(), environment.platform, environment.python, torch.__version__, torch.__config__.show(),
    ]  # fmt: skip
    return hashlib.sha256(json.dumps(facts).encode()).hexdigest()


@dataclass(slots=True)
class _Found:
    profiles: list[StageProfile] = field(default_factory=list)
    sizes: dict[str, ModelSize] = field(default_factory=dict)
    peaks: dict[str, float] = field(default_factory=dict)
    bandwidths: dict[str, float] = field(default_factory=dict)
    sweeps: list[BatchSweep] = field(default_factory=list)
    notices: list[Notice] = field(default_factory=list)


def _settings(request: BenchRequest) -> list[BenchSetting]:
    for name, values in (
        ("model", request.models), ("device", request.devices), ("precision", request.precisions),
        ("batch size", request.batch_sizes), ("stage", request.stages),
    ):  # fmt: skip
        if not values:
            raise ConfigError(f"nothing to profile: no {name} is named")
    return list(
        dict.fromkeys(
            BenchSetting.resolved(
                model,
                device=device,
                precision=precision,
                backend=request.backend,
                n_threads=n_threads,
                where="--model",
            )
            for model in request.models
            for device in request.devices
            for precision in request.precisions
            for n_threads in request.thread_counts or (None,)
        )
    )


def _profiles(
    one: BenchSetting, request: BenchRequest, inputs: Inputs, found: _Found
) -> Iterator[StageProfile]:
    loaded = one.load()
    model = loaded.model
    found.notices.extend(model.notices)

    def costs() -> Costs:
        key = f"{one.device} {one.precision}"
        if key not in found.peaks and one.precision != "int8":  # torch multiplies none
            found.peaks[key] = matrix_peak(one.precision, device=one.device).flop_per_s
        if one.device not in found.bandwidths:
            found.bandwidths[one.device] = memory_bandwidth(one.device)
        if model.record.id not in found.sizes:
            found.sizes[model.record.id] = model_size(model)
        return Costs(size=found.sizes[model.record.id], matrix_peak=found.peaks.get(key))

    def profiles(stages: Sequence[StageName], batch_size: int) -> Iterator[StageProfile]:
        effort = Effort(n_samples=request.n_samples)
        watch = stopwatch(one.device)
        yield from profile_stages(
            loaded,
            one.at(batch_size),
            stages,
            inputs=inputs,
            costs=costs if request.has_arithmetic else None,
            stopwatch=watch,
            effort=effort,
        )

    stages = tuple(stage for stage in STAGES if stage in request.stages)  # `cold` is the first call
    for batch_size in request.batch_sizes:
        yield from profiles(stages, batch_size)
        stages = tuple(stage for stage in stages if stage not in ONCE)  # they were, for this model
        if request.trace_folder is not None:
            trace_stages(
                model, one.at(batch_size), stages, inputs=inputs, folder=request.trace_folder
            )
    if request.sweep_to is not None:
        found.sweeps.append(
            sweep_batch_sizes(
                lambda size: next(profiles(("encode_image",), size)), largest=request.sweep_to
            )
        )


def _driver() -> str:
    file = Path("/proc/driver/nvidia/version")
    return file.read_text(encoding="utf-8", errors="replace") if file.is_file() else ""
