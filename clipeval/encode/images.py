"""Image tower: a data set -> one unit embedding per readable image, in one pass."""

from __future__ import annotations

import os
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass

import numpy as np
import torch

from clipeval.datasets import ImageDataset
from clipeval.encode.backing_off import BackingOff
from clipeval.encode.decoding import DecodedImage, decode_images
from clipeval.errors import DatasetError, EncodingError
from clipeval.models import ClipModel
from clipeval.progress import Advance, Progress, SilentProgress
from clipeval.records import ImageFailure, Notice, OnError
from clipeval.records.results import FloatArray, IntArray

MAX_WORKERS = 8
MAX_LISTED = 100
MAX_NAMED = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageEmbeddings:
    """What the image tower says of a data set; n_samples = len(indices) + len(failures)."""

    embeddings: FloatArray
    """(N, D) float32, unit rows."""
    indices: IntArray
    """(N,) positions in the data set's samples, ascending."""
    contents: tuple[str, ...]
    """(N) SHA-256 of what each image was read from."""
    failures: tuple[ImageFailure, ...] = ()
    encode_s: float
    """Wall seconds for decoding, preprocessing and encoding."""
    notices: tuple[Notice, ...] = ()


def default_workers() -> int:
    """Return the number of decoding threads: one a core that this process may use, at most 8."""
    usable = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return max(1, min(MAX_WORKERS, usable or 1))


def encode_images(
    model: ClipModel,
    dataset: ImageDataset,
    *,
    batch_size: int,
    on_error: OnError = "fail",
    n_workers: int | None = None,
    progress: Progress | None = None,
) -> ImageEmbeddings:
    """Encode every image of a data set once.

    Args:
        model: its preprocessing and image tower are used as they are.
        dataset: the labelled images.
        batch_size: images a forward pass; halved, and said, when memory does not suffice.
        on_error: `fail` reads the rest to find every bad image, then raises; `skip` leaves them out.
        n_workers: decoding threads; default_workers() if None.
        progress: told of every image done.
    Returns:
        Unit rows in sample order, and the images that could not be read.
    Raises:
        DatasetError: images failed and on_error is `fail`, or no image is left.
        EncodingError: an embedding is not finite, or one image does not fit in memory.
    """
    started = time.perf_counter()
    workers = n_workers or default_workers()
    failures: list[ImageFailure] = []
    indices: list[int] = []
    contents: list[str] = []
    rows: list[torch.Tensor] = []
    tower = BackingOff(model, model.encode_image, batch_size, unit="images")
    watcher = progress or SilentProgress()
    label = f"{dataset.key} x {model.record.id}"
    with (
        closing(
            decode_images(
                dataset, model.preprocess, n_workers=workers, n_ahead=batch_size + 2 * workers
            )
        ) as decoded,
        watcher.stage(label, total=len(dataset.samples), unit="images") as advance,
    ):
        for batch in _batches(decoded, batch_size, failures, advance):
            if failures and on_error == "fail":
                continue  # the run is lost: go on decoding only, to name every bad image
            rows.append(tower.encode(torch.stack([image.pixels for image in batch])))
            indices.extend(image.index for image in batch)
            contents.extend(image.content_sha256 for image in batch)
    _check_failures(dataset, failures, n_encoded=len(indices), on_error=on_error)
    embeddings = torch.cat(rows).numpy()
    _check_finite(embeddings, [dataset.samples[index].sample_id for index in indices], model)
    return ImageEmbeddings(
        embeddings=embeddings,
        indices=np.asarray(indices, dtype=np.int64),
        contents=tuple(contents),
        failures=tuple(failures),
        encode_s=time.perf_counter() - started,
        notices=tower.notices,
    )


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
    dataset: ImageDataset, failures: Sequence[ImageFailure], *, n_encoded: int, on_error: OnError
) -> None:
    if not failures or (on_error == "skip" and n_encoded):
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
