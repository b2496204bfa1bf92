"""Image policy: the bytes of one file -> one RGB picture, or a named reason why not.

The policy is the same for every data set and is written out in docs/datasets.md. Nothing here
changes Pillow's global settings, so that it can run in threads and beside other users of Pillow.
"""

from __future__ import annotations

from dataclasses import dataclass
from io import BytesIO

import numpy as np
from PIL import Image
from PIL.BmpImagePlugin import BmpImageFile
from PIL.ExifTags import Base
from PIL.GifImagePlugin import GifImageFile
from PIL.ImageFile import ImageFile
from PIL.JpegImagePlugin import JpegImageFile
from PIL.PngImagePlugin import PngImageFile
from PIL.PpmImagePlugin import PpmImageFile
from PIL.TiffImagePlugin import TiffImageFile
from PIL.WebPImagePlugin import WebPImageFile

from clipeval.errors import DatasetError

MAX_PIXELS = 178_956_970
"""Width x height above which a picture is refused before it is decoded.
Source: twice Pillow's default MAX_IMAGE_PIXELS, where Image.open raises DecompressionBombError."""
MAX_ASPECT_RATIO = 200
"""Longer side over shorter side. Preprocessing scales the *shorter* side to the model's size, so
that a 1 x 100000 picture would become gigabytes."""

_WHITE_16_BIT = 65_535
_JPEG_START, _JPEG_END = b"\xff\xd8\xff", b"\xff\xd9"
_JPEG_TAIL = 64
"""Bytes at the end of a file in which a JPEG has to end; some cameras pad."""
_UPRIGHT: dict[int, Image.Transpose] = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
"""EXIF orientation -> what turns the stored pixels upright. Source: EXIF 2.32, tag 0x0112."""


class ImageReadError(DatasetError):
    """One image cannot be used; `cause` says why, without its path."""

    def __init__(self, cause: str) -> None:
        super().__init__(cause)
        self.cause = cause


@dataclass(frozen=True, slots=True)
class _Format:
    name: str
    signatures: tuple[bytes, ...]
    """How a file begins; one byte `?` stands for any byte."""
    decoder: type[ImageFile]


# The decoders are named here, rather than left to Image.open, because it speaks of large pictures
# through the process-wide `warnings` instead of to the caller, and because it takes the JPEGs of
# many phones (several pictures in one file, MPO) for another format.
_FORMATS = (
    _Format("JPEG", (b"\xff\xd8\xff",), JpegImageFile),
    _Format("PNG", (b"\x89PNG\r\n\x1a\n",), PngImageFile),
    _Format("WEBP", (b"RIFF????WEBP",), WebPImageFile),
    _Format("BMP", (b"BM",), BmpImageFile),
    _Format("GIF", (b"GIF87a", b"GIF89a"), GifImageFile),
    _Format("TIFF", (b"II*\x00", b"MM\x00*", b"II+\x00", b"MM\x00+"), TiffImageFile),
    _Format("PPM", tuple(b"P%d" % kind for kind in range(1, 7)), PpmImageFile),
)
ACCEPTED_FORMATS = tuple(accepted.name for accepted in _FORMATS)

_OTHER_CONTENT = (
    (b"????ftypheic", "a HEIC picture"),
    (b"????ftypmif1", "a HEIF picture"),
    (b"????ftypavif", "an AVIF picture"),
    (b"\x00\x00\x00\x0cjP  ", "a JPEG 2000 picture"),
    (b"8BPS", "a Photoshop document"),
    (b"%PDF", "a PDF document"),
    (b"<svg", "an SVG drawing"),
    (b"<?xml", "an XML document"),
    (b"<!DOCTYPE", "an HTML page"),
    (b"<html", "an HTML page"),
    (b"PK\x03\x04", "a ZIP archive"),
    (b"\x1f\x8b", "a gzip archive"),
    (b"version https://git-lfs", "a git-lfs pointer; run `git lfs pull`"),
)


def read_rgb(raw: bytes, *, at_least_px: int | None = None) -> Image.Image:
    """Decode the bytes of an image file by clipeval's image policy.

    Args:
        raw: the whole file.
        at_least_px: if given, a JPEG may be decoded at 1/2, 1/4 or 1/8 of its size, as long as its
            shorter side keeps so many pixels.
            Source: libjpeg's DCT scaling, through Pillow's `Image.draft`.

    Returns:
        The picture, upright, in mode RGB, fully loaded.

    Raises:
        ImageReadError: empty, not an accepted format, too large, truncated or damaged, or in a
            pixel format without an agreed range.
    """
    if not raw:
        raise ImageReadError("the file is empty (0 bytes)")
    accepted = _format_of(raw)
    try:
        image = accepted.decoder(BytesIO(raw))
        _check_size(*image.size)
        if at_least_px is not None and isinstance(image, JpegImageFile):
            image.draft(None, (at_least_px, at_least_px))
        image.load()
        return _upright_rgb(image, accepted.name)
    except ImageReadError:
        raise
    except MemoryError as error:
        raise ImageReadError(f"{accepted.name}: not enough memory to decode it") from error
    except Exception as error:
        detail = f"{error}" or type(error).__name__
        raise ImageReadError(f"damaged or truncated {accepted.name}: {detail}") from error


def plain_jpeg_size(raw: bytes) -> tuple[int, int] | None:
    """Return (width, height) of a JPEG that needs nothing of the policy but to be decoded, else None.

    It has three colour channels, YCbCr as JFIF has them, is upright, and ends as JPEGs do. Only its header is
    looked at.

    Raises:
        ImageReadError: the picture is too large.
    """
    if not raw.startswith(_JPEG_START) or raw[-_JPEG_TAIL:].rfind(_JPEG_END) < 0:
        return None
    try:
        image = JpegImageFile(BytesIO(raw))
        turned = image.getexif().get(Base.Orientation, 1) in _UPRIGHT
    except Exception:  # noqa: BLE001 (decoding will say what is wrong with it)
        return None
    _check_size(*image.size)
    is_plain = image.mode == "RGB" and image.info.get("adobe_transform", 1) == 1 and not turned
    return image.size if is_plain else None


def _format_of(raw: bytes) -> _Format:
    for accepted in _FORMATS:
        if any(_begins_with(raw, signature) for signature in accepted.signatures):
            return accepted
    found = next(
        (name for start, name in _OTHER_CONTENT if _begins_with(raw, start)),
        f"unknown content that begins with {raw[:8]!r}",
    )
    raise ImageReadError(f"{found}; accepted formats: {', '.join(ACCEPTED_FORMATS)}")


def _begins_with(raw: bytes, signature: bytes) -> bool:
    head = raw[: len(signature)]
    return len(head) == len(signature) and all(
        expected in (byte, ord("?")) for byte, expected in zip(head, signature, strict=True)
    )


def _check_size(width: int, height: int) -> None:
    if width < 1 or height < 1:
        raise ImageReadError(f"the picture has no pixels ({width} x {height})")
    if width * height > MAX_PIXELS:
        raise ImageReadError(
            f"{width} x {height} pixels is more than the limit of {MAX_PIXELS}; "
            "a decompression bomb, or to be scaled down first"
        )
    if max(width, height) > MAX_ASPECT_RATIO * min(width, height):
        raise ImageReadError(
            f"{width} x {height} pixels: one side is more than {MAX_ASPECT_RATIO} times the other"
        )


def _upright_rgb(image: ImageFile, format_name: str) -> Image.Image:
    # Read after load(): Pillow turns TIFF upright while loading, and then drops the tag.
    turn = _UPRIGHT.get(image.getexif().get(Base.Orientation, 1))
    rgb = _to_rgb(image, format_name)
    return rgb if turn is None else rgb.transpose(turn)


def _to_rgb(image: Image.Image, format_name: str) -> Image.Image:
    if image.mode == "F":
        raise ImageReadError("floating-point pixels have no agreed range; store 8 or 16 bits")
    if image.mode == "I" and format_name == "TIFF":
        raise ImageReadError("32-bit integer pixels have no agreed range; store 8 or 16 bits")
    if image.mode == "I" or image.mode.startswith("I;16"):
        return _from_16_bit(image)
    if image.has_transparency_data:
        return _over_white(image)
    return image if image.mode == "RGB" else image.convert("RGB")


def _from_16_bit(image: Image.Image) -> Image.Image:
    """Scale 0..65535 to 0..255 (Pillow's own conversion clips at 255)."""
    values = np.asarray(image).astype(np.uint32)
    transparent = image.info.get("transparency")
    if isinstance(transparent, int):
        values = np.where(values == transparent, np.uint32(_WHITE_16_BIT), values)
    eight_bits = ((values * 255 + _WHITE_16_BIT // 2) // _WHITE_16_BIT).astype(np.uint8)
    return Image.fromarray(eight_bits).convert("RGB")


def _over_white(image: Image.Image) -> Image.Image:
    rgba = image if image.mode == "RGBA" else image.convert("RGBA")
    white = Image.new("RGBA", rgba.size, (255, 255, 255, 255))
    return Image.alpha_composite(white, rgba).convert("RGB")
