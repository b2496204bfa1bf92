"""Read and preprocess images in worker threads, in order, a bounded number ahead of the model.

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
from clipeval.records import ImageFailure


@dataclass(frozen=True, slots=True)
class DecodedImage:
    """One preprocessed image, with its place in the data set."""

    index: int
    pixels: torch.Tensor
    """(3, H, W) float32, as the model's own preprocessing leaves it."""
    content_sha256: str
    """Of what the image was read from."""


def decode_images(
    dataset: ImageDataset,
    chosen: Sequence[int],
    preprocess: Callable[[Image.Image], torch.Tensor],
    *,
    n_workers: int,
    n_ahead: int,
) -> Generator[DecodedImage | ImageFailure]:
    """Yield samples of a data set in order: their pixels, or why they have none.

    Close it to stop early: an error's traceback would keep it, and its threads, alive.

    Args:
        dataset: where the images come from.
        chosen: which of its samples.
        preprocess: RGB image -> (3, H, W) float32.
        n_workers: threads that decode.
        n_ahead: images decoded or being decoded that nobody has taken yet, at most.
    """

    def decode(index: int) -> DecodedImage | ImageFailure:
        sample = dataset.samples[index]
        try:
            loaded = dataset.load(index)
            return DecodedImage(index, preprocess(loaded.image), loaded.content_sha256)
        except ImageReadError as error:
            return ImageFailure(sample.sample_id, sample.path, str(error))

    with ThreadPoolExecutor(n_workers, thread_name_prefix="clipeval-decode") as pool:
        indices = iter(chosen)
        pending: deque[Future[DecodedImage | ImageFailure]] = deque(
            pool.submit(decode, index) for index in islice(indices, n_ahead)
        )
        try:
            while pending:
                yield pending.popleft().result()
                pending.extend(pool.submit(decode, index) for index in islice(indices, 1))
        finally:
            # Whoever stops early (an error, ^C) must not wait for images that nobody wants.
            pool.shutdown(wait=False, cancel_futures=True)
