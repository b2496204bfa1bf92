"""Arrays as short text: little-endian bytes, deflated, in base64."""

from __future__ import annotations

import base64
import binascii
import zlib

import numpy as np

from clipeval.errors import StoreError
from clipeval.records.results import BoolArray, IntArray

_MAX_BYTES = 2**30
"""More than any data set needs; a crafted file shall not fill the memory."""
_BYTES_PER_INDEX = 4


def packed(content: bytes) -> str:
    """Deflate bytes and spell them in base64."""
    return base64.b64encode(zlib.compress(content, 9)).decode("ascii")


def packed_indices(values: IntArray) -> str:
    """Pack (N,) indices of classes or groups as int32."""
    return packed(values.astype("<i4").tobytes())


def packed_bits(values: BoolArray) -> str:
    """Pack (N,) booleans, eight a byte."""
    return packed(np.packbits(values).tobytes())


def unpacked(text: str, *, where: str) -> bytes:
    """Return what `packed` was given.

    Raises:
        StoreError: the text is something else, or was cut off.
    """
    try:
        inflating = zlib.decompressobj()
        content = inflating.decompress(base64.b64decode(text, validate=True), _MAX_BYTES)
    except (binascii.Error, zlib.error, ValueError) as error:
        raise StoreError(f"{where}: packed values cannot be read: {error}") from error
    if not inflating.eof:
        raise StoreError(f"{where}: packed values are cut off")
    return content


def unpacked_indices(
    text: str, *, n_images: int, below: int, what: str = "classes", where: str
) -> IntArray:
    """Return (N,) int64 indices, 0 <= index < below.

    Args:
        text: as packed_indices gives it.
        n_images: N.
        below: number of classes or groups.
        what: `classes` or `groups`, for messages.
        where: the file, put in front of messages.
    Raises:
        StoreError: not N of them, or one that is out of range.
    """
    content = unpacked(text, where=where)
    if len(content) != n_images * _BYTES_PER_INDEX:
        raise StoreError(f"{where}: packed {what} are not those of {n_images:,} images")
    values: IntArray = np.frombuffer(content, dtype="<i4").astype(np.int64)
    if not ((values >= 0) & (values < below)).all():
        raise StoreError(f"{where}: packed {what} are not below {below:,} {what}")
    return values


def unpacked_bits(text: str, *, n_images: int, where: str) -> BoolArray:
    """Return (N,) booleans.

    Raises:
        StoreError: not N of them.
    """
    bits = np.frombuffer(unpacked(text, where=where), dtype=np.uint8)
    if len(bits) != (n_images + 7) // 8:
        raise StoreError(f"{where}: packed bits are not those of {n_images:,} images")
    return np.unpackbits(bits)[:n_images].astype(np.bool_)
