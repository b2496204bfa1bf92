"""What a model's arithmetic comes to, and what the machine could do at best."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import cast

import torch
from torch.nn.functional import linear
from torch.utils.flop_counter import FlopCounterMode

from clipeval.devices import full_precision, synchronize, torch_dtype
from clipeval.models import ClipModel
from clipeval.records import Precision
from clipeval.records.latency import ModelSize

LONGEST_CALL_S = 1.0
"""A product that would take longer is not timed: a CPU without instructions for a precision takes minutes."""
SLOW_SHARE = 0.5
"""A layout that is so much slower than another has no better at larger sizes."""
MATRIX_SIZES = {"cpu": (256, 1024, 2048), "cuda": (4096, 8192, 16384), "mps": (2048, 4096)}
COPIED_BYTES = {"cpu": 256 * 2**20, "cuda": 2**30, "mps": 512 * 2**20}
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


@dataclass(frozen=True, slots=True, kw_only=True)
class WeightBytes:
    """What one call of each tower reads at least."""

    image: int
    text: int
    """Without the table of token embeddings, of which little is read."""


def weight_bytes(model: ClipModel, precision: Precision) -> WeightBytes:
    """Count the bytes of the weights of either tower as they are held in a precision.

    Args:
        model: loaded for the precision.
        precision: of the image tower; in int8 each of its weights is a byte, and the text tower is fp32.
    """
    image = list(_weights(cast("torch.nn.Module", model.module.visual)))
    of_both = sum(one.nbytes for one in _weights(model.module))
    of_image = sum(one.nbytes for one in image)
    return WeightBytes(
        image=sum(one.numel() for one in image) if precision == "int8" else of_image,
        text=of_both - of_image,
    )


def _weights(module: torch.nn.Module) -> Iterator[torch.Tensor]:
    tables = {id(one.weight) for one in module.modules() if isinstance(one, torch.nn.Embedding)}
    return (one for one in module.parameters() if id(one) not in tables)


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
    """Multiply square matrices of several sizes, in both layouts; return the fastest.

    Args:
        precision: of both factors and the product.
        device: where.
        sizes: of the matrices; MATRIX_SIZES of the kind of device if None.
        at_least_s: length of a round of timing.
    """
    dtype = torch_dtype(precision)
    best = MatrixPeak(precision=precision, size=0, flop_per_s=0.0)
    with full_precision(device, precision), torch.inference_mode():
        # `linear` multiplies by the transpose, as layers do: in some precisions CPUs are much faster at that.
        for multiply in (linear, torch.matmul):
            for size in sizes or MATRIX_SIZES[device.partition(":")[0]]:
                flop = 2 * size**3
                if best.size and flop / best.flop_per_s > LONGEST_CALL_S:
                    break
                left = torch.randn(size, size, device=device).to(dtype)
                right = torch.randn(size, size, device=device).to(dtype)
                taken = seconds_per_call(
                    partial(multiply, left, right), device=device, at_least_s=at_least_s
                )
                if flop / taken > best.flop_per_s:
                    best = MatrixPeak(precision=precision, size=size, flop_per_s=flop / taken)
                elif flop / taken < SLOW_SHARE * best.flop_per_s:
                    break
    return best


def memory_bandwidth(device: str, *, at_least_s: float = 0.1) -> float:
    """Copy an array larger than any cache; return the bytes a second that are read and written.

    Source: STREAM's copy kernel (McCalpin).
    """
    n = COPIED_BYTES[device.partition(":")[0]] // 4
    source = torch.rand(n, device=device)
    target = torch.empty_like(source)
    taken = seconds_per_call(partial(target.copy_, source), device=device, at_least_s=at_least_s)
    return 2 * 4 * n / taken


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
