"""`decode: gpu`: JPEGs decoded, resized and cropped on a CUDA GPU, by nvJPEG and torch.

Other decoders and another resize give slightly other pixels than Pillow's, which models were published with:
what that changes is measured in every run that asks for it. What is no plain JPEG is decoded as ever.
"""

from __future__ import annotations

import hashlib
import warnings
from collections import defaultdict, deque
from collections.abc import Generator, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice
from typing import Any, cast

import torch
import torchvision
from torch.nn.functional import interpolate
from torchvision import io

from clipeval.datasets import ImageDataset, ImageReadError, plain_jpeg_size, read_content, read_rgb
from clipeval.devices import is_out_of_memory, release_unused_memory
from clipeval.encode.decoding import DecodedBatch
from clipeval.errors import DeviceError, EncodingError
from clipeval.models import ClipModel
from clipeval.records import ImageFailure

N_BATCHES_AHEAD = 3
"""Read from disk while the GPU is busy: files, not pixels."""
MAX_PIXELS_AT_ONCE = 100_000_000
"""Decoded pixels on the GPU at a time, but for a single picture that is larger:
0.6 GB as 8-bit values, and 1.2 GB as float32."""


@dataclass(frozen=True, slots=True)
class GpuShrinking:
    """Resize, crop and normalise as a model's own transform does, on a device."""

    size: tuple[int, int]
    """(height, width) of the model's input."""
    keeps_ratio: bool
    """Scale the shorter side and crop the middle, or else squash."""
    interpolation: str
    mean: torch.Tensor
    """(3, 1, 1) of values from 0 to 1."""
    std: torch.Tensor

    @classmethod
    def of(cls, model: ClipModel) -> GpuShrinking:
        """Read a model's preprocessing.

        Raises:
            DeviceError: it asks for something that is not done here.
        """
        wanted: Any = model.record.preprocessing
        size = model.record.image_size
        mode, interpolation = wanted["resize_mode"], wanted["interpolation"]
        is_known = mode == "squash" or (mode == "shortest" and size[0] == size[1])
        if not is_known or interpolation not in {"bicubic", "bilinear"}:
            raise DeviceError(
                f"model '{model.record.id}': decode 'gpu' does not resize to {size[0]} x {size[1]} "
                f"with resize_mode '{mode}' and interpolation '{interpolation}'; use decode exact or fast"
            )
        mean, std = (
            torch.tensor(wanted[name], dtype=torch.float32, device=model.device).view(-1, 1, 1)
            for name in ("mean", "std")
        )
        return cls(size, mode == "shortest", interpolation, mean, std)

    def __call__(self, pictures: torch.Tensor) -> torch.Tensor:
        """Shrink pictures of one size.

        Args:
            pictures: (B, 3, h, w) uint8.
        Returns:
            (B, 3, H, W) float32, as the model's preprocessing leaves them but for rounding.
        """
        height, width = self._scaled(*pictures.shape[-2:])
        scaled = interpolate(
            pictures.float(), (height, width), mode=self.interpolation, antialias=True
        )
        top, left = (
            round((scaled - wanted) / 2)
            for scaled, wanted in zip((height, width), self.size, strict=True)
        )
        cropped = scaled[:, :, top : top + self.size[0], left : left + self.size[1]]
        values = cropped.round().clamp(0, 255) / 255  # Pillow's pictures are of whole numbers
        return (values - self.mean) / self.std

    def _scaled(self, height: int, width: int) -> tuple[int, int]:
        """Return (height, width) before cropping. Source: torchvision.transforms.Resize."""
        if not self.keeps_ratio:
            return self.size
        shorter, longer = min(height, width), max(height, width)
        scaled = int(self.size[0] * longer / shorter)
        return (self.size[0], scaled) if height <= width else (scaled, self.size[0])


@dataclass(frozen=True, slots=True)
class _Jpeg:
    index: int
    content_sha256: str
    content: torch.Tensor
    """(bytes,) uint8, the whole file."""
    size: tuple[int, int]


@dataclass(frozen=True, slots=True)
class _Decoded:
    index: int
    content_sha256: str
    pixels: torch.Tensor
    """(3, H, W) float32 on the CPU."""


def check_gpu_decoding(model: ClipModel) -> None:
    """Refuse a model that `decode: gpu` cannot serve.

    Raises:
        DeviceError: it is not on a CUDA GPU, or resizes in a way that is not done there.
    """
    if not model.device.startswith("cuda"):
        raise DeviceError(
            f"decode 'gpu' needs a CUDA GPU, and model '{model.record.id}' is on {model.device}; "
            "use --device cuda, or --decode exact or fast"
        )
    if not hasattr(io, "decode_jpeg"):
        raise DeviceError(
            f"decode 'gpu' needs torchvision.io.decode_jpeg, which torchvision {torchvision.__version__} has "
            "no longer; use --decode exact or fast, or an older torchvision"
        )
    GpuShrinking.of(model)


def decode_batches_on_gpu(
    model: ClipModel,
    dataset: ImageDataset,
    chosen: Sequence[int],
    *,
    batch_size: int,
    n_workers: int,
) -> Generator[DecodedBatch]:
    """Yield samples of a data set in order, batch by batch, on the model's device.

    The arguments are those of clipeval.encode.decoding.decode_batches. `n_on_cpu` of a batch counts pictures
    that are no plain JPEG.
    """
    shrinking = GpuShrinking.of(model)

    def read(index: int) -> _Jpeg | _Decoded | ImageFailure:
        try:
            content = read_content(dataset, index)
            if content is None:
                loaded = dataset.load(index)
                return _Decoded(index, loaded.content_sha256, model.preprocess(loaded.image))
            sha256 = hashlib.sha256(content).hexdigest()
            size = plain_jpeg_size(content)
            if size is None:
                return _Decoded(index, sha256, model.preprocess(read_rgb(content)))
            return _Jpeg(
                index, sha256, torch.frombuffer(bytearray(content), dtype=torch.uint8), size
            )
        except ImageReadError as error:
            sample = dataset.samples[index]
            return ImageFailure(sample.sample_id, sample.path, str(error))

    with ThreadPoolExecutor(n_workers, thread_name_prefix="clipeval-read") as pool:
        parts = (chosen[i : i + batch_size] for i in range(0, len(chosen), batch_size))
        reading: deque[list[Future[_Jpeg | _Decoded | ImageFailure]]] = deque(
            [pool.submit(read, index) for index in part] for part in islice(parts, N_BATCHES_AHEAD)
        )
        try:
            while reading:
                outcomes = [future.result() for future in reading.popleft()]
                reading.extend(
                    [pool.submit(read, index) for index in part] for part in islice(parts, 1)
                )
                yield _finished(model, dataset, shrinking, outcomes)
        finally:
            pool.shutdown(wait=False, cancel_futures=True)


@torch.inference_mode()
def _finished(
    model: ClipModel,
    dataset: ImageDataset,
    shrinking: GpuShrinking,
    outcomes: Sequence[_Jpeg | _Decoded | ImageFailure],
) -> DecodedBatch:
    """Decode what was read."""
    rows: dict[int, torch.Tensor] = {}
    failures = [one for one in outcomes if isinstance(one, ImageFailure)]
    on_cpu = [one for one in outcomes if isinstance(one, _Decoded)]
    for part in _parts([one for one in outcomes if isinstance(one, _Jpeg)]):
        found, refused = _shrunk(model, part, shrinking)
        rows.update(found)
        for one in refused:
            try:
                exact = model.preprocess(read_rgb(one.content.numpy().tobytes()))
                on_cpu.append(_Decoded(one.index, one.content_sha256, exact))
            except ImageReadError as error:
                sample = dataset.samples[one.index]
                failures.append(ImageFailure(sample.sample_id, sample.path, str(error)))
    rows.update({one.index: one.pixels.to(model.device) for one in on_cpu})
    read = [one for one in outcomes if not isinstance(one, ImageFailure) and one.index in rows]
    nothing = torch.empty(0, 3, *model.record.image_size, device=model.device)
    return DecodedBatch(
        torch.stack([rows[one.index] for one in read]) if read else nothing,
        tuple(one.index for one in read),
        tuple(one.content_sha256 for one in read),
        tuple(failures),
        n_on_cpu=len(on_cpu),
    )


def _parts(jpegs: Sequence[_Jpeg]) -> Iterator[list[_Jpeg]]:
    """Cut a batch so that what is decoded at once fits in memory."""
    part: list[_Jpeg] = []
    n_pixels = 0
    for one in jpegs:
        own = one.size[0] * one.size[1]
        if part and n_pixels + own > MAX_PIXELS_AT_ONCE:
            yield part
            part, n_pixels = [], 0
        part.append(one)
        n_pixels += own
    if part:
        yield part


def _shrunk(
    model: ClipModel, jpegs: Sequence[_Jpeg], shrinking: GpuShrinking
) -> tuple[dict[int, torch.Tensor], list[_Jpeg]]:
    """Return index -> (3, H, W) of what the GPU decodes, and what it does not.

    One that it refuses, and memory that does not suffice, spoil the call for all: then halves are tried.

    Raises:
        EncodingError: not even one picture fits in memory.
    """
    if not jpegs:
        return {}, []
    try:
        pictures = _decode_jpegs([one.content for one in jpegs], model.device)
        return _shrunk_by_size([one.index for one in jpegs], pictures, shrinking), []
    except RuntimeError as error:
        is_too_large = is_out_of_memory(error)
        if is_too_large and len(jpegs) == 1:
            width, height = jpegs[0].size
            raise EncodingError(
                f"model '{model.record.id}': one picture of {width} x {height} pixels does not fit in the "
                f"memory of {model.device} to be decoded there; use decode exact or fast"
            ) from error
    # Not in the handler: its traceback would keep what was decoded alive.
    if is_too_large:
        release_unused_memory(model.device)
    elif len(jpegs) == 1:
        return {}, list(jpegs)
    halves = [_shrunk(model, half, shrinking) for half in (jpegs[::2], jpegs[1::2])]
    return {**halves[0][0], **halves[1][0]}, [*halves[0][1], *halves[1][1]]


def _decode_jpegs(contents: list[torch.Tensor], device: str) -> list[torch.Tensor]:
    """Return (3, h, w) uint8 of each JPEG, on the device."""
    with warnings.catch_warnings():
        # Deprecated since torchvision 0.29 in favour of torchcodec, which few have yet.
        warnings.simplefilter("ignore", DeprecationWarning)
        pictures = io.decode_jpeg(contents, mode=io.ImageReadMode.RGB, device=device)
    return cast("list[torch.Tensor]", pictures)


def _shrunk_by_size(
    indices: Sequence[int], pictures: Sequence[torch.Tensor], shrinking: GpuShrinking
) -> dict[int, torch.Tensor]:
    """Shrink pictures, those of one size together."""
    by_size: dict[torch.Size, list[tuple[int, torch.Tensor]]] = defaultdict(list)
    for index, picture in zip(indices, pictures, strict=True):
        by_size[picture.shape].append((index, picture))
    rows: dict[int, torch.Tensor] = {}
    for same in by_size.values():
        shrunk = shrinking(torch.stack([picture for _, picture in same]))
        rows.update(zip((index for index, _ in same), shrunk, strict=True))
    return rows
