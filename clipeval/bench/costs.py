"""What a stage costs beside time: arithmetic and memory."""

from __future__ import annotations

import statistics
import threading
import time
from collections.abc import Callable, Iterator
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
N_ROUNDS = 5
N_PRODUCTS = {"cpu": 2, "cuda": 10, "mps": 5}


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


def matrix_peak(device: str, precision: Precision) -> float:
    """Measure the fastest product of two square matrices, in FLOP/s."""
    kind = device.partition(":")[0]
    dtype = torch_dtype(precision)
    fastest = 0.0
    with full_precision(device, precision), torch.inference_mode():
        for size in MATRIX_SIZES[kind]:
            left = torch.randn(size, size, device=device).to(dtype)
            right = torch.randn(size, size, device=device).to(dtype)
            multiply = partial(torch.matmul, left, right)
            multiply()
            rounds = [_seconds(multiply, device, N_PRODUCTS[kind]) for _ in range(N_ROUNDS)]
            fastest = max(fastest, 2 * size**3 / statistics.median(rounds))
    return fastest


def _seconds(call: Callable[[], object], device: str, n_calls: int) -> float:
    synchronize(device)
    started = time.perf_counter()
    for _ in range(n_calls):
        call()
    synchronize(device)
    return (time.perf_counter() - started) / n_calls


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
