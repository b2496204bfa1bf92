"""What the image tower makes of a device."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import torch

from clipeval.bench.costs import MatrixPeak, model_size, seconds_per_call
from clipeval.devices import full_precision, is_out_of_memory, torch_dtype
from clipeval.models import ClipModel
from clipeval.records import Precision

Mode = Literal["eager", "graph", "compile"]

N_WARM_UPS = 3


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


def tower_speeds(
    model: ClipModel,
    *,
    batch_sizes: Mapping[Mode, Sequence[int]],
    peak: MatrixPeak,
    at_least_s: float,
) -> Iterator[TowerSpeed]:
    """Measure the tower at the batch sizes of every mode; what cannot be measured is said."""
    flop = model_size(model).flop_per_image
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


def in_short(error: Exception) -> str:
    """Say an error in one line."""
    if is_out_of_memory(error):
        torch.cuda.empty_cache()
        return "out of memory"
    lines = str(error).strip().splitlines() or [""]
    return f"{type(error).__name__}: {lines[0][:100]}"
