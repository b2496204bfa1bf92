"""Image tower: a data set -> one unit embedding per readable image, in one pass."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing

import numpy as np
import torch

from clipeval.cores import usable_cores
from clipeval.datasets import ImageDataset
from clipeval.encode.backing_off import BackingOff
from clipeval.encode.decoding import DecodedImage, decode_images
from clipeval.errors import DatasetError, EncodingError
from clipeval.models import ClipModel
from clipeval.progress import Advance, Progress, SilentProgress
from clipeval.records import ImageEmbeddings, ImageFailure, OnError
from clipeval.records.results import FloatArray

MAX_WORKERS = 8
MAX_LISTED = 100
MAX_NAMED = 10
IMAGES_A_PART = 4096
"""Encoded images that an interrupted run loses at most."""


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
    Returns:
        Unit rows in sample order, and the images that could not be read.
    Raises:
        DatasetError: images failed and on_error is `fail`, or no image of the whole data set is left.
        EncodingError: an embedding is not finite, or one image does not fit in memory.
    """
    started = time.perf_counter()
    chosen = range(len(dataset.samples)) if indices is None else indices
    workers = n_workers or default_workers()
    failures: list[ImageFailure] = []
    rows = _Rows(model, dataset, remember)
    tower = BackingOff(model, model.encode_image, batch_size, unit="images")
    watcher = progress or SilentProgress()
    label = f"{dataset.key} x {model.record.id}"
    with (
        closing(
            decode_images(
                dataset,
                chosen,
                model.preprocess,
                n_workers=workers,
                n_ahead=batch_size + 2 * workers,
            )
        ) as decoded,
        watcher.stage(label, total=len(chosen), unit="images") as advance,
    ):
        for batch in _batches(decoded, batch_size, failures, advance):
            if failures and on_error == "fail":
                continue  # the run is lost: go on decoding only, to name every bad image
            rows.add(batch, tower.encode(torch.stack([image.pixels for image in batch])))
    _check_failures(
        dataset, failures, n_left=len(dataset.samples) - len(failures), on_error=on_error
    )
    rows.finish()
    return ImageEmbeddings(
        embeddings=rows.embeddings,
        indices=np.asarray(rows.indices, dtype=np.int64),
        contents=tuple(rows.contents),
        failures=tuple(failures),
        encode_s=time.perf_counter() - started,
        n_encoded=len(rows.indices),
        notices=tower.notices,
    )


class _Rows:
    """Embeddings as they come, checked and handed on part by part."""

    def __init__(self, model: ClipModel, dataset: ImageDataset, remember: Remember | None) -> None:
        self._model, self._dataset, self._remember = model, dataset, remember
        self._parts: list[FloatArray] = []
        self._blocks: list[FloatArray] = []
        """Of the part that is being filled."""
        self._n_handed_on = 0
        self.indices: list[int] = []
        self.contents: list[str] = []

    @property
    def embeddings(self) -> FloatArray:
        """(N, D) all rows so far."""
        nothing = np.empty((0, self._model.record.embed_dim), dtype=np.float32)
        return np.concatenate([nothing, *self._parts, *self._blocks])

    def add(self, batch: Sequence[DecodedImage], embeddings: torch.Tensor) -> None:
        self._blocks.append(embeddings.numpy())
        self.indices.extend(image.index for image in batch)
        self.contents.extend(image.content_sha256 for image in batch)
        if len(self.indices) - self._n_handed_on >= IMAGES_A_PART:
            self.finish()

    def finish(self) -> None:
        """Check what was added since the last time, and hand it on.

        Raises:
            EncodingError: an embedding is not finite.
        """
        if self._n_handed_on == len(self.indices):
            return
        part, start = np.concatenate(self._blocks), self._n_handed_on
        self._parts.append(part)
        self._blocks = []
        names = [self._dataset.samples[index].sample_id for index in self.indices[start:]]
        _check_finite(part, names, self._model)
        if self._remember is not None:
            self._remember(self.contents[start:], part)
        self._n_handed_on = len(self.indices)


def _batches(
    decoded: Iterable[DecodedImage | ImageFailure],
    batch_size: int,
    failures: list[ImageFailure],
    advance: Advance,
) -> Iterator[list[DecodedImage]]:
    """Group decoded images; put failures aside; report both as done."""
    batch: list[DecodedImage] = []
    for outcome in decoded:
        if isinstance(outcome, ImageFailure):
            failures.append(outcome)
            advance(1)
            continue
        batch.append(outcome)
        if len(batch) == batch_size:
            yield batch
            advance(len(batch))
            batch = []
    if batch:
        yield batch
        advance(len(batch))


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
