"""Embeddings on disk, by the hash of everything they depend on."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import numpy.typing as npt
import platformdirs
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save

from clipeval.errors import StoreError
from clipeval.records import Notice
from clipeval.store.atomic import TEMP_SUFFIX, write_bytes

FloatArray = npt.NDArray[np.float32]

ROOT_VARIABLE = "CLIPEVAL_CACHE"
DEFAULT_MAX_BYTES = 5_000_000_000
SUFFIX = ".safetensors"
KEY = re.compile(r"[0-9a-f]{64}")
STALE_S = 3600.0
"""A temporary file older than this is no longer being written: its process was killed."""


@dataclass(frozen=True, slots=True)
class CacheEntry:
    """One file of the cache."""

    key: str
    path: Path
    size_bytes: int
    used_ns: int
    """When it was last read or written, nanoseconds since 1970."""


@dataclass(slots=True)
class EmbeddingCache:
    """Arrays by key, shared by any number of processes.

    An entry is checked against its SHA-256 whenever it is read. One that does not match is deleted,
    never used. The cache is a convenience: what goes wrong with it becomes a notice, not an error.
    """

    root: Path
    max_bytes: int = DEFAULT_MAX_BYTES
    """What has not been used for longest is deleted beyond this."""
    notices: list[Notice] = field(default_factory=list)
    """What went wrong so far."""

    def get(self, key: str) -> FloatArray | None:
        """Return the array of a key, or None if there is none, or none that is whole.

        Args:
            key: 64 lower-case hex digits, from cache_key.
        Raises:
            StoreError: the key has another form.
        """
        file = self._file(key)
        try:
            array = _read(file, key)
        except FileNotFoundError:
            return None
        except (SafetensorError, OSError, ValueError, KeyError, TypeError) as error:
            self._say(
                "cache-entry-corrupt",
                f"{file}: the cached embeddings cannot be used ({error}); they were deleted, "
                "and are computed again.",
            )
            with contextlib.suppress(OSError):
                file.unlink()
            return None
        with contextlib.suppress(OSError):
            os.utime(file)
        return array

    def put(self, key: str, array: FloatArray) -> None:
        """Store an array, then delete what has not been used for longest until all fit.

        Args:
            key: 64 lower-case hex digits, from cache_key.
            array: float32, of any shape.
        Raises:
            StoreError: the key has another form, or the array is not float32.
        """
        file = self._file(key)
        if array.dtype != np.float32:
            raise StoreError(f"cache: embeddings are {array.dtype}; expected float32")
        content = _packed(key, array)
        if len(content) > self.max_bytes:
            self._say(
                "cache-entry-too-large",
                f"{self.root}: embeddings of {len(content):,} bytes were not cached; "
                f"the cache holds at most {self.max_bytes:,} bytes.",
            )
            return
        try:
            file.parent.mkdir(parents=True, exist_ok=True)
            write_bytes(file, content)
        except (OSError, StoreError) as error:
            self._say(
                "cache-not-writable",
                f"{self.root}: embeddings were not cached ({error}); "
                f"set {ROOT_VARIABLE} to a folder that can be written to.",
            )
            return
        self._evict(keep=key)

    def entries(self) -> tuple[CacheEntry, ...]:
        """List what is cached, the one unused for longest first."""
        found: list[CacheEntry] = []
        for file in self.root.glob(f"[0-9a-f][0-9a-f]/*{SUFFIX}"):
            # Another process may have deleted it since it was listed.
            with contextlib.suppress(FileNotFoundError):
                if KEY.fullmatch(file.stem):
                    status = file.stat()
                    found.append(CacheEntry(file.stem, file, status.st_size, status.st_mtime_ns))
        return tuple(sorted(found, key=lambda entry: (entry.used_ns, entry.key)))

    def size_bytes(self) -> int:
        """Add up the sizes of all entries."""
        return sum(entry.size_bytes for entry in self.entries())

    def clear(self) -> int:
        """Delete every entry and nothing else; return the bytes freed.

        Raises:
            StoreError: an entry cannot be deleted.
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
        return freed

    def _evict(self, *, keep: str) -> None:
        entries = self.entries()
        excess = sum(entry.size_bytes for entry in entries) - self.max_bytes
        for entry in entries:
            if excess <= 0:
                break
            if entry.key == keep:
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
        return self.root.glob(f"[0-9a-f][0-9a-f]/.*{TEMP_SUFFIX}")

    def _file(self, key: str) -> Path:
        if not KEY.fullmatch(key):
            raise StoreError(f"cache: '{key}' is no key; expected 64 hex digits, from cache_key")
        return self.root / key[:2] / f"{key}{SUFFIX}"

    def _say(self, code: str, message: str) -> None:
        self.notices.append(Notice(code, message))


def cache_key(**parts: str) -> str:
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


def _packed(key: str, array: FloatArray) -> bytes:
    contiguous = np.ascontiguousarray(array)
    metadata = {"sha256": _checksum(key, contiguous)}
    return save({"embeddings": contiguous}, metadata=metadata)


def _read(file: Path, key: str) -> FloatArray:
    """Read one entry.

    Raises:
        ValueError: its checksum does not match.
        SafetensorError, OSError, KeyError, TypeError: it is cut off, or something else.
    """
    with safe_open(file, framework="numpy") as stored:
        array: FloatArray = stored.get_tensor("embeddings")
        metadata = stored.metadata() or {}
    if array.dtype != np.float32 or metadata.get("sha256") != _checksum(key, array):
        raise ValueError("its checksum does not match")
    return array


def _checksum(key: str, array: FloatArray) -> str:
    """Hash key, shape and values, so that a renamed file or a changed header is noticed too."""
    digest = hashlib.sha256(f"{key} {array.shape} float32\n".encode())
    digest.update(np.ascontiguousarray(array).astype("<f4", copy=False).tobytes())
    return digest.hexdigest()
