"""One file of the cache: embeddings, each under the hash of what was embedded."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import numpy.typing as npt
from safetensors.numpy import save

from clipeval.records.results import FloatArray

SUFFIX = ".safetensors"
DIGEST_BYTES = 32
_MATRIX = 2
_DTYPES: dict[str, np.dtype[Any]] = {"U8": np.dtype("u1"), "F32": np.dtype("<f4")}


class DamagedPackError(ValueError):
    """A file was cut off, changed, moved, or is something else."""


@dataclass(frozen=True, slots=True, eq=False)
class Pack:
    """Embeddings that were written together."""

    digests: npt.NDArray[np.uint8]
    """(N, 32) SHA-256 of what was embedded."""
    embeddings: FloatArray
    """(N, D) float32."""


@dataclass(frozen=True, slots=True)
class PackFile:
    """A pack as bytes, and the name that follows from its content."""

    name: str
    content: bytes


def as_digests(texts: Sequence[str]) -> npt.NDArray[np.uint8]:
    """Turn N hashes of 64 hex digits into (N, 32) bytes.

    Raises:
        ValueError: one is no such hash.
    """
    joined = bytes.fromhex("".join(texts))
    if len(joined) != DIGEST_BYTES * len(texts):
        raise ValueError("a digest has other than 64 hex digits")
    return np.frombuffer(joined, dtype=np.uint8).reshape(-1, DIGEST_BYTES)


def dump_pack(space: str, pack: Pack) -> PackFile:
    """Return a pack as a safetensors file; the same one again has the same name and bytes.

    Args:
        space: what its checksum vouches for, beside the content.
        pack: N >= 1.
    """
    checksum = _checksum(space, pack)
    arrays: dict[str, npt.NDArray[Any]] = {
        "digests": np.ascontiguousarray(pack.digests),
        "embeddings": np.ascontiguousarray(pack.embeddings),
    }
    return PackFile(f"{checksum[:32]}{SUFFIX}", save(arrays, metadata={"sha256": checksum}))


def count_entries(file: Path) -> int:
    """Return how many embeddings a pack says it has; nothing vouches for it.

    Raises:
        DamagedPackError, OSError: it does not say.
    """
    with file.open("rb") as stream:
        return _Header.read(stream).shape("digests")[0]


def read_digests(file: Path) -> npt.NDArray[np.uint8]:
    """Read which embeddings a pack has, without reading them; nothing vouches for it yet.

    Raises:
        DamagedPackError: not a pack.
        OSError: it cannot be read, or is gone.
    """
    with file.open("rb") as stream:
        return _read_digests(stream, _Header.read(stream))


def read_pack(file: Path, space: str) -> Pack:
    """Read a pack, checked against its checksum.

    Raises:
        DamagedPackError: not a pack, not of this space, or not as it was written.
        OSError: it cannot be read, or is gone.
    """
    with file.open("rb") as stream:
        header = _Header.read(stream)
        embeddings = header.array(stream, "embeddings", "F32")
        pack = Pack(_read_digests(stream, header), embeddings)
    if embeddings.ndim != _MATRIX or len(embeddings) != len(pack.digests):
        raise DamagedPackError("its embeddings have another form")
    if header.checksum != _checksum(space, pack):
        raise DamagedPackError("its checksum does not match")
    return pack


@dataclass(frozen=True, slots=True)
class _Header:
    """What a safetensors file says of its arrays.

    Read here rather than by the library, which maps files into memory: a file that another machine deletes
    or cuts off would then end this process.
    Source: https://github.com/huggingface/safetensors#format.
    """

    start: int
    """Position of the first array."""
    size: int
    """Of the file."""
    fields: dict[str, Any]

    @classmethod
    def read(cls, stream: BinaryIO) -> _Header:
        size = stream.seek(0, 2)
        stream.seek(0)
        length = int.from_bytes(stream.read(8), "little")
        if length > size - 8:
            raise DamagedPackError("it is cut off, or no pack")
        try:
            fields = json.loads(stream.read(length))
        except (ValueError, RecursionError) as error:
            raise DamagedPackError("its header is not JSON") from error
        if not isinstance(fields, dict):
            raise DamagedPackError("its header is no object")
        return cls(8 + length, size, fields)

    @property
    def checksum(self) -> str:
        metadata = self.fields.get("__metadata__")
        return str(metadata.get("sha256")) if isinstance(metadata, dict) else ""

    def shape(self, name: str) -> tuple[int, ...]:
        """Return the shape of an array. Raises: DamagedPackError."""
        field = self.fields.get(name)
        shape = field.get("shape") if isinstance(field, dict) else None
        if not (isinstance(shape, list) and shape and all(type(n) is int and n > 0 for n in shape)):
            raise DamagedPackError(f"its header does not say how large its {name} are")
        return tuple(shape)

    def array(self, stream: BinaryIO, name: str, dtype: str) -> npt.NDArray[Any]:
        """Read an array. Raises: DamagedPackError."""
        shape, field = self.shape(name), self.fields[name]
        offsets = field.get("data_offsets")
        if field.get("dtype") != dtype or not (
            isinstance(offsets, list) and all(type(n) is int for n in offsets)
        ):
            raise DamagedPackError(f"its header says otherwise of its {name} than expected")
        begin, end = (offsets[0], offsets[-1]) if offsets else (0, 0)
        if not 0 <= begin <= end <= self.size - self.start:
            raise DamagedPackError("it is cut off")
        stream.seek(self.start + begin)
        try:
            flat = np.frombuffer(stream.read(end - begin), dtype=_DTYPES[dtype])
            return flat.reshape(shape)
        except ValueError as error:
            raise DamagedPackError(f"its {name} have another size than its header says") from error


def _read_digests(stream: BinaryIO, header: _Header) -> npt.NDArray[np.uint8]:
    digests = header.array(stream, "digests", "U8")
    if digests.ndim != _MATRIX or digests.shape[1] != DIGEST_BYTES:
        raise DamagedPackError("its digests have another form")
    return digests


def _checksum(space: str, pack: Pack) -> str:
    """Hash space, shape and values, so that a file that was moved or cut is noticed too."""
    digest = hashlib.sha256(f"{space} {pack.embeddings.shape} float32\n".encode())
    digest.update(np.ascontiguousarray(pack.digests).data)
    digest.update(np.ascontiguousarray(pack.embeddings).astype("<f4", copy=False).data)
    return digest.hexdigest()
