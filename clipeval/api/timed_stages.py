"""One stage of one model, ready for somebody else to time: pytest-benchmark."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import get_args

import torch

from clipeval.api.bench_settings import BenchSetting
from clipeval.api.benching import fingerprint
from clipeval.bench.inputs import generated_inputs
from clipeval.bench.profiling import profile_of, stage_calls
from clipeval.bench.protocol import (
    Effort,
    Stopwatch,
    Target,
    Timing,
    WarmUp,
    no_collection,
    warm_up,
)
from clipeval.bench.stopwatches import stopwatch
from clipeval.devices import describe_machine, is_out_of_memory
from clipeval.engine.environment import capture_environment
from clipeval.errors import BenchError, ConfigError, did_you_mean
from clipeval.records import BackendName, Precision
from clipeval.records.latency import StageProfile
from clipeval.records.latency_gates import LatencyPoint, LatencySetting
from clipeval.records.specs import CallStage


@dataclass(frozen=True, slots=True, kw_only=True)
class TimedStage:
    """A stage whose calls wait for the device."""

    stage: CallStage
    setting: LatencySetting
    effort: Effort
    _target: Target
    _stopwatch: Stopwatch
    _device_s: list[float] = field(default_factory=list)
    """Of each call, by a GPU's own clock."""

    @property
    def point(self) -> LatencyPoint:
        """The setting without the model."""
        return LatencyPoint.of(self.stage, self.setting)

    def call(self, number: int) -> None:
        """Do the work once, and wait until the device has done it."""
        _, device_s = self._stopwatch.time(self._target, number)
        self._device_s.extend([] if device_s is None else [device_s])

    def warm_up(self) -> WarmUp:
        """Call until it is steady, or until the time for that is up."""
        return warm_up(self._target, self._stopwatch, self.effort)

    def no_collection(self) -> AbstractContextManager[None]:
        """Collect garbage now, and not meanwhile."""
        return no_collection()

    def profile(self, samples_s: tuple[float, ...], warmup: WarmUp) -> StageProfile:
        """Say what timings of `call` come to."""
        timing = Timing(
            samples_s=samples_s,
            device_samples_s=tuple(self._device_s),
            warmup_s=tuple(warmup.taken_s),
            steadiness=warmup.steadiness,
        )
        return profile_of(self.stage, self.setting, timing)


@contextmanager
def timed_stage(
    stage: CallStage,
    *,
    model: str,
    device: str = "auto",
    precision: Precision = "fp32",
    backend: BackendName = "torch",
    batch_size: int = 1,
    n_threads: int | None = None,
    n_samples: int = 64,
) -> Iterator[TimedStage]:
    """Load a model and have one of its stages ready.

    Args: see clipeval.pytest_plugin.latency.MeasureLatency.
    Raises:
        ConfigError, ModelError, DeviceError, BackendError: what stands in the way.
    """
    _check_names(stage, backend)
    for name, number, least in (
        ("batch_size", batch_size, 1), ("n_samples", n_samples, 2), ("n_threads", n_threads or 1, 1),
    ):  # fmt: skip
        if number < least:
            raise ConfigError(f"{name}={number}: expected at least {least}")
    if n_threads == 0:
        raise ConfigError("n_threads=0: expected at least 1, or None for torch's own number")
    one = BenchSetting.resolved(
        model, device=device, precision=precision, backend=backend, n_threads=n_threads
    )
    setting = one.at(batch_size)
    try:
        with stage_calls(one.load().model, setting, generated_inputs()) as calls:
            yield TimedStage(
                stage=stage,
                setting=setting,
                effort=Effort(n_samples=n_samples),
                _target=calls.of(stage),
                _stopwatch=stopwatch(one.device),
            )
    except (RuntimeError, MemoryError) as error:
        if not is_out_of_memory(error):
            raise
        raise BenchError(
            f"{setting.model}, {LatencyPoint.of(stage, setting)}: out of memory; try a smaller batch"
        ) from error


def _check_names(stage: str, backend: str) -> None:
    for name, value, known in (
        ("stage", stage, get_args(CallStage)), ("backend", backend, get_args(BackendName)),
    ):  # fmt: skip
        if value not in known:
            raise ConfigError(
                f"unknown {name} '{value}'; expected one of {', '.join(known)}{did_you_mean(value, known)}"
            )


def extra_info(profile: StageProfile) -> Mapping[str, object]:
    """Return what pytest-benchmark does not know of a timing: its setting, quantiles, steadiness."""
    summary = profile.summary
    return {
        "stage": profile.stage,
        **asdict(profile.setting),
        **({} if summary is None else asdict(summary)),
        "items_per_s": profile.items_per_s,
        "device_median_s": None
        if profile.device_summary is None
        else profile.device_summary.median_s,
        "is_steady": profile.is_steady,
        "drift": profile.drift,
    }


def machine_info() -> Mapping[str, object]:
    """Return what timings of models hang on."""
    machine = describe_machine()
    environment = capture_environment((), folder=Path.cwd(), machine=machine)
    return {
        "torch": torch.__version__,
        "n_threads": machine.n_threads,
        "gpus": list(machine.gpus),
        "fingerprint": fingerprint(environment),
    }
