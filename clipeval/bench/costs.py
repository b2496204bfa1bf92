"""What a stage costs beside time: arithmetic and memory."""

from __future__ import annotations

import statistics
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial

import psutil
import torch
from torch.utils.flop_counter import FlopCounterMode

from clipeval.devices import full_precision, synchronize, torch_dtype
from clipeval.models import ClipModel
from clipeval.records import Precision
from clipeval.records.latency import ModelSize, PeakMemory

RSS_INTERVAL_S = 0.002
MATRIX_SIZES = {"cpu": (1024, 2048), "cuda": (4096, 8192, 16384), "mps": (2048, 4096)}
N_ROUNDS = 3
N_WARM_UPS = 3


def model_size(model: ClipModel) -> ModelSize:
    """Count parameters and floating-point operations; a multiply-add is two.

    Source: torch.utils.flop_counter: matrix products, convolutions and attention, as open_clip's
    model_profile.csv counts them.
    """
    height, width = model.record.image_size
    pixels = torch.zeros(1, 3, height, width)
    tokens = model.tokenizer(["a photo"])
    return ModelSize(
        n_parameters=model.record.n_parameters,
        flop_per_image=_flop(partial(model.encode_image, pixels)),
        flop_per_prompt=_flop(partial(model.encode_text, tokens)),
    )


def _flop(call: Callable[[], object]) -> float:
    # Attention's fused path is not counted.
    fast = torch.backends.mha.get_fastpath_enabled()
    torch.backends.mha.set_fastpath_enabled(value=False)
    try:
        with FlopCounterMode(display=False) as counter:
            call()
        return float(counter.get_total_flops())
    finally:
        torch.backends.mha.set_fastpath_enabled(value=fast)


@dataclass(frozen=True, slots=True, kw_only=True)
class MatrixPeak:
    """The fastest product of two square matrices that was seen."""

    precision: Precision
    """fp32 is IEEE's float32, not TF32."""
    size: int
    flop_per_s: float


def matrix_peak(
    precision: Precision,
    *,
    device: str,
    sizes: Sequence[int] | None = None,
    at_least_s: float = 0.1,
) -> MatrixPeak:
    """Multiply square matrices of several sizes; return the fastest.

    Args:
        precision: of both factors and the product.
        device: where.
        sizes: of the matrices; MATRIX_SIZES of the kind of device if None.
        at_least_s: length of a round of timing.
    """
    dtype = torch_dtype(precision)
    speeds: dict[int, float] = {}
    with full_precision(device, precision), torch.inference_mode():
        for size in sizes or MATRIX_SIZES[device.partition(":")[0]]:
            left = torch.randn(size, size, device=device).to(dtype)
            right = torch.randn(size, size, device=device).to(dtype)
            taken = seconds_per_call(
                partial(torch.matmul, left, right), device=device, at_least_s=at_least_s
            )
            speeds[size] = 2 * size**3 / taken
    best = max(speeds, key=speeds.__getitem__)
    return MatrixPeak(precision=precision, size=best, flop_per_s=speeds[best])


def seconds_per_call(call: Callable[[], object], *, device: str, at_least_s: float) -> float:
    """Time a call: the median of rounds, each long enough to be timed, the device's queue emptied.

    Args:
        call: enqueues or does the work.
        device: where.
        at_least_s: length of a round.
    """
    for _ in range(N_WARM_UPS):
        call()
    n_calls = 1
    while (elapsed := _elapsed_s(call, n_calls, device)) < at_least_s:
        n_calls = max(n_calls + 1, min(10 * n_calls, int(n_calls * at_least_s / elapsed) + 1))
    return statistics.median(_elapsed_s(call, n_calls, device) / n_calls for _ in range(N_ROUNDS))


def _elapsed_s(call: Callable[[], object], n_calls: int, device: str) -> float:
    synchronize(device)
    started = time.perf_counter()
    for _ in range(n_calls):
        call()
    synchronize(device)
    return time.perf_counter() - started


@dataclass(slots=True)
class MemoryWatch:
    """What was in use at most while it watched."""

    peak: PeakMemory | None = None
    """None until it ends."""


@contextmanager
def watch_memory(device: str) -> Iterator[MemoryWatch]:
    """Watch memory meanwhile; `peak` is filled in at the end.

    The resident set is looked at every 2 ms by another thread, so no timing is taken meanwhile.
    """
    watch = MemoryWatch()
    on_cuda = device.startswith("cuda")
    if on_cuda:
        torch.cuda.reset_peak_memory_stats(device)
    seen: list[int] = []
    stop = threading.Event()
    watcher = threading.Thread(target=_watch_rss, args=(seen, stop), daemon=True)
    watcher.start()
    try:
        yield watch
    finally:
        stop.set()
        watcher.join()
        watch.peak = PeakMemory(
            rss_bytes=max(seen),
            device_allocated_bytes=torch.cuda.max_memory_allocated(device) if on_cuda else None,
            device_reserved_bytes=torch.cuda.max_memory_reserved(device) if on_cuda else None,
        )


def _watch_rss(seen: list[int], stop: threading.Event) -> None:
    process = psutil.Process()
    while True:
        seen.append(process.memory_info().rss)
        if stop.wait(RSS_INTERVAL_S):
            return
