"""A simulated machine: each profile is a process, and takes its noise from there."""

import math

import numpy as np

from clipeval.records import Environment
from clipeval.records.latency import BenchmarkRecord, StageProfile
from clipeval.records.latency_gates import LatencySetting
from clipeval.stats import summarize_timings

ENVIRONMENT = Environment(
    clipeval="0", python="3.11", platform="Linux", packages={"torch": "2"}, git_commit=None, git_dirty=None,
    cpu="A processor", n_cores=2, n_threads=2, memory_bytes=None, gpus=(), argv=(),
)  # fmt: skip


class SimulatedMachine:
    """Profiles models that take so long, with heavy-tailed noise of processes and of calls, and a drift."""

    def __init__(self, seconds, *, noise=0.01, drift=0.001, seed=0, stages=("encode_image",)):
        self.seconds, self.noise, self.drift = seconds, noise, drift
        self.random = np.random.default_rng(seed)
        self.stages = stages
        self.order = []
        self.fingerprint = "here"

    def __call__(self, model, *, batch_size=1, precision="fp32", backend="torch", n_calls=20):
        self.order.append(model)
        speed = 1 + self.drift * len(self.order)
        return BenchmarkRecord(
            environment=ENVIRONMENT,
            fingerprint=self.fingerprint,
            profiles=tuple(
                self._profile(
                    stage,
                    LatencySetting(
                        model=model, device="cpu", precision=precision, backend=backend,
                        batch_size=batch_size, n_threads=2,
                    ),
                    speed,
                    n_calls,
                )
                for stage in self.stages
            ),
        )  # fmt: skip

    def _profile(self, stage, setting, speed, n_calls):
        process = math.exp(self.noise * self.random.standard_t(3))
        calls = np.exp(self.noise * self.random.standard_t(3, n_calls))
        seconds = self.seconds[setting.model] * speed * process * calls
        samples = tuple(float(one) for one in seconds)
        summary = summarize_timings(samples)
        return StageProfile(
            stage=stage, setting=setting, samples_s=samples, summary=summary,
            items_per_s=setting.batch_size / summary.median_s,
        )  # fmt: skip
