"""What is remembered of models and of the machine, so that a run with all embeddings cached loads neither.

A fact about files holds as long as these are what they were. The memory is a convenience like the cache
beside it: a fact that cannot be read, or is not as it was written, is as good as none.
"""

from __future__ import annotations

import contextlib
import hashlib
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, TypeVar

from pydantic import TypeAdapter, ValidationError

from clipeval.errors import StoreError
from clipeval.file_stamps import FileStamp
from clipeval.records import BackendTimings, MachineFacts, ModelDescription, TokenizedPrompt
from clipeval.store.atomic import TEMP_SUFFIX, write_bytes
from clipeval.store.run_json import dump_record

FOLDER = "remembered"
SUFFIX = ".fact"
SETTLED_S = 2.0
"""File systems keep times with up to 2 seconds (FAT): what changed later than this before a file was read may
have changed again since, and have the same time."""
MAX_FACTS = 1000
_STALE_S = 3600.0
_Fact = TypeVar(
    "_Fact", ModelDescription, MachineFacts, BackendTimings, tuple[TokenizedPrompt, ...]
)


@dataclass(frozen=True, slots=True)
class _Remembered(Generic[_Fact]):
    key: str
    files: tuple[FileStamp, ...]
    fact: _Fact


_MODEL = TypeAdapter(_Remembered[ModelDescription])
_MACHINE = TypeAdapter(_Remembered[MachineFacts])
_BACKENDS = TypeAdapter(_Remembered[BackendTimings])
_TOKENS = TypeAdapter(_Remembered[tuple[TokenizedPrompt, ...]])


@dataclass(frozen=True, slots=True)
class Memory:
    """Facts by key, in the folder of the cache; each file begins with the SHA-256 of the rest."""

    root: Path

    def model(self, key: str) -> ModelDescription | None:
        """Return a model that was loaded before, if its files have not changed since."""
        return self._recall(_MODEL, key)

    def machine(self, key: str) -> MachineFacts | None:
        """Return what torch said of this machine before."""
        return self._recall(_MACHINE, key)

    def remember_model(
        self, key: str, known: ModelDescription, files: Sequence[FileStamp], *, since: float
    ) -> None:
        """Keep what a model is for as long as its files stay as they are.

        Nothing is kept if they may have changed while the model was read: then nobody knows which of both
        it is.

        Args:
            key: 64 hex digits.
            known: the model.
            files: as they were before its weights were read.
            since: when reading began, seconds since 1970.
        """
        settled_ns = int((since - SETTLED_S) * 1e9)
        try:
            is_settled = all(
                stamp.changed_ns < settled_ns and FileStamp.of(Path(stamp.path)) == stamp
                for stamp in files
            )
        except OSError:
            return
        if is_settled:
            self._write(_Remembered(key, tuple(files), known))

    def backends(self, key: str) -> BackendTimings | None:
        """Return how fast backends were found to run a model, if its files have not changed since."""
        return self._recall(_BACKENDS, key)

    def remember_backends(
        self, key: str, known: BackendTimings, files: Sequence[FileStamp]
    ) -> None:
        """Keep how fast backends run a model for as long as its files stay as they were when it was read."""
        self._write(_Remembered(key, tuple(files), known))

    def remember_machine(self, key: str, known: MachineFacts) -> None:
        """Keep what torch says of this machine."""
        self._write(_Remembered(key, (), known))

    def tokens(self, key: str) -> tuple[TokenizedPrompt, ...] | None:
        """Return what a tokenizer made of some prompts before."""
        return self._recall(_TOKENS, key)

    def remember_tokens(self, key: str, known: tuple[TokenizedPrompt, ...]) -> None:
        """Keep what a tokenizer makes of some prompts."""
        self._write(_Remembered(key, (), known))

    def forget(self, key: str) -> None:
        """Drop a fact that turned out to be wrong."""
        with contextlib.suppress(OSError):
            self._file(key).unlink(missing_ok=True)

    def clear(self) -> int:
        """Forget everything; return the bytes freed."""
        freed = sum(_delete(file) for file in self._folder.glob(f"*{SUFFIX}"))
        freed += sum(_delete(file) for file in self._folder.glob(f".*{TEMP_SUFFIX}"))
        with contextlib.suppress(OSError):  # not empty: somebody else's, or just written
            self._folder.rmdir()
        return freed

    def _recall(self, adapter: TypeAdapter[_Remembered[_Fact]], key: str) -> _Fact | None:
        try:
            checksum, _, content = self._file(key).read_bytes().partition(b"\n")
            if hashlib.sha256(content).hexdigest().encode() != checksum:
                return None
            remembered = adapter.validate_json(content, strict=True)
            if remembered.key != key:
                return None
            if any(FileStamp.of(Path(stamp.path)) != stamp for stamp in remembered.files):
                return None
        except (OSError, ValueError, ValidationError):
            return None
        return remembered.fact

    def _write(self, remembered: _Remembered[_Fact]) -> None:
        """Write a fact; where it cannot be written, the next run is slower, and that is all."""
        file = self._file(remembered.key)
        with contextlib.suppress(OSError, StoreError):
            content = dump_record(remembered).encode("utf-8")
            self._folder.mkdir(parents=True, exist_ok=True)
            write_bytes(file, hashlib.sha256(content).hexdigest().encode() + b"\n" + content)
            self._prune()

    def _prune(self) -> None:
        """Delete the oldest facts beyond MAX_FACTS, and what killed processes left."""
        aged: list[tuple[int, Path]] = []
        for file in self._folder.glob(f"*{SUFFIX}"):
            with contextlib.suppress(OSError):
                aged.append((file.stat().st_mtime_ns, file))
        for _, file in sorted(aged)[:-MAX_FACTS]:
            _delete(file)
        for file in self._folder.glob(f".*{TEMP_SUFFIX}"):
            with contextlib.suppress(OSError):
                if time.time() - file.stat().st_mtime >= _STALE_S:
                    _delete(file)

    @property
    def _folder(self) -> Path:
        return self.root / FOLDER

    def _file(self, key: str) -> Path:
        return self._folder / f"{key}{SUFFIX}"


def _delete(file: Path) -> int:
    """Delete a file if that is possible; return the bytes freed."""
    with contextlib.suppress(OSError):
        size = file.stat().st_size
        file.unlink()
        return size
    return 0
