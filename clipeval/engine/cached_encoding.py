"""Embeddings by content: what the cache has is read, the rest is encoded and remembered."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace

import numpy as np

from clipeval.cores import usable_cores
from clipeval.datasets import ImageDataset, ImageReadError
from clipeval.engine.backend_choice import ChosenBackend
from clipeval.engine.model_slot import ModelHandle
from clipeval.engine.spaces import image_space, prompt_space, token_space
from clipeval.progress import Progress
from clipeval.prompts import ClassPrompts
from clipeval.records import ImageEmbeddings, ImageFailure, Notice, OnError, PromptEmbeddings
from clipeval.records.results import FloatArray
from clipeval.store import CachedRows, EmbeddingCache

MAX_TRIED = 64
"""So many images that are not cached are tried without the model: if none can be read, it is not needed."""
HASHED_AT_ONCE = 32
"""Images that a thread hashes in one go."""
_TOKENS_WIDTH = 32
"""Numbers that stand for the tokens of a prompt: the bytes of their SHA-256."""


@dataclass(frozen=True, slots=True)
class CachedEncoding:
    """Encodes for the engine, through a cache if there is one."""

    cache: EmbeddingCache | None
    batch_size: int
    progress: Progress

    def images(
        self,
        model: ModelHandle,
        dataset: ImageDataset,
        chosen: ChosenBackend,
        *,
        on_error: OnError,
        only: Sequence[int] | None = None,
    ) -> ImageEmbeddings:
        """Return the embeddings of a data set.

        Args:
            model: whose image tower it is.
            dataset: the images.
            chosen: what runs the tower.
            on_error: see clipeval.encode.encode_images.
            only: which of its samples, ascending; all if None.
        Raises:
            DatasetError, EncodingError, ModelError: see clipeval.encode.encode_images; what was encoded
                before stays cached.
        """
        started = time.perf_counter()
        wanted: Sequence[int] = range(len(dataset.samples)) if only is None else only
        cached = self._cached_images(model, dataset, chosen, wanted)
        failures: tuple[ImageFailure, ...] = ()
        missing = _others(cached, wanted)
        if len(cached.indices) and on_error == "skip" and not model.is_loaded:
            failures = _unreadable(dataset, missing)
            gone = {failure.sample_id for failure in failures}
            missing = [i for i in missing if dataset.samples[i].sample_id not in gone]
        read_s = time.perf_counter() - started
        images = replace(cached, failures=failures)
        if missing:
            images = _merged(images, self._encode(model, dataset, chosen, missing, on_error))
        return replace(
            images,
            backend=chosen.name,
            build_s=images.build_s + chosen.measured_s,
            read_s=read_s,
            notices=(*chosen.notices, *images.notices, *self._new_notices()),
        )

    def were_checked(self, model: ModelHandle, prompts: ClassPrompts) -> bool:
        """Say whether a tokenizer is known to take the prompts whole, and to tell the classes apart.

        If not, nothing is known: that two classes have the same tokens is left to the tokenizer to say.
        """
        if self.cache is None:
            return False
        distinct = tuple(dict.fromkeys(prompts.flat))
        space = token_space(model.description)
        rows = self.cache.read(space, _text_digests(distinct), width=_TOKENS_WIDTH)
        if not rows.found.all():
            return False
        tokens = dict(zip(distinct, map(bytes, rows.embeddings.astype(np.uint8)), strict=True))
        classes = {frozenset(tokens[prompt] for prompt in one) for one in prompts.prompts}
        return len(classes) == len(prompts.prompts)

    def remember_tokens(self, model: ModelHandle, token_ids: Mapping[str, Sequence[int]]) -> None:
        """Keep what a tokenizer made of prompts that it was found to take whole."""
        if self.cache is None:
            return
        joined = b"".join(_ids_digest(ids) for ids in token_ids.values())
        tokens = np.frombuffer(joined, dtype=np.uint8).reshape(-1, _TOKENS_WIDTH)
        self.cache.write(
            token_space(model.description),
            _text_digests(tuple(token_ids)),
            tokens.astype(np.float32),
        )

    def prompts(self, model: ModelHandle, prompts: Sequence[str]) -> PromptEmbeddings:
        """Return the embeddings of prompts that the tokenizer was found to take whole.

        Raises:
            EncodingError, ModelError: see clipeval.encode.PromptEncoder.
        """
        distinct = tuple(dict.fromkeys(prompts))
        started = time.perf_counter()
        rows = self._cached_prompts(model, distinct)
        missing = np.flatnonzero(~rows.found).tolist()
        found = PromptEmbeddings(rows.embeddings, read_s=time.perf_counter() - started)
        if missing:
            encoded = self._encode_prompts(model, [distinct[i] for i in missing])
            rows.embeddings[missing] = encoded.embeddings
            found = replace(encoded, embeddings=rows.embeddings, read_s=found.read_s)
        position = {prompt: i for i, prompt in enumerate(distinct)}
        return replace(
            found,
            embeddings=rows.embeddings[[position[prompt] for prompt in prompts]],
            notices=(*found.notices, *self._new_notices()),
        )

    def _cached_images(
        self,
        model: ModelHandle,
        dataset: ImageDataset,
        chosen: ChosenBackend,
        wanted: Sequence[int],
    ) -> ImageEmbeddings:
        """Read what is there. The images are hashed only if that may save encoding them."""
        n_images, width = len(wanted), model.description.record.embed_dim
        space = image_space(model.description, chosen.precision, chosen.name)
        embeddings = np.zeros((n_images, width), dtype=np.float32)
        found = np.zeros(n_images, dtype=np.bool_)
        contents: tuple[str | None, ...] = (None,) * n_images
        if self.cache is not None and self.cache.has_space(space):
            contents = _hash_contents(dataset, wanted, self.progress)
            readable = np.flatnonzero([content is not None for content in contents])
            asked = [content for content in contents if content is not None]
            rows = self.cache.read(space, asked, width=width)
            embeddings[readable], found[readable] = rows.embeddings, rows.found
        rows_found = np.flatnonzero(found)
        return ImageEmbeddings(
            embeddings=embeddings if len(rows_found) == n_images else embeddings[rows_found],
            indices=np.asarray(wanted, dtype=np.int64)[rows_found],
            contents=tuple(contents[i] or "" for i in rows_found.tolist()),
            encode_s=0.0,
            n_encoded=0,
        )

    def _cached_prompts(self, model: ModelHandle, prompts: Sequence[str]) -> CachedRows:
        width = model.description.record.embed_dim
        if self.cache is None:
            nothing = np.zeros((len(prompts), width), dtype=np.float32)
            return CachedRows(nothing, np.zeros(len(prompts), dtype=np.bool_))
        space = prompt_space(model.description, model.precision)
        return self.cache.read(space, _text_digests(prompts), width=width)

    def _encode_prompts(self, model: ModelHandle, prompts: Sequence[str]) -> PromptEmbeddings:
        encoder = model.encoder()  # loading is timed by itself
        started = time.perf_counter()
        encoded = encoder.encode_prompts(prompts, progress=self.progress)
        encode_s = time.perf_counter() - started
        if self.cache is not None:
            space = prompt_space(model.description, model.precision)
            self.cache.write(space, _text_digests(prompts), encoded.embeddings)
        return replace(encoded, encode_s=encode_s, n_encoded=len(prompts))

    def _encode(
        self,
        model: ModelHandle,
        dataset: ImageDataset,
        chosen: ChosenBackend,
        indices: Sequence[int],
        on_error: OnError,
    ) -> ImageEmbeddings:
        encoder = model.encoder()
        # Asked for here: what was remembered of the model has now been found to be true.
        space = image_space(model.description, chosen.precision, chosen.name)

        def remember(contents: Sequence[str], embeddings: FloatArray) -> None:
            if self.cache is not None:
                self.cache.write(space, contents, embeddings)

        return encoder.encode_images(
            dataset,
            indices,
            batch_size=self.batch_size,
            on_error=on_error,
            progress=self.progress,
            remember=remember,
            backend=chosen.name,
            precision=chosen.precision,
        )

    def _new_notices(self) -> tuple[Notice, ...]:
        return self.cache.take_notices() if self.cache is not None else ()


def contents_sha256(contents: Sequence[str]) -> str:
    """Hash the hashes of images, in order."""
    return hashlib.sha256(bytes.fromhex("".join(contents))).hexdigest()


def _others(cached: ImageEmbeddings, wanted: Sequence[int]) -> list[int]:
    is_there = np.isin(np.asarray(wanted, dtype=np.int64), cached.indices)
    return [wanted[i] for i in np.flatnonzero(~is_there).tolist()]


def _unreadable(dataset: ImageDataset, missing: Sequence[int]) -> tuple[ImageFailure, ...]:
    """Return those of a few images that cannot be read: they will never be cached."""
    failures: list[ImageFailure] = []
    for index in missing if len(missing) <= MAX_TRIED else ():
        try:
            dataset.read(index)
        except ImageReadError as error:
            sample = dataset.samples[index]
            failures.append(ImageFailure(sample.sample_id, sample.path, str(error)))
    return tuple(failures)


def _merged(cached: ImageEmbeddings, encoded: ImageEmbeddings) -> ImageEmbeddings:
    """Put what was read and what was encoded into the order of the data set."""
    if not len(cached.indices):
        return encoded
    indices = np.concatenate([cached.indices, encoded.indices])
    order = np.argsort(indices)
    contents = (*cached.contents, *encoded.contents)
    return replace(
        encoded,
        embeddings=np.concatenate([cached.embeddings, encoded.embeddings])[order],
        indices=indices[order],
        contents=tuple(contents[i] for i in order.tolist()),
        failures=(*cached.failures, *encoded.failures),
    )


def _text_digests(prompts: Sequence[str]) -> tuple[str, ...]:
    return tuple(
        hashlib.sha256(prompt.encode("utf-8", "surrogatepass")).hexdigest() for prompt in prompts
    )


def _ids_digest(token_ids: Sequence[int]) -> bytes:
    return hashlib.sha256(" ".join(map(str, token_ids)).encode("ascii")).digest()


def _hash_contents(
    dataset: ImageDataset, wanted: Sequence[int], progress: Progress
) -> tuple[str | None, ...]:
    """Hash images of a data set; None for those that cannot be read."""
    contents: list[str | None] = []
    n_images = len(wanted)

    def hashed(start: int) -> list[str | None]:
        return [
            _content_if_readable(dataset, index) for index in wanted[start : start + HASHED_AT_ONCE]
        ]

    with (
        ThreadPoolExecutor(usable_cores(), thread_name_prefix="clipeval-hash") as pool,
        progress.stage(f"hashing {dataset.key}", total=n_images, unit="images") as advance,
    ):
        try:
            for part in pool.map(hashed, range(0, n_images, HASHED_AT_ONCE)):
                contents += part
                advance(len(part))
        finally:
            # Also on Ctrl-C: leaving the pool's block would wait for every image to be hashed.
            pool.shutdown(wait=False, cancel_futures=True)
    return tuple(contents)


def _content_if_readable(dataset: ImageDataset, index: int) -> str | None:
    try:
        return dataset.content_sha256(index)
    except ImageReadError:
        return None
