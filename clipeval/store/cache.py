"""Embeddings on disk, by the hash of what was embedded and of all that decides how.

A *space* stands for everything that an embedding depends on beside the image or the prompt: weights, config,
preprocessing or tokenizer, precision, device, versions. It is a folder of packs, files that are written once
and never changed, so that any number of processes may read and write without locks: what one of them misses
because another has just moved it is looked for again, or computed again.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import numpy.typing as npt
import platformdirs

from clipeval.errors import StoreError
from clipeval.records import Notice
from clipeval.records.results import BoolArray, FloatArray, IntArray
from clipeval.store.atomic import TEMP_SUFFIX, write_bytes
from clipeval.store.packs import (
    SUFFIX,
    DamagedPackError,
    Pack,
    as_digests,
    count_entries,
    dump_pack,
    read_digests,
    read_pack,
)

ROOT_VARIABLE = "CLIPEVAL_CACHE"
DEFAULT_MAX_BYTES = 5_000_000_000
SPACE = re.compile(r"[0-9a-f]{64}")
STALE_S = 3600.0
"""A temporary file older than this is no longer being written: its process was killed."""
MAX_SMALL_PACKS = 16
"""More small packs in a space are merged into one: opening hundreds of files takes longer than reading."""
SMALL_BYTES = 16_000_000
_MAX_LISTINGS = 5
"""How often a space is listed again for one reading, because packs were merged meanwhile."""
_HEAD = np.dtype(np.uint64)
_UNWRITABLE = "cache-not-writable"


@dataclass(frozen=True, slots=True)
class CacheEntry:
    """One pack of the cache."""

    path: Path
    size_bytes: int
    used_ns: int
    """When it was last read or written, nanoseconds since 1970."""


@dataclass(frozen=True, slots=True, eq=False)
class CachedRows:
    """What a space has of the embeddings that were asked for."""

    embeddings: FloatArray
    """(N, D) float32; rows that were not found are zero."""
    found: BoolArray
    """(N,)"""


@dataclass(slots=True)
class EmbeddingCache:
    """Embeddings by space and digest, shared by any number of processes.

    A pack is checked against its SHA-256 whenever it is read. One that does not match is deleted, never
    used. The cache is a convenience: what goes wrong with it becomes a notice, not an error.
    """

    root: Path
    max_bytes: int = DEFAULT_MAX_BYTES
    """What has not been used for longest is deleted beyond this."""
    notices: list[Notice] = field(default_factory=list)
    """What went wrong so far."""
    _n_taken: int = field(default=0, init=False)

    def take_notices(self) -> tuple[Notice, ...]:
        """Return what went wrong since the last time that somebody asked."""
        new = tuple(self.notices[self._n_taken :])
        self._n_taken = len(self.notices)
        return new

    def has_space(self, space: str) -> bool:
        """Say whether anything is cached under a space: if not, nobody needs to compute digests."""
        return bool(self._packs(space))

    def read(self, space: str, digests: Sequence[str], *, width: int) -> CachedRows:
        """Return those embeddings that are there, and whole.

        Args:
            space: 64 lower-case hex digits, from cache_space.
            digests: (N) SHA-256 in hex of what was embedded; repeats allowed.
            width: D, numbers of an embedding.
        Raises:
            StoreError: the space has another form.
        """
        wanted = as_digests(digests)
        rows = CachedRows(
            np.zeros((len(wanted), width), dtype=np.float32), np.zeros(len(wanted), dtype=np.bool_)
        )
        seen: set[Path] = set()
        for _ in range(_MAX_LISTINGS):
            # Another process may have merged packs that were listed: then there is a new one.
            fresh = [file for file in self._packs(space) if file not in seen]
            if not fresh or rows.found.all():
                break
            seen.update(fresh)
            for file in fresh:
                self._take(file, space, wanted, rows)
                if rows.found.all():
                    break
        return rows

    def write(self, space: str, digests: Sequence[str], embeddings: FloatArray) -> None:
        """Store embeddings, then delete what has not been used for longest until all fit.

        Args:
            space: 64 lower-case hex digits, from cache_space.
            digests: (N) SHA-256 in hex of what was embedded; of repeats the first is stored.
            embeddings: (N, D) float32.
        Raises:
            StoreError: the space has another form, or the array is not (N, D) float32.
        """
        _check_embeddings(embeddings, len(digests))
        folder = self._folder(space)
        first = list({digest: i for i, digest in reversed(list(enumerate(digests)))}.values())
        if not first:
            return
        pack = Pack(as_digests([digests[i] for i in first]), embeddings[first])
        dumped = dump_pack(space, pack)
        if len(dumped.content) > self.max_bytes:
            self._say(
                "cache-entry-too-large",
                f"{self.root}: embeddings of {len(dumped.content):,} bytes were not cached; "
                f"the cache holds at most {self.max_bytes:,} bytes.",
            )
            return
        try:
            folder.mkdir(parents=True, exist_ok=True)
            written = folder / dumped.name
            write_bytes(written, dumped.content)
            self._evict(keep=self._merge_small(space) or written)
        except (OSError, StoreError) as error:
            self._say_unwritable(error)

    def entries(self) -> tuple[CacheEntry, ...]:
        """List the packs of all spaces, the one unused for longest first."""
        found: list[CacheEntry] = []
        for file in self.root.glob(f"[0-9a-f][0-9a-f]/*/*{SUFFIX}"):
            # Another process may have deleted it since it was listed.
            with contextlib.suppress(OSError):
                if SPACE.fullmatch(file.parent.name):
                    status = file.stat()
                    found.append(CacheEntry(file, status.st_size, status.st_mtime_ns))
        return tuple(sorted(found, key=lambda entry: (entry.used_ns, entry.path)))

    def size_bytes(self) -> int:
        """Add up the sizes of all packs."""
        return sum(entry.size_bytes for entry in self.entries())

    def count_entries(self) -> int:
        """Add up how many entries the packs say that they have."""
        n_entries = 0
        for entry in self.entries():
            with contextlib.suppress(DamagedPackError, OSError):
                n_entries += count_entries(entry.path)
        return n_entries

    def clear(self) -> int:
        """Delete every pack and nothing else; return the bytes freed.

        Raises:
            StoreError: a pack cannot be deleted.
        """
        freed = 0
        for entry in self.entries():
            try:
                entry.path.unlink(missing_ok=True)
            except OSError as error:
                raise StoreError(
                    f"cannot delete {entry.path}: {error.strerror or error}"
                ) from error
            freed += entry.size_bytes
        self._remove_stale(older_than_s=0.0)
        for folder in (*self.root.glob("[0-9a-f][0-9a-f]/*"), *self.root.glob("[0-9a-f][0-9a-f]")):
            with contextlib.suppress(OSError):  # not empty: somebody else's, or just written
                folder.rmdir()
        return freed

    def _take(
        self, file: Path, space: str, wanted: npt.NDArray[np.uint8], rows: CachedRows
    ) -> None:
        """Copy what is wanted, and not yet there, out of a pack."""
        missing = np.flatnonzero(~rows.found)
        try:
            digests = read_digests(file)
        except DamagedPackError as error:
            self._drop(file, error)
            return
        except OSError as error:
            self._say_unreadable(file, error)
            return
        if not (_positions(digests, wanted[missing]) >= 0).any():
            return
        pack = self._read(file, space)
        if pack is None:
            return
        if pack.embeddings.shape[1] != rows.embeddings.shape[1]:
            self._drop(file, f"they have {pack.embeddings.shape[1]} numbers each")
            return
        position = _positions(pack.digests, wanted[missing])
        hits = position >= 0
        rows.embeddings[missing[hits]] = pack.embeddings[position[hits]]
        rows.found[missing[hits]] = True
        with contextlib.suppress(OSError):
            os.utime(file)

    def _read(self, file: Path, space: str) -> Pack | None:
        """Read a pack that is whole. One that is damaged is deleted and said; one that is gone is gone."""
        try:
            return read_pack(file, space)
        except DamagedPackError as error:
            self._drop(file, error)
        except OSError as error:
            self._say_unreadable(file, error)
        return None

    def _drop(self, file: Path, why: object) -> None:
        done = "they were deleted, and are computed again"
        try:
            file.unlink(missing_ok=True)
        except OSError as error:
            done = f"they are computed again; the file stays ({error.strerror or error})"
        self._say(
            "cache-entry-corrupt", f"{file}: the cached embeddings cannot be used ({why}); {done}."
        )

    def _merge_small(self, space: str) -> Path | None:
        """Make one pack of many small ones; what was merged is deleted last.

        Returns:
            The pack that was made, if one was.
        """
        small = [entry for entry in self._sizes(space) if entry.size_bytes < SMALL_BYTES]
        # One that takes much of the room would later go as a whole.
        if len(small) <= MAX_SMALL_PACKS or sum(e.size_bytes for e in small) > self.max_bytes // 4:
            return None
        packs: dict[Path, Pack] = {}
        for entry in small:
            if (pack := self._read(entry.path, space)) is not None:
                packs[entry.path] = pack
        widths = {pack.embeddings.shape[1] for pack in packs.values()}
        if len(packs) <= 1 or len(widths) != 1:
            return None
        digests = np.concatenate([pack.digests for pack in packs.values()])
        _, first = np.unique(digests.view(f"V{digests.shape[1]}").ravel(), return_index=True)
        together = np.concatenate([pack.embeddings for pack in packs.values()])
        dumped = dump_pack(space, Pack(digests[first], together[first]))
        merged = self._folder(space) / dumped.name
        write_bytes(merged, dumped.content)
        for file in packs:
            if file != merged:
                with contextlib.suppress(OSError):
                    file.unlink(missing_ok=True)
        return merged

    def _sizes(self, space: str) -> list[CacheEntry]:
        found: list[CacheEntry] = []
        for file in self._packs(space):
            with contextlib.suppress(OSError):
                status = file.stat()
                found.append(CacheEntry(file, status.st_size, status.st_mtime_ns))
        return found

    def _evict(self, *, keep: Path) -> None:
        entries = self.entries()
        excess = sum(entry.size_bytes for entry in entries) - self.max_bytes
        for entry in entries:
            if excess <= 0:
                break
            if entry.path == keep:
                continue
            with contextlib.suppress(OSError):
                entry.path.unlink(missing_ok=True)
                excess -= entry.size_bytes
        self._remove_stale(older_than_s=STALE_S)

    def _remove_stale(self, *, older_than_s: float) -> None:
        for file in self._temporary_files():
            with contextlib.suppress(OSError):
                if time.time() - file.stat().st_mtime >= older_than_s:
                    file.unlink(missing_ok=True)

    def _temporary_files(self) -> Iterator[Path]:
        return self.root.glob(f"[0-9a-f][0-9a-f]/*/.*{TEMP_SUFFIX}")

    def _packs(self, space: str) -> list[Path]:
        return sorted(self._folder(space).glob(f"*{SUFFIX}"))

    def _folder(self, space: str) -> Path:
        if not SPACE.fullmatch(space):
            raise StoreError(
                f"cache: '{space}' is no space; expected 64 hex digits, of cache_space"
            )
        return self.root / space[:2] / space

    def _say_unreadable(self, file: Path, error: OSError) -> None:
        """Say that a file cannot be read now; that it is gone is the ordinary work of others."""
        if not isinstance(error, FileNotFoundError):
            self._say(
                "cache-not-readable",
                f"{file}: the cached embeddings cannot be read ({error.strerror or error}); "
                "they are computed again.",
            )

    def _say_unwritable(self, error: Exception) -> None:
        if any(notice.code == _UNWRITABLE for notice in self.notices):
            return  # of each pack again, and each time with another name
        self._say(
            _UNWRITABLE,
            f"{self.root}: embeddings were not cached ({error}); "
            f"set {ROOT_VARIABLE} to a folder that can be written to.",
        )

    def _say(self, code: str, message: str) -> None:
        self.notices.append(Notice(code, message))


def cache_space(**parts: str) -> str:
    """Hash named parts: the SHA-256, in hex, of their canonical JSON."""
    text = json.dumps(parts, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode("ascii")).hexdigest()


def default_cache_root() -> Path:
    """Return the folder of the cache: $CLIPEVAL_CACHE, or the place for caches on this system."""
    named = os.environ.get(ROOT_VARIABLE)
    if named:
        return Path(named).expanduser()
    return Path(platformdirs.user_cache_dir("clipeval", appauthor=False)) / "embeddings"


def default_cache() -> EmbeddingCache:
    """Return the cache of this user, of at most 5 GB."""
    return EmbeddingCache(default_cache_root())


def _positions(digests: npt.NDArray[np.uint8], wanted: npt.NDArray[np.uint8]) -> IntArray:
    """Return where in (M, 32) digests each of (N, 32) others is: (N,) int64, -1 where it is not.

    Sorted by their first 8 bytes, and compared in full.
    """
    if not len(digests):
        return np.full(len(wanted), -1, dtype=np.int64)
    heads, wanted_heads = _heads(digests), _heads(wanted)
    order = np.argsort(heads, kind="stable")
    place = np.searchsorted(heads, wanted_heads, sorter=order)
    position = order[np.minimum(place, len(digests) - 1)]
    is_equal = (digests[position] == wanted).all(axis=1)
    return np.where(is_equal, position, -1).astype(np.int64)


def _heads(digests: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint64]:
    return np.ascontiguousarray(digests[:, : _HEAD.itemsize]).view(_HEAD).ravel()


def _check_embeddings(embeddings: FloatArray, n_digests: int) -> None:
    is_matrix = embeddings.ndim == 2  # noqa: PLR2004 (a matrix)
    if embeddings.dtype != np.float32 or not is_matrix or len(embeddings) != n_digests:
        raise StoreError(
            f"cache: embeddings are {embeddings.dtype} {embeddings.shape}; expected float32 "
            f"({n_digests}, D)"
        )
