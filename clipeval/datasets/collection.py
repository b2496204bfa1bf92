"""What an opened data set is: labelled samples, and a way to read each of them."""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol

from PIL import Image

from clipeval.datasets.images import ImageReadError, read_rgb
from clipeval.records import ClassLabel, Notice, Sample

MAX_FILE_BYTES = 1 << 30
"""Larger files are not read at all: no accepted format needs a gigabyte below the pixel limit."""


@dataclass(frozen=True, slots=True)
class LoadedImage:
    """One image, and what it was read from."""

    image: Image.Image
    """Mode RGB, the image policy applied."""
    content_sha256: str
    """Of the file's bytes, or of mode, size and pixels if there is no file."""


class ImageDataset(Protocol):
    """Labelled images, ready to be read in any order and from several threads."""

    @property
    def key(self) -> str:
        """Name in datasets.yaml."""

    @property
    def source(self) -> str:
        """Where the images come from, such as `torchvision:Food101/test`."""

    @property
    def classes(self) -> tuple[ClassLabel, ...]:
        """Candidate classes; `Sample.label` is an index into them."""

    @property
    def samples(self) -> tuple[Sample, ...]:
        """The labelled images, in a stable order."""

    @property
    def notices(self) -> tuple[Notice, ...]:
        """What the user should know about this data set."""

    def read(self, index: int) -> Image.Image:
        """Return image `index` in mode RGB. Raises: ImageReadError."""

    def load(self, index: int) -> LoadedImage:
        """Return image `index` and the hash of what it was read from. Raises: ImageReadError."""

    def content_sha256(self, index: int) -> str:
        """Return the hash of the content of image `index`. Raises: ImageReadError."""


class ImageStore(Protocol):
    """Images by position, before any selection."""

    def load(self, position: int) -> LoadedImage:
        """Return one image and the hash of its content. Raises: ImageReadError."""

    def content_sha256(self, position: int) -> str:
        """Return the hash of one image's content. Raises: ImageReadError."""


@dataclass(frozen=True, slots=True)
class FileImages:
    """Images that are files, read by clipeval's image policy."""

    paths: tuple[Path, ...]
    at_least_px: int | None = None
    """If given, JPEGs are decoded scaled down, to no less than this on the shorter side."""

    def load(self, position: int) -> LoadedImage:
        """Read one file once: hash its bytes, and decode them to RGB."""
        content = self.content(position)
        image = read_rgb(content, at_least_px=self.at_least_px)
        return LoadedImage(image, hashlib.sha256(content).hexdigest())

    def content_sha256(self, position: int) -> str:
        """Hash the bytes of one file."""
        return hashlib.sha256(self.content(position)).hexdigest()

    def content(self, position: int) -> bytes:
        """Return the bytes of one file."""
        return read_file(self.paths[position])


@dataclass(frozen=True, slots=True)
class RenderedImages:
    """Images that are drawn, or cut out of an array; any mode that Pillow converts to RGB."""

    render: Callable[[int], Image.Image]

    def load(self, position: int) -> LoadedImage:
        """Draw one image, and hash it as it was drawn."""
        image = self._rendered(position)
        return LoadedImage(image.convert("RGB"), _pixels_sha256(image))

    def content_sha256(self, position: int) -> str:
        """Hash mode, size and pixels of one image."""
        return _pixels_sha256(self._rendered(position))

    def _rendered(self, position: int) -> Image.Image:
        try:
            return self.render(position)
        except (OSError, ValueError, LookupError) as error:  # an array file that went away
            raise ImageReadError(f"cannot be taken from its array: {error}") from error


@dataclass(frozen=True, slots=True, kw_only=True)
class Listing:
    """Everything that a source holds, before class names and selection of the spec are applied."""

    source: str
    classes: tuple[ClassLabel, ...]
    samples: tuple[Sample, ...]
    images: ImageStore
    """`samples[i]` is read at position i."""
    notices: tuple[Notice, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageCollection:
    """An opened data set; the one implementation of `ImageDataset`."""

    key: str
    source: str
    classes: tuple[ClassLabel, ...]
    samples: tuple[Sample, ...]
    notices: tuple[Notice, ...]
    images: ImageStore
    positions: tuple[int, ...]
    """(N,) where `images` holds each sample."""

    def read(self, index: int) -> Image.Image:
        """Return image `index` in mode RGB, the image policy applied.

        Raises:
            ImageReadError: the image cannot be used; its `cause` says why.
        """
        return self.load(index).image

    def load(self, index: int) -> LoadedImage:
        """Return image `index` and the hash of what it was read from, reading it once.

        Raises:
            ImageReadError: the image cannot be used; its `cause` says why.
        """
        return self.images.load(self.positions[index])

    def content_sha256(self, index: int) -> str:
        """Return the sha256 of the file's bytes, or of mode, size and pixels if there is no file.

        Raises:
            ImageReadError: the file cannot be read.
        """
        return self.images.content_sha256(self.positions[index])


def decoded_scaled(dataset: ImageDataset, *, at_least_px: int) -> ImageDataset:
    """Return the same data set with its JPEG files decoded scaled down; other images stay as they are.

    Args:
        dataset: any.
        at_least_px: what the shorter side of a picture keeps at least: no less than the longer side of a
            model's input, so that its resize never has to enlarge what decoding has shrunk.
    """
    if not isinstance(dataset, ImageCollection) or not isinstance(dataset.images, FileImages):
        return dataset
    return replace(dataset, images=replace(dataset.images, at_least_px=at_least_px))


def read_content(dataset: ImageDataset, index: int) -> bytes | None:
    """Return the bytes of the file that an image is in; None if it is drawn, or cut out of an array.

    Raises:
        ImageReadError: the file cannot be read.
    """
    if not isinstance(dataset, ImageCollection) or not isinstance(dataset.images, FileImages):
        return None
    return dataset.images.content(dataset.positions[index])


def _pixels_sha256(image: Image.Image) -> str:
    header = f"{image.mode} {image.width}x{image.height}\n".encode()
    return hashlib.sha256(header + image.tobytes()).hexdigest()


def read_image_file(path: Path) -> Image.Image:
    """Return one file as an RGB picture, by the same policy as every data set.

    Raises:
        ImageReadError: the file cannot be read or decoded; `cause` says why, without the path.
    """
    return read_rgb(read_file(path))


def read_file(path: Path) -> bytes:
    """Return the bytes of a regular file; anything else is refused without waiting on it.

    Raises:
        ImageReadError: missing, no permission, not a regular file, or larger than MAX_FILE_BYTES.
    """
    # Without O_NONBLOCK, opening a named pipe waits for a writer that may never come.
    flags = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
    try:
        with os.fdopen(os.open(path, flags), "rb") as stream:
            status = os.fstat(stream.fileno())
            if not stat.S_ISREG(status.st_mode):
                raise ImageReadError("not a regular file")
            if status.st_size > MAX_FILE_BYTES:
                raise ImageReadError(f"{status.st_size} bytes is more than the limit of 1 GiB")
            return stream.read()
    except ValueError as error:  # a NUL character in the path
        raise ImageReadError(f"not a usable path: {error}") from error
    except OSError as error:
        raise ImageReadError(_os_cause(error)) from error


def _os_cause(error: OSError) -> str:
    if isinstance(error, FileNotFoundError):
        return "no such file"
    if isinstance(error, IsADirectoryError):
        return "not a regular file"
    return (error.strerror or str(error)).lower()
