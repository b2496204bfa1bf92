"""Batches on their way to a GPU: the next is copied while the tower runs on this one."""

from __future__ import annotations

from collections.abc import Generator, Iterable
from dataclasses import replace

import torch

from clipeval.encode.decoding import DecodedBatch


def upload(batches: Iterable[DecodedBatch], device: str) -> Generator[DecodedBatch]:
    """Yield the same batches, on a CUDA GPU one copy ahead; elsewhere as they are.

    A batch's page-locked memory is filled again when the next batch is asked for, so its copy is waited for
    first. float32 is copied, and cast on the GPU: torch casts on one CPU core otherwise.
    """
    if not device.startswith("cuda"):
        yield from batches
        return
    side = torch.cuda.Stream(device)  # type: ignore[no-untyped-call]
    ahead: tuple[DecodedBatch, torch.cuda.Event] | None = None
    for batch in batches:
        with torch.cuda.stream(side):
            on_gpu = batch.pixels.to(device, non_blocking=True)
            copied = side.record_event()
        if ahead is not None:
            yield _ready(*ahead)
        copied.synchronize()
        ahead = (replace(batch, pixels=on_gpu), copied)
    if ahead is not None:
        yield _ready(*ahead)


def _ready(batch: DecodedBatch, copied: torch.cuda.Event) -> DecodedBatch:
    """Let the tower's stream wait for the copy, and keep the memory until that stream is done with it."""
    stream = torch.cuda.current_stream(batch.pixels.device)
    stream.wait_event(copied)
    batch.pixels.record_stream(stream)
    return batch
