"""Latency profiles of models."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import torch

from clipeval import store
from clipeval.api.bench_request import BenchRequest
from clipeval.api.bench_settings import BenchSetting
from clipeval.bench.costs import matrix_peak, memory_bandwidth, model_size, weight_bytes
from clipeval.bench.inputs import Inputs, generated_inputs
from clipeval.bench.memory_forecast import MemoryForecast
from clipeval.bench.profiling import Costs, Loaded, profile_stages
from clipeval.bench.protocol import Effort
from clipeval.bench.stopwatches import stopwatch
from clipeval.bench.sweep import sweep_batch_sizes
from clipeval.bench.tracing import trace_stages
from clipeval.devices import describe_machine
from clipeval.engine.environment import capture_environment
from clipeval.errors import ConfigError
from clipeval.progress import Progress, SilentProgress
from clipeval.records import Environment, Notice, Precision
from clipeval.records.latency import (
    ONCE,
    STAGES,
    BatchSweep,
    BenchmarkRecord,
    ModelSize,
    Roof,
    StageProfile,
)
from clipeval.records.latency_gates import LatencyPoint
from clipeval.records.specs import StageName


def bench(
    request: BenchRequest, *, argv: Sequence[str] = (), progress: Progress | None = None
) -> BenchmarkRecord:
    """Profile models, one configuration after another, in this process.

    Everything that can be refused is refused before anything is measured.

    Raises:
        ConfigError: nothing to profile, a name that is not understood, or `cold` of several settings: after
            the first one this process is warm (see bench_in_fresh_processes).
        ModelError, DeviceError, BackendError: what stands in the way.
    """
    settings = _settings(request)
    if len(settings) > 1 and "cold" in request.stages:
        raise ConfigError(
            f"`cold` of {len(settings)} settings in one process: only the first call of all is cold; profile "
            "each in a process of its own (bench_in_fresh_processes, --fresh)"
        )
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
        roofs=tuple(found.roofs.values()),
        sweeps=tuple(found.sweeps),
        notices=tuple(dict.fromkeys(found.notices)),
    )


def check_request(request: BenchRequest) -> BenchRequest:
    """Refuse what cannot be profiled here, before any process is started.

    Returns:
        The request with everything once; devices are called as they are here: `auto` and `cpu` may be one.
    Raises: as bench.
    """
    devices = dict.fromkeys(one.device for one in _settings(request))
    return replace(
        request,
        devices=tuple(devices),
        models=tuple(dict.fromkeys(request.models)),
        precisions=tuple(dict.fromkeys(request.precisions)),
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
    roofs: dict[tuple[str, Precision, int], Roof] = field(default_factory=dict)
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
    """Load a model and profile it; nothing holds it when this is done."""
    loaded = one.load()
    found.notices.extend(loaded.model.notices)
    yield from _LoadedSetting(
        one=one, loaded=loaded, request=request, inputs=inputs, found=found
    ).profiles()


@dataclass(frozen=True, slots=True, kw_only=True)
class _LoadedSetting:
    """One setting, its model loaded: profiled at one batch size after the other."""

    one: BenchSetting
    loaded: Loaded
    request: BenchRequest
    inputs: Inputs
    found: _Found

    def profiles(self) -> Iterator[StageProfile]:
        """Yield what is asked for, stage by stage; traces and the sweep go where they belong."""
        request = self.request
        stages = tuple(stage for stage in STAGES if stage in request.stages)  # `cold` is first
        for batch_size in request.batch_sizes:
            fitted: list[StageName] = []
            for profile in self._at(batch_size, stages):
                fitted.extend([] if profile.problem else [profile.stage])
                yield profile
            stages = tuple(
                stage for stage in stages if stage not in ONCE
            )  # of this model, they were
            if request.trace_folder is not None:
                self._trace(batch_size, fitted, request.trace_folder)
        if request.sweep_to is not None:
            self.found.sweeps.append(self._sweep(request.sweep_to))

    def _trace(self, batch_size: int, stages: Sequence[StageName], folder: Path) -> None:
        setting = self.one.at(batch_size)
        left_out = trace_stages(
            self.loaded.model, setting, stages, inputs=self.inputs, folder=folder
        )
        self.found.notices.extend(
            Notice("not-traced", f"{LatencyPoint.of(stage, setting)}: memory did not suffice")
            for stage in left_out
        )

    def _at(self, batch_size: int, stages: Sequence[StageName]) -> Iterator[StageProfile]:
        yield from profile_stages(
            self.loaded,
            self.one.at(batch_size),
            stages,
            inputs=self.inputs,
            costs=self._costs if self.request.has_arithmetic else None,
            stopwatch=stopwatch(self.one.device),
            effort=Effort(n_samples=self.request.n_samples),
        )

    def _sweep(self, largest: int) -> BatchSweep:
        forecast = MemoryForecast()

        def image_tower(size: int) -> StageProfile:
            if self.one.device == "cpu" and (problem := forecast.problem(size)):
                return StageProfile(
                    stage="encode_image", setting=self.one.at(size), problem=problem
                )
            profile = next(self._at(size, ("encode_image",)))
            forecast.add(profile)
            return profile

        return sweep_batch_sizes(image_tower, largest=largest)

    def _costs(self) -> Costs:
        one, found, model = self.one, self.found, self.loaded.model
        key = (one.device, one.precision, one.n_threads)
        if key not in found.roofs and one.precision != "int8":  # torch multiplies none
            found.roofs[key] = _roof(one)
        if model.record.id not in found.sizes:
            found.sizes[model.record.id] = model_size(model)
        roof = found.roofs.get(key)
        return Costs(
            size=found.sizes[model.record.id],
            weights=weight_bytes(model, one.precision),
            matrix_peak=None if roof is None else roof.flop_per_s,
        )


def _roof(one: BenchSetting) -> Roof:
    """Measure what the device does at best; the setting's threads are torch's at this time."""
    return Roof(
        device=one.device,
        precision=one.precision,
        n_threads=one.n_threads,
        flop_per_s=matrix_peak(one.precision, device=one.device).flop_per_s,
        bytes_per_s=memory_bandwidth(one.device),
    )


def _driver() -> str:
    file = Path("/proc/driver/nvidia/version")
    return file.read_text(encoding="utf-8", errors="replace") if file.is_file() else ""
