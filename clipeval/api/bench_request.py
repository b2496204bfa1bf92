"""What is asked of `clipeval bench`."""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import product
from pathlib import Path

from clipeval.records import BackendName, ModelSpec, Precision
from clipeval.records.latency import STAGES
from clipeval.records.specs import StageName

Model = str | ModelSpec
"""A model string, or what a suite says of a model."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BenchRequest:
    """What to profile: every combination of models, devices, precisions, batch sizes and thread counts."""

    models: tuple[Model, ...]
    devices: tuple[str, ...] = ("auto",)
    precisions: tuple[Precision, ...] = ("fp32",)
    batch_sizes: tuple[int, ...] = (1, 32)
    backend: BackendName = "torch"
    stages: tuple[StageName, ...] = STAGES
    thread_counts: tuple[int, ...] = ()
    """torch's own number if empty."""
    n_samples: int = 64
    """Calls of each stage; fewer if they take longer than half a minute."""
    sweep_to: int | None = None
    """Sweep encode_image over doubling batch sizes up to this one, too."""
    trace_folder: Path | None = None
    """Write a Chrome trace and the top operators of each stage there."""
    has_arithmetic: bool = True
    """Whether operations are counted, and the machine's peak and bandwidth measured."""
    seed: int = 0

    def apart(self, *, by_batch_size: bool = True) -> tuple[BenchRequest, ...]:
        """Return a request for each configuration by itself; sweeps go with the first batch size.

        Args:
            by_batch_size: whether batch sizes are told apart, too; if not, a process takes all of them.
        """
        thread_counts: tuple[tuple[int, ...], ...] = tuple((n,) for n in self.thread_counts) or (
            (),
        )
        batches = tuple((n,) for n in self.batch_sizes) if by_batch_size else (self.batch_sizes,)
        return tuple(
            replace(
                self,
                models=(model,),
                devices=(device,),
                precisions=(precision,),
                thread_counts=threads,
                batch_sizes=sizes,
                sweep_to=self.sweep_to if sizes == batches[0] else None,
            )
            for model, device, precision, threads, sizes in product(
                self.models, self.devices, self.precisions, thread_counts, batches
            )
        )
