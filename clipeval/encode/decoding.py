"""Read and preprocess images in worker threads, in order, straight into batches, one ahead of the model.

Threads rather than processes: Pillow releases the interpreter lock while it decodes and resizes, so
two threads fill two cores, and nothing has to be pickled, forked or copied between processes.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice

import torch
from PIL import Image

from clipeval.datasets import ImageDataset, ImageReadError
from clipeval.models import ClipModel, Preprocessing
from clipeval.records import ImageFailure
from clipeval.records.results import FloatArray

N_BUFFERS = 2
"""One batch for the tower, one for those who decode; each is filled again when the tower is done with it."""


@dataclass(frozen=True, slots=True)
class DecodedBatch:
    """Preprocessed images, with their places in the data set, and those that could not be read."""

    pixels: torch.Tensor
    """(B, 3, H, W) float32, as the preprocessing leaves it; valid until the next batch is taken."""
    indices: tuple[int, ...]
    """(B)"""
    contents: tuple[str, ...]
    """(B) SHA-256 of what each was read from."""
    failures: tuple[ImageFailure, ...] = ()
    n_on_cpu: int = 0
    """With `decode: gpu`, how many the CPU decoded instead."""

    @property
    def n_read(self) -> int:
        """How many images were tried."""
        return len(self.indices) + len(self.failures)


@dataclass(frozen=True, slots=True)
class _Read:
    index: int
    content_sha256: str


@dataclass(frozen=True, slots=True)
class _Filling:
    """A batch that threads are writing into."""

    pixels: torch.Tensor
    outcomes: Sequence[Future[_Read | ImageFailure]]

    def finished(self) -> DecodedBatch:
        """Wait until all is written."""
        outcomes = [outcome.result() for outcome in self.outcomes]
        read = [outcome for outcome in outcomes if isinstance(outcome, _Read)]
        pixels = self.pixels[: len(outcomes)]
        if len(read) < len(outcomes):
            pixels = pixels[[isinstance(outcome, _Read) for outcome in outcomes]]
        return DecodedBatch(
            pixels,
            tuple(one.index for one in read),
            tuple(one.content_sha256 for one in read),
            tuple(outcome for outcome in outcomes if isinstance(outcome, ImageFailure)),
        )


def decode_batches(
    model: ClipModel,
    dataset: ImageDataset,
    chosen: Sequence[int],
    *,
    batch_size: int,
    n_workers: int,
) -> Generator[DecodedBatch]:
    """Yield samples of a data set in order, batch by batch; the next is decoded meanwhile.

    Close it to stop early: an error's traceback would keep it, and its threads, alive.

    Args:
        model: its preprocessing; where it runs on a CUDA GPU, batches are in page-locked memory.
        dataset: where the images come from.
        chosen: which of its samples.
        batch_size: images a batch, whether they can be read or not.
        n_workers: threads that decode.
    """
    write = _writer(model.preprocess)

    def decode(index: int, row: FloatArray) -> _Read | ImageFailure:
        try:
            loaded = dataset.load(index)
            write(loaded.image, row)
            return _Read(index, loaded.content_sha256)
        except ImageReadError as error:
            sample = dataset.samples[index]
            return ImageFailure(sample.sample_id, sample.path, str(error))

    with ThreadPoolExecutor(n_workers, thread_name_prefix="clipeval-decode") as pool:

        def fill(pixels: torch.Tensor, indices: Sequence[int]) -> _Filling:
            rows = pixels.numpy()
            return _Filling(
                pixels, [pool.submit(decode, index, rows[i]) for i, index in enumerate(indices)]
            )

        parts = (chosen[i : i + batch_size] for i in range(0, len(chosen), batch_size))
        size = min(batch_size, len(chosen))
        filling = deque(
            fill(_empty_batch(model, size), indices) for indices in islice(parts, N_BUFFERS)
        )
        try:
            while filling:
                taken = filling.popleft()
                yield taken.finished()
                filling.extend(fill(taken.pixels, indices) for indices in islice(parts, 1))
        finally:
            # Whoever stops early (an error, ^C) must not wait for images that nobody wants.
            pool.shutdown(wait=False, cancel_futures=True)


def _empty_batch(model: ClipModel, size: int) -> torch.Tensor:
    return torch.empty(
        (size, 3, *model.record.image_size), pin_memory=model.device.startswith("cuda")
    )


def _writer(
    preprocess: Callable[[Image.Image], torch.Tensor],
) -> Callable[[Image.Image, FloatArray], None]:
    """Return what preprocesses an image into a row of a batch."""
    if isinstance(preprocess, Preprocessing):
        return preprocess.write

    def write(image: Image.Image, row: FloatArray) -> None:
        row[...] = preprocess(image).numpy()

    return write
