"""What is profiled: a model on a device, checked before anything is loaded."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path

import torch

from clipeval.api.bench_request import Model
from clipeval.backends import check_backend, encoder_precision
from clipeval.bench.profiling import Loaded
from clipeval.devices import check_precision, resolve_device, synchronize
from clipeval.models import load_model
from clipeval.records import BackendName, ModelSpec, Precision
from clipeval.records.latency_gates import LatencySetting
from clipeval.records.model_names import parse_model


@dataclass(frozen=True, slots=True, kw_only=True)
class BenchSetting:
    """A model, and how it is run; the batch size is left open."""

    spec: ModelSpec
    device: str
    precision: Precision
    """Of the image tower; torch holds the model in encoder_precision of it."""
    backend: BackendName
    n_threads: int

    @classmethod
    def resolved(
        cls,
        model: Model,
        *,
        device: str,
        precision: Precision,
        backend: BackendName,
        n_threads: int | None,
        where: str = "",
    ) -> BenchSetting:
        """Resolve names, and refuse what cannot be run here.

        Args:
            model: a model string, or what it was read as.
            device: auto, cpu, cuda, cuda:N or mps.
            precision: of both towers; int8 of the image tower alone.
            backend: what runs the image tower.
            n_threads: torch's; its own number if None.
            where: what named the model, for errors.
        Raises:
            ConfigError, DeviceError, BackendError: what stands in the way.
        """
        spec = parse_model(model, base=Path.cwd(), where=where) if isinstance(model, str) else model
        found = resolve_device(device)
        check_backend(backend, device=found, precision=precision)
        check_precision(found, encoder_precision(precision))
        return cls(
            spec=spec,
            device=found,
            precision=precision,
            backend=backend,
            n_threads=n_threads or torch.get_num_threads(),
        )

    def load(self) -> Loaded:
        """Load the model, and time that. Raises: ModelError, DeviceError."""
        started = time.perf_counter()
        model = load_model(
            self.spec, device=self.device, precision=encoder_precision(self.precision)
        )
        synchronize(self.device)
        return Loaded(model=model, load_s=time.perf_counter() - started)

    def at(self, batch_size: int) -> LatencySetting:
        """Return the setting as it is recorded."""
        return LatencySetting(
            model=self.spec.id,
            device=self.device,
            precision=self.precision,
            backend=self.backend,
            batch_size=batch_size,
            n_threads=self.n_threads,
        )
