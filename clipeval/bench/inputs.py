"""What stages are given: several inputs in turn, none of them constant, the same for the same seed."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from PIL import Image

_T = TypeVar("_T")

PHOTO_SIZE = (512, 384)
"""(width, height) in pixels: what Food-101 has at most."""
JPEG_QUALITY = 90
N_PHOTOS = 16
"""Different ones; a batch takes the next of them in turn."""
_NOISE_CELLS = ((4, 3), (16, 12), (64, 48), (256, 192))
_WORDS = (
    "ramen", "pizza", "bibimbap", "sushi", "taco", "falafel", "pancakes", "oysters", "apple pie",
    "fish and chips", "green curry", "tiramisu", "paella", "croissant", "dumplings", "a bowl of rice",
)  # fmt: skip
_TEMPLATES = (
    "a photo of {}",
    "a close-up photo of {}, a type of food",
    "{} on a plate",
    "art of {}",
)


@dataclass(frozen=True, slots=True)
class Inputs:
    """Encoded pictures and prompts to draw batches from."""

    photos: tuple[bytes, ...]
    """JPEG files."""
    prompts: tuple[str, ...]

    def photo_batch(self, number: int, size: int) -> list[bytes]:
        """Return the files of batch `number`."""
        return _in_turn(self.photos, number, size)

    def prompt_batch(self, number: int, size: int) -> list[str]:
        """Return the prompts of batch `number`."""
        return _in_turn(self.prompts, number, size)


def generated_inputs(*, seed: int = 0) -> Inputs:
    """Draw photos with structure at all scales, so that decoding costs what it costs on photographs."""
    photos = tuple(_jpeg(np.random.default_rng((seed, number))) for number in range(N_PHOTOS))
    prompts = tuple(t.replace("{}", word) for t in _TEMPLATES for word in _WORDS)
    return Inputs(photos, prompts)


def _in_turn(values: Sequence[_T], number: int, size: int) -> list[_T]:
    # An odd step reaches every start among 16 photos or 64 prompts: batches as large as these differ, too.
    start = number * (size | 1)
    return [values[(start + i) % len(values)] for i in range(size)]


def _jpeg(rng: np.random.Generator) -> bytes:
    width, height = PHOTO_SIZE
    total = np.full((height, width, 3), 128, dtype=np.float32)
    for octave, (across, down) in enumerate(_NOISE_CELLS):
        cells = rng.standard_normal((down, across, 3), dtype=np.float32)
        layers = [
            np.asarray(
                Image.fromarray(cells[:, :, channel]).resize(PHOTO_SIZE, Image.Resampling.BICUBIC)
            )
            for channel in range(3)
        ]
        total += 40 * 0.6**octave * np.stack(layers, axis=2)
    file = io.BytesIO()
    Image.fromarray(np.clip(total, 0, 255).astype(np.uint8)).save(
        file, format="JPEG", quality=JPEG_QUALITY
    )
    return file.getvalue()
