"""Photos for a race: generated JPEGs of realistic size, or a choice from a labelled folder.

Generated ones have structure at all scales, as photographs do, so that decoding costs what it costs on
photographs: smooth light, shapes with edges, and grain. What they show means nothing.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

SIZES = ((512, 384), (384, 512), (512, 342), (480, 360), (544, 408))
"""(width, height) in pixels; taken in turn."""
OCTAVES = (3, 6, 12, 24, 48, 96, 192)
"""Cells across the picture, from the light down to the grain."""
ROUGHNESS = 0.72
"""Amplitude of an octave as a share of the one before: near 1/f, as photographs are."""
N_SHAPES = 14
JPEG_QUALITY = 87
PHOTO_ENDINGS = frozenset({".jpg", ".jpeg", ".png", ".webp"})


class PhotosError(ValueError):
    """The photos that were asked for cannot be had."""


@dataclass(frozen=True, slots=True)
class Photo:
    """One image file, and its class."""

    path: Path
    class_name: str


def generate_photos(folder: Path, *, n_images: int, seed: int = 0) -> tuple[Path, ...]:
    """Write JPEGs, the same for the same seed; return their paths.

    Args:
        folder: made if it is not there.
        n_images: how many.
        seed: of everything that is random.
    """
    folder.mkdir(parents=True, exist_ok=True)
    paths = tuple(folder / f"{index:06}.jpg" for index in range(n_images))

    def write(index: int) -> None:
        picture = _picture(np.random.default_rng((seed, index)), SIZES[index % len(SIZES)])
        picture.save(paths[index], quality=JPEG_QUALITY)

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        list(pool.map(write, range(n_images)))
    return paths


def label_photos(paths: Sequence[Path], class_names: Sequence[str]) -> tuple[Photo, ...]:
    """Give generated photos classes, in turn: nobody could say what is on them."""
    return tuple(Photo(path, class_names[i % len(class_names)]) for i, path in enumerate(paths))


def choose_photos(root: Path, *, n_images: int, n_classes: int) -> tuple[Photo, ...]:
    """Choose photos from a folder with one folder per class, as evenly as there are.

    Args:
        root: holds CLASS/IMAGE.
        n_images: how many.
        n_classes: from how many classes, the first by name.
    Raises:
        PhotosError: there are fewer.
    """
    by_class = _photos_by_class(root)
    if len(by_class) < n_classes:
        raise PhotosError(
            f"{root} has {len(by_class)} class folders with photos; --n-classes asks for "
            f"{n_classes}"
        )
    chosen = dict(islice(by_class.items(), n_classes))
    most = max(len(photos) for photos in chosen.values())
    in_turn = [photos[i] for i in range(most) for photos in chosen.values() if i < len(photos)]
    if len(in_turn) < n_images:
        raise PhotosError(
            f"{root} has {len(in_turn)} photos in its first {n_classes} class folders; --n-images "
            f"asks for {n_images}"
        )
    return tuple(in_turn[:n_images])


def lay_out(photos: Sequence[Photo], folder: Path) -> Path:
    """Copy photos into one folder per class, where every contestant reads them."""
    for number, photo in enumerate(photos):
        target = folder / photo.class_name
        target.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(photo.path, target / f"{number:06}{photo.path.suffix.lower()}")
    return folder


def _photos_by_class(root: Path) -> dict[str, list[Photo]]:
    if not root.is_dir():
        raise PhotosError(f"{root} is no folder; --photos takes one that holds CLASS/IMAGE")
    found: dict[str, list[Photo]] = {}
    for folder in sorted(one for one in root.iterdir() if one.is_dir()):
        files = sorted(one for one in folder.iterdir() if one.suffix.lower() in PHOTO_ENDINGS)
        if files:
            found[folder.name] = [Photo(file, folder.name) for file in files]
    return found


def _picture(rng: np.random.Generator, size: tuple[int, int]) -> Image.Image:
    """Draw light, shapes over it, and grain over both."""
    light = _noise(rng, size, OCTAVES[:4])
    picture = Image.fromarray(np.clip(128 + 60 * light, 0, 255).astype(np.uint8))
    _draw_shapes(rng, picture)
    grain = 1.6 * _noise(rng, size, OCTAVES[2:])
    grain += 0.12 * rng.standard_normal(grain.shape, dtype=np.float32)
    pixels = np.asarray(picture, dtype=np.float32) + 20 * grain
    return Image.fromarray(np.clip(pixels, 0, 255).astype(np.uint8))


def _noise(
    rng: np.random.Generator, size: tuple[int, int], octaves: Sequence[int]
) -> np.ndarray[tuple[int, ...], np.dtype[np.float32]]:
    """Return (height, width, 3) float32 with mean 0: smooth noise at several scales."""
    width, height = size
    total = np.zeros((height, width, 3), dtype=np.float32)
    amplitude = 1.0
    for across in octaves:
        down = max(2, across * height // width)
        for channel in range(3):
            cells = Image.fromarray(rng.standard_normal((down, across), dtype=np.float32))
            total[:, :, channel] += amplitude * np.asarray(
                cells.resize(size, Image.Resampling.BICUBIC)
            )
        amplitude *= ROUGHNESS
    return total


def _draw_shapes(rng: np.random.Generator, picture: Image.Image) -> None:
    draw = ImageDraw.Draw(picture)
    for _ in range(N_SHAPES):
        centre = rng.uniform((0, 0), picture.size)
        radius = rng.uniform(0.04, 0.25) * picture.width
        red, green, blue = (int(value) for value in rng.integers(0, 256, size=3))
        angles = np.sort(rng.uniform(0, 2 * np.pi, size=int(rng.integers(3, 9))))
        around = np.stack([np.cos(angles), np.sin(angles)], axis=1)
        points = centre + radius * rng.uniform(0.5, 1.0, size=(len(angles), 1)) * around
        if rng.random() < 0.5:  # noqa: PLR2004 (half of them)
            draw.polygon([(float(x), float(y)) for x, y in points], fill=(red, green, blue))
        else:
            x, y = (float(value) for value in centre)
            box = (x - radius, y - 0.6 * radius, x + radius, y + 0.6 * radius)
            draw.ellipse(box, fill=(red, green, blue))
