"""What a device can do at most, and what the image tower makes of it."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Literal

import torch
from torch.utils.flop_counter import FlopCounterMode

from clipeval.devices import full_precision, is_out_of_memory, synchronize, torch_dtype
from clipeval.models import ClipModel
from clipeval.records import Precision

Mode = Literal["eager", "graph", "compile"]

N_ROUNDS = 3
N_WARM_UPS = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class MatrixPeak:
    """The fastest product of two square matrices that was seen."""

    precision: Precision
    """fp32 is IEEE's float32, not TF32."""
    size: int
    flop_per_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class TowerSpeed:
    """Image tower at one batch size, pixels already on the device."""

    precision: Precision
    mode: Mode
    batch_size: int
    images_per_s: float | None
    """None: it could not be measured."""
    flop_share: float | None
    """Floating-point operations a second as a share of the matrix peak in this precision (MFU)."""
    problem: str = ""
    """Why it could not be measured."""


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


def matrix_peak(
    precision: Precision, *, sizes: Sequence[int], device: str, at_least_s: float
) -> MatrixPeak:
    """Multiply square matrices of several sizes; return the fastest.

    Args:
        precision: of both factors and the product.
        sizes: of the matrices.
        device: where.
        at_least_s: length of a round of timing.
    """
    dtype = torch_dtype(precision)
    speeds: dict[int, float] = {}
    with full_precision(device, precision):
        for size in sizes:
            left = torch.randn(size, size, device=device).to(dtype)
            right = torch.randn(size, size, device=device).to(dtype)
            taken = seconds_per_call(
                partial(torch.matmul, left, right), device=device, at_least_s=at_least_s
            )
            speeds[size] = 2 * size**3 / taken
    best = max(speeds, key=speeds.__getitem__)
    return MatrixPeak(precision=precision, size=best, flop_per_s=speeds[best])


def image_tower_flop(model: ClipModel) -> int:
    """Count the floating-point operations that one image costs the tower; a multiply-add is two.

    Source: torch.utils.flop_counter. Attention's fused path is switched off meanwhile: it is not counted.
    """
    fast = torch.backends.mha.get_fastpath_enabled()
    torch.backends.mha.set_fastpath_enabled(value=False)
    try:
        with FlopCounterMode(display=False) as counter:
            model.encode_image(_pixels(model, 1))
        return int(counter.get_total_flops())
    finally:
        torch.backends.mha.set_fastpath_enabled(value=fast)


def tower_speeds(
    model: ClipModel,
    *,
    batch_sizes: Mapping[Mode, Sequence[int]],
    peak: MatrixPeak,
    at_least_s: float,
) -> Iterator[TowerSpeed]:
    """Measure the tower at the batch sizes of every mode; what cannot be measured is said."""
    flop = image_tower_flop(model)
    for mode, sizes in batch_sizes.items():
        for batch_size in sizes:
            images_per_s, problem = None, ""
            try:
                images_per_s = _images_per_s(model, mode, batch_size, at_least_s)
            except (RuntimeError, ImportError) as error:
                problem = in_short(error)
            yield TowerSpeed(
                precision=model.precision,
                mode=mode,
                batch_size=batch_size,
                images_per_s=images_per_s,
                flop_share=images_per_s and images_per_s * flop / peak.flop_per_s,
                problem=problem,
            )


@torch.inference_mode()
def _images_per_s(model: ClipModel, mode: Mode, batch_size: int, at_least_s: float) -> float:
    pixels = _pixels(model, batch_size)
    with full_precision(model.device, model.precision):
        call = _tower_call(model, mode, pixels)
        taken = seconds_per_call(call, device=model.device, at_least_s=at_least_s)
    return batch_size / taken


def _tower_call(model: ClipModel, mode: Mode, pixels: torch.Tensor) -> Callable[[], object]:
    """Return a call that encodes the pixels; compiling and capturing happen here or in its first."""
    encode: Callable[[torch.Tensor], torch.Tensor] = model.module.encode_image
    if mode == "eager":
        return lambda: encode(pixels)
    if mode == "compile":
        torch.compiler.reset()  # every batch size is compiled for itself
        compiled = torch.compile(encode, dynamic=False)
        return lambda: compiled(pixels)
    stream = torch.cuda.Stream()
    stream.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(stream):
        for _ in range(N_WARM_UPS):
            encode(pixels)
    torch.cuda.current_stream().wait_stream(stream)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        encode(pixels)
    return graph.replay


def _pixels(model: ClipModel, batch_size: int) -> torch.Tensor:
    height, width = model.record.image_size
    pixels = torch.randn(batch_size, 3, height, width, device=model.device)
    return pixels.to(torch_dtype(model.precision))


def _elapsed_s(call: Callable[[], object], n_calls: int, device: str) -> float:
    synchronize(device)
    started = time.perf_counter()
    for _ in range(n_calls):
        call()
    synchronize(device)
    return time.perf_counter() - started


def in_short(error: Exception) -> str:
    """Say an error in one line."""
    if is_out_of_memory(error):
        torch.cuda.empty_cache()
        return "out of memory"
    lines = str(error).strip().splitlines() or [""]
    return f"{type(error).__name__}: {lines[0][:100]}"
