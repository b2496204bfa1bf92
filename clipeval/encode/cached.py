"""Image embeddings by content: the same images through the same model are read from disk."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from importlib.metadata import version

import numpy as np
import open_clip
import PIL
import torch
import torchvision

from clipeval.datasets import ImageDataset, ImageReadError
from clipeval.encode.images import ImageEmbeddings, default_workers, encode_images
from clipeval.models import ClipModel
from clipeval.progress import Progress, SilentProgress
from clipeval.records import Notice, OnError
from clipeval.store import EmbeddingCache, cache_key

# Raised whenever decoding, preprocessing or encoding changes what comes out for the same input.
ENCODING_VERSION = "2"


@dataclass(frozen=True, slots=True)
class CachedEmbeddings:
    """Embeddings, and whether they were read rather than computed."""

    images: ImageEmbeddings
    is_from_cache: bool
    notices: tuple[Notice, ...] = ()
    """What the cache had to say on the way, such as an entry that was corrupt."""


def encode_images_cached(
    model: ClipModel,
    dataset: ImageDataset,
    cache: EmbeddingCache | None,
    *,
    batch_size: int,
    on_error: OnError,
    progress: Progress | None = None,
) -> CachedEmbeddings:
    """Return a data set's embeddings from the cache, or encode and remember them.

    Only data sets that were read whole are remembered: with failures there is nothing to hash.

    Raises:
        DatasetError, EncodingError: as encode_images.
    """
    watcher = progress or SilentProgress()
    n_notices = len(cache.notices) if cache is not None else 0
    hashed = _hash_contents(dataset, watcher) if cache is not None else None
    started = time.perf_counter()
    if cache is not None and hashed is not None:
        stored = cache.get(_image_key(model, hashed))
        if stored is not None and stored.shape == (len(dataset.samples), model.record.embed_dim):
            images = ImageEmbeddings(
                embeddings=stored,
                indices=np.arange(len(dataset.samples), dtype=np.int64),
                contents=hashed,
                encode_s=time.perf_counter() - started,
            )
            return CachedEmbeddings(images, is_from_cache=True)
    encoded = encode_images(
        model, dataset, batch_size=batch_size, on_error=on_error, progress=watcher
    )
    if cache is not None and not encoded.failures:
        # By what was encoded, which is not what was hashed if a file was changed in between.
        cache.put(_image_key(model, encoded.contents), encoded.embeddings)
    notices = tuple(cache.notices[n_notices:]) if cache is not None else ()
    return CachedEmbeddings(encoded, is_from_cache=False, notices=notices)


def _hash_contents(dataset: ImageDataset, progress: Progress) -> tuple[str, ...] | None:
    """Hash every image of a data set; None if one cannot be read."""
    contents: list[str] = []
    n_images = len(dataset.samples)
    with (
        ThreadPoolExecutor(default_workers(), thread_name_prefix="clipeval-hash") as pool,
        progress.stage(f"hashing {dataset.key}", total=n_images, unit="images") as advance,
    ):
        try:
            for digest in pool.map(dataset.content_sha256, range(n_images)):
                contents.append(digest)
                advance(1)
        except ImageReadError:
            return None
        finally:
            # Also on Ctrl-C: leaving the pool's block would wait for every image to be hashed.
            pool.shutdown(wait=False, cancel_futures=True)
    return tuple(contents)


def contents_sha256(contents: Sequence[str]) -> str:
    """Hash the hashes of images, in order."""
    return hashlib.sha256(bytes.fromhex("".join(contents))).hexdigest()


def _image_key(model: ClipModel, contents: Sequence[str]) -> str:
    """Hash everything that the embeddings depend on."""
    return cache_key(
        kind="images",
        encoding=ENCODING_VERSION,
        open_clip=open_clip.__version__,
        torch=torch.__version__,
        torchvision=torchvision.__version__,
        timm=version("timm"),
        pillow=PIL.__version__,
        weights=model.record.weights_sha256,
        config=model.record.config_sha256,
        preprocessing=model.record.preprocessing_sha256,
        device=model.device,
        precision=model.precision,
        contents=contents_sha256(contents),
    )
