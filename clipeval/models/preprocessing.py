"""open_clip's validation transform, written straight into a batch and without torch's threads.

torch splits even the scaling of one 224-pixel picture over all cores. In a decoding thread that starts a team
of threads for each of them, which then wait for one another and for the towers' own.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from open_clip.transform import MaybeToTensor
from PIL import Image
from torchvision.transforms import Compose, Normalize

from clipeval.records.results import FloatArray

N_CHANNELS = 3


@dataclass(frozen=True, slots=True, eq=False)
class Preprocessing:
    """The same numbers as open_clip's transform gives, bit for bit.

    What follows cropping looks at each 8-bit value by itself: it is a table, filled by the transform.
    """

    shrink: Callable[[Image.Image], Image.Image]
    """Resize, crop or pad, RGB."""
    table: FloatArray
    """(3, 256) float32: what a value of a channel becomes."""

    @classmethod
    def of(cls, transform: Compose) -> Preprocessing | None:
        """Take a transform apart; None if it does not end as open_clip's do."""
        match transform.transforms:
            case [*first, MaybeToTensor() as to_tensor, Normalize() as normalize]:
                pass
            case _:
                return None
        every_value = np.arange(256, dtype=np.uint8)[np.newaxis, :, np.newaxis]
        picture = Image.fromarray(np.repeat(every_value, N_CHANNELS, axis=2))
        table = normalize(to_tensor(picture)).numpy()[:, 0]
        return cls(Compose(first), np.ascontiguousarray(table))

    def __call__(self, image: Image.Image) -> torch.Tensor:
        """Return (3, H, W) float32."""
        values = np.asarray(self.shrink(image))
        pixels = np.empty((N_CHANNELS, *values.shape[:2]), dtype=np.float32)
        self._look_up(values, pixels)
        return torch.from_numpy(pixels)

    def write(self, image: Image.Image, row: FloatArray) -> None:
        """Preprocess an image into (3, H, W) float32 that is there: one row of a batch."""
        self._look_up(np.asarray(self.shrink(image)), row)

    def _look_up(self, values: np.ndarray[Any, np.dtype[np.uint8]], row: FloatArray) -> None:
        for channel in range(N_CHANNELS):
            # `clip`, though nothing is: checking every index first costs numpy a buffer of the output.
            np.take(self.table[channel], values[:, :, channel], out=row[channel], mode="clip")
