"""Image tower: a data set -> one unit embedding per readable image, in one pass."""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import AbstractContextManager, closing, contextmanager, nullcontext, suppress

import numpy as np
import torch

from clipeval.cores import usable_cores
from clipeval.datasets import ImageDataset, decoded_scaled
from clipeval.encode.backends import EagerTower, ImageTower
from clipeval.encode.backing_off import BackingOff
from clipeval.encode.decoding import DecodedBatch, decode_batches
from clipeval.encode.gpu_decoding import decode_batches_on_gpu
from clipeval.encode.intra_op import spread_over_cores
from clipeval.encode.uploading import upload
from clipeval.errors import ClipEvalError, DatasetError, EncodingError
from clipeval.models import ClipModel
from clipeval.progress import Progress, SilentProgress
from clipeval.records import ImageEmbeddings, ImageFailure, Notice, OnError
from clipeval.records.results import FloatArray

MAX_WORKERS = 8
"""Threads that decode. More get in each other's way: on 16 cores, 8 decoded 944 photos a second, 16 only 839
(docs/benchmarks.md)."""
MAX_LISTED = 100
MAX_NAMED = 10
FAST_DECODE_GAP = 2
"""`decode: fast` leaves a picture at least so many times as large as the model's input, so that most of the
shrinking is still the model's own. Source: `reducing_gap` of Pillow's Image.thumbnail."""
IMAGES_A_PART, SECONDS_A_PART = 4096, 60.0
"""Whichever comes first ends a part: what a run that is killed loses at most."""


Remember = Callable[[Sequence[str], FloatArray], None]
"""Takes SHA-256 of contents and (N, D) embeddings."""


def default_workers() -> int:
    """Return the number of decoding threads: one a core that this process may use, at most 8."""
    return min(MAX_WORKERS, usable_cores())


def encode_images(
    model: ClipModel,
    dataset: ImageDataset,
    indices: Sequence[int] | None = None,
    *,
    batch_size: int,
    on_error: OnError = "fail",
    n_workers: int | None = None,
    progress: Progress | None = None,
    remember: Remember | None = None,
    image_tower: ImageTower | None = None,
) -> ImageEmbeddings:
    """Encode images of a data set once.

    Args:
        model: its preprocessing and image tower are used as they are.
        dataset: the labelled images.
        indices: which of them, ascending; all if None.
        batch_size: images a forward pass; halved, and said, when memory does not suffice.
        on_error: `fail` reads the rest to find every bad image, then raises; `skip` leaves them out.
        n_workers: decoding threads; default_workers() if None.
        progress: told of every image done.
        remember: given what is encoded part by part, so that a run that is interrupted loses little.
        image_tower: what runs the image tower; torch eager if None.
    Returns:
        Unit rows in sample order, and the images that could not be read.
    Raises:
        DatasetError: images failed and on_error is `fail`, or no image of the whole data set is left.
        EncodingError: an embedding is not finite, or one image does not fit in memory.
    """
    started = time.perf_counter()
    chosen = range(len(dataset.samples)) if indices is None else indices
    failures: list[ImageFailure] = []
    n_on_cpu = 0
    rows = _Rows(model, dataset, remember)
    watcher = progress or SilentProgress()
    label = f"{dataset.key} x {model.record.id}"
    with (
        closing(_batches(model, dataset, chosen, batch_size, n_workers)) as batches,
        _running(model, image_tower) as run,
        watcher.stage(label, total=len(chosen), unit="images") as advance,
    ):
        tower = BackingOff(model, run, batch_size, unit="images")
        with rows.kept():
            for batch in batches:
                failures.extend(batch.failures)
                n_on_cpu += batch.n_on_cpu
                # With failures the run may be lost: then go on decoding only, to name every bad image.
                if batch.indices and (on_error == "skip" or not failures):
                    rows.add(batch, tower.encode(batch.pixels))
                advance(batch.n_read)
    _check_failures(
        dataset, failures, n_left=len(dataset.samples) - len(failures), on_error=on_error
    )
    return ImageEmbeddings(
        embeddings=rows.embeddings,
        indices=np.asarray(rows.indices, dtype=np.int64),
        contents=tuple(rows.contents),
        failures=tuple(failures),
        encode_s=time.perf_counter() - started,
        n_encoded=len(rows.indices),
        notices=(*tower.notices, *_on_cpu_notices(dataset, n_on_cpu, len(chosen))),
    )


def _batches(
    model: ClipModel,
    dataset: ImageDataset,
    chosen: Sequence[int],
    batch_size: int,
    n_workers: int | None,
) -> Generator[DecodedBatch]:
    """Decode as the model's spec says, and have the pixels on their way to its device."""
    workers = n_workers or default_workers()
    if model.spec.decode == "gpu":
        yield from decode_batches_on_gpu(
            model, dataset, chosen, batch_size=batch_size, n_workers=workers
        )
        return
    if model.spec.decode == "fast":
        at_least_px = FAST_DECODE_GAP * max(model.record.image_size)
        dataset = decoded_scaled(dataset, at_least_px=at_least_px)
    decoded = decode_batches(model, dataset, chosen, batch_size=batch_size, n_workers=workers)
    with closing(decoded), closing(upload(decoded, model.device)) as batches:
        yield from batches


def _on_cpu_notices(dataset: ImageDataset, n_on_cpu: int, n_images: int) -> tuple[Notice, ...]:
    if not n_on_cpu:
        return ()
    message = (
        f"data set '{dataset.key}': decode 'gpu' left {n_on_cpu} of {n_images} images to the CPU: they "
        "are no plain JPEGs (three colour channels, upright, complete)"
    )
    return (Notice("decoded-on-cpu", message),)


def _running(
    model: ClipModel, image_tower: ImageTower | None
) -> AbstractContextManager[Callable[[torch.Tensor], torch.Tensor]]:
    """Return what runs the tower; other backends than torch eager spread their work themselves."""
    if image_tower is None or isinstance(image_tower, EagerTower):
        return spread_over_cores(model)
    return nullcontext(image_tower.encode)


class _Rows:
    """Embeddings as they come, checked and handed on part by part."""

    def __init__(self, model: ClipModel, dataset: ImageDataset, remember: Remember | None) -> None:
        self._model, self._dataset, self._remember = model, dataset, remember
        self._parts: list[FloatArray] = []
        self._blocks: list[FloatArray] = []
        """Of the part that is being filled."""
        self._n_handed_on = 0
        self._began_s = time.monotonic()
        """Beginning of the part."""
        self.indices: list[int] = []
        self.contents: list[str] = []

    @property
    def embeddings(self) -> FloatArray:
        """(N, D) all rows so far."""
        nothing = np.empty((0, self._model.record.embed_dim), dtype=np.float32)
        return np.concatenate([nothing, *self._parts, *self._blocks])

    def add(self, batch: DecodedBatch, embeddings: torch.Tensor) -> None:
        self._blocks.append(embeddings.numpy())
        self.indices.extend(batch.indices)
        self.contents.extend(batch.contents)
        is_full = len(self.indices) - self._n_handed_on >= IMAGES_A_PART
        if is_full or time.monotonic() - self._began_s >= SECONDS_A_PART:
            self.finish()

    @contextmanager
    def kept(self) -> Iterator[None]:
        """Hand on what was added in the block, however it ends: it need not be encoded again.

        Raises:
            EncodingError: an embedding is not finite, and nothing else went wrong.
        """
        try:
            yield
        except BaseException:  # also ^C
            with suppress(ClipEvalError):  # what ended the block is what is told
                self.finish()
            raise
        self.finish()

    def finish(self) -> None:
        """Check what was added since the last time, and hand it on.

        Raises:
            EncodingError: an embedding is not finite.
        """
        if not self._blocks:
            return
        part, start = np.concatenate(self._blocks), self._n_handed_on
        self._parts.append(part)
        self._blocks = []
        names = [self._dataset.samples[index].sample_id for index in self.indices[start:]]
        _check_finite(part, names, self._model)
        if self._remember is not None:
            self._remember(self.contents[start:], part)
        self._n_handed_on, self._began_s = len(self.indices), time.monotonic()


def _check_failures(
    dataset: ImageDataset, failures: Sequence[ImageFailure], *, n_left: int, on_error: OnError
) -> None:
    if not failures or (on_error == "skip" and n_left):
        return
    listed = [f"  {f.path or f.sample_id}: {f.cause}" for f in failures[:MAX_LISTED]]
    if len(failures) > MAX_LISTED:
        listed.append(f"  ... and {len(failures) - MAX_LISTED} more")
    advice = (
        "mend or remove them, or set `on_error: skip` to leave them out (they are counted)"
        if len(failures) < len(dataset.samples)
        else "no image is left to score"
    )
    raise DatasetError(
        f"data set '{dataset.key}': {len(failures)} of {len(dataset.samples)} images cannot be "
        f"read; {advice}:\n" + "\n".join(listed)
    )


def _check_finite(embeddings: FloatArray, sample_ids: Sequence[str], model: ClipModel) -> None:
    bad = np.flatnonzero(~np.isfinite(embeddings).all(axis=1))
    if bad.size:
        names = ", ".join(sample_ids[i] for i in bad[:MAX_NAMED])
        names += ", ..." if bad.size > MAX_NAMED else ""
        raise EncodingError(
            f"model '{model.record.id}' at {model.precision} gives non-finite embeddings for "
            f"{bad.size} of {len(sample_ids)} images: {names}; try --precision fp32, or check the weights"
        )
