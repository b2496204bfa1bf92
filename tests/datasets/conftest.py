"""Builders for small data sets on disk."""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
from PIL import Image

from clipeval.records import DatasetSpec, Source

Rgb = tuple[int, int, int]


@pytest.fixture
def encoded() -> Callable[..., bytes]:
    """Return the bytes of an image; further options go to Pillow's save()."""

    def encode(image: Image.Image, image_format: str, **options: object) -> bytes:
        stream = io.BytesIO()
        image.save(stream, image_format, **options)
        return stream.getvalue()

    return encode


@pytest.fixture
def write_image() -> Callable[..., Path]:
    """Write a small one-coloured picture; its format follows from the ending."""

    def write(path: Path, colour: Rgb = (200, 30, 30), size: tuple[int, int] = (6, 4)) -> Path:
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", size, colour).save(path)
        return path

    return write


@pytest.fixture
def photo_folder(tmp_path: Path, write_image: Callable[..., Path]) -> Callable[..., Path]:
    """Write `{class: number of images}` as a folder per class and return its root."""

    def build(counts: Mapping[str, int], root: str = "photos") -> Path:
        for label, (name, n_images) in enumerate(counts.items()):
            for number in range(1, n_images + 1):
                write_image(tmp_path / root / name / f"{number}.png", (10 * label, 20, number))
        return tmp_path / root

    return build


@pytest.fixture
def spec() -> Callable[..., DatasetSpec]:
    """Return a spec as it would come from line 3 of datasets.yaml."""

    def make(source: Source, **options: object) -> DatasetSpec:
        return DatasetSpec(key="mine", source=source, where="datasets.yaml:3:1", **options)

    return make
