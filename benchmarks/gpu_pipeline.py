"""From JPEGs to scores: each stage by itself, then all of them together."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from gpu_measures import Mode, TowerSpeed, in_short
from PIL import Image

from clipeval.bench.costs import seconds_per_call
from clipeval.datasets import open_dataset
from clipeval.encode import encode_images, encode_prompts
from clipeval.models import ClipModel
from clipeval.records import DatasetSpec, Decode, FolderSource
from clipeval.scoring import score_images

PIXEL_BYTES = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """One stage of the way from JPEGs to scores."""

    name: str
    per_s: float | None
    """Images, or prompts, a second; None: it could not be measured."""
    unit: str = "images"
    note: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """What goes down the pipeline."""

    photos: Path
    """Folder with one folder per class."""
    prompts: tuple[str, ...]
    n_classes: int
    batch_size: int
    n_workers: int
    """Threads that decode."""
    at_least_s: float
    """Length of a round of timing."""


def stages(model: ClipModel, job: Job, tower: TowerSpeed) -> Iterator[Stage]:
    """Measure decoding, copying, text and scoring by themselves, and encoding photos end to end."""
    files = sorted(job.photos.glob("*/*.jpg"))
    yield _decoding(model, files, n_workers=1)
    yield _decoding(model, files, n_workers=job.n_workers)
    if model.device.startswith("cuda"):
        yield _cuda_decoding(model, files, job)
        for is_pinned in (False, True):
            yield _copying(model, job, is_pinned=is_pinned)
    note = f"{tower.mode}, batch {tower.batch_size}, pixels on the device"
    yield Stage(name="image tower", per_s=tower.images_per_s, note=note)
    yield _text(model, job)
    yield _scoring(model, job, n_images=len(files))
    if model.device.startswith("cuda"):
        on_gpu = replace(model, spec=replace(model.spec, decode="gpu"))
        yield replace(_end_to_end(on_gpu, job), name="end to end, decode: gpu")
    yield _end_to_end(model, job)


def whole_process_s(
    model: ClipModel, job: Job, templates: Sequence[str], work: Path, decode: Decode
) -> float:
    """Time `clipeval run` on the photos, with an empty cache: imports and loading included.

    Raises:
        RuntimeError: it fails.
    """
    words = [word for template in templates for word in ("--template", template)]
    command = [
        sys.executable, "-m", "clipeval", "run",
        "--model", model.spec.id, "--dataset", str(job.photos), *words,
        "--device", model.device, "--precision", model.precision,
        "--batch-size", str(job.batch_size), "--decode", decode, "--out", str(work / "run"),
    ]  # fmt: skip
    environment = {
        key: value for key, value in os.environ.items() if key != "PYTHONDONTWRITEBYTECODE"
    }
    environment["CLIPEVAL_CACHE"] = str(work / f"cache-{decode}")
    started = time.perf_counter()
    done = subprocess.run(  # noqa: S603 (no shell; the command is above)
        command, env=environment, cwd=work, check=False, capture_output=True, text=True
    )
    if done.returncode:
        raise RuntimeError(f"clipeval run ended with {done.returncode}: {done.stderr[-500:]}")
    return time.perf_counter() - started


def _decoding(model: ClipModel, files: Sequence[Path], *, n_workers: int) -> Stage:
    """Read, decode and preprocess every file, in threads."""

    def decode(file: Path) -> torch.Tensor:
        with Image.open(file) as image:
            return model.preprocess(image.convert("RGB"))

    with ThreadPoolExecutor(n_workers) as pool:
        started = time.perf_counter()
        n_decoded = sum(1 for _ in pool.map(decode, files))
        taken = time.perf_counter() - started
    note = f"{n_workers} thread{'s' * (n_workers > 1)}, Pillow, with resizing and normalising"
    return Stage(name="decode", per_s=n_decoded / taken, note=note)


def _cuda_decoding(model: ClipModel, files: Sequence[Path], job: Job) -> Stage:
    """Decode JPEGs on the GPU, as `decode: gpu` does."""
    from torchvision.io import decode_jpeg  # noqa: PLC0415 (needed on a GPU alone)

    name, note = "decode on the GPU", "nvJPEG, without resizing"
    batch = [
        torch.frombuffer(bytearray(file.read_bytes()), dtype=torch.uint8)
        for file in files[: job.batch_size]
    ]
    try:
        taken = seconds_per_call(
            lambda: decode_jpeg(batch, device=model.device),
            device=model.device,
            at_least_s=job.at_least_s,
        )
    except RuntimeError as error:
        return Stage(name=name, per_s=None, note=in_short(error))
    return Stage(name=name, per_s=len(batch) / taken, note=note)


def _copying(model: ClipModel, job: Job, *, is_pinned: bool) -> Stage:
    height, width = model.record.image_size
    pixels = torch.empty(job.batch_size, 3, height, width)
    if is_pinned:
        pixels = pixels.pin_memory()
    taken = seconds_per_call(
        lambda: pixels.to(model.device, non_blocking=is_pinned),
        device=model.device,
        at_least_s=job.at_least_s,
    )
    speed = pixels.numel() * PIXEL_BYTES / taken / 1e9
    kind = "pinned" if is_pinned else "pageable"
    note = f"{kind} memory, float32, {speed:.1f} GB/s"
    return Stage(name="copy to the device", per_s=job.batch_size / taken, note=note)


def _text(model: ClipModel, job: Job) -> Stage:
    encode_prompts(model, job.prompts[:2])
    taken = _once_s(lambda: encode_prompts(model, job.prompts))
    note = f"{len(job.prompts)} prompts, tokenizing included"
    return Stage(name="text tower", per_s=len(job.prompts) / taken, unit="prompts", note=note)


def _scoring(model: ClipModel, job: Job, *, n_images: int) -> Stage:
    rng = np.random.default_rng(0)
    images, classes = (
        rng.standard_normal((n, model.record.embed_dim), dtype=np.float32)
        for n in (n_images, job.n_classes)
    )
    labels = np.arange(n_images) % job.n_classes
    sample_ids = [str(i) for i in range(n_images)]
    taken = seconds_per_call(
        lambda: score_images(
            images, classes, labels, logit_scale=model.logit_scale, sample_ids=sample_ids
        ),
        device="cpu",
        at_least_s=job.at_least_s,
    )
    note = f"one template, {job.n_classes} classes, on the CPU"
    return Stage(name="score", per_s=n_images / taken, note=note)


def _end_to_end(model: ClipModel, job: Job) -> Stage:
    """Decode, copy and encode the photos as `clipeval run` does, model loaded and warmed up."""
    dataset = open_dataset(DatasetSpec(key="photos", source=FolderSource(job.photos)))
    first = DatasetSpec(key="few", source=FolderSource(job.photos), limit=job.batch_size)
    encode_images(model, open_dataset(first), batch_size=job.batch_size)
    taken = _once_s(lambda: encode_images(model, dataset, batch_size=job.batch_size))
    note = f"JPEGs to embeddings, batch {job.batch_size}, model loaded"
    return Stage(name="end to end", per_s=len(dataset.samples) / taken, note=note)


def _once_s(call: Callable[[], object]) -> float:
    started = time.perf_counter()
    call()
    return time.perf_counter() - started


def best_speed(speeds: Sequence[TowerSpeed], *, batch_size: int, mode: Mode) -> TowerSpeed:
    """Return the speed at the batch size nearest to one, in one mode."""
    of_mode = [one for one in speeds if one.mode == mode]
    return min(of_mode, key=lambda one: abs(one.batch_size - batch_size))
