"""torch as it is: what every other backend is held against."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from clipeval.models import ClipModel


@dataclass(frozen=True, slots=True, eq=False)
class EagerTower:
    """`ClipModel.encode_image`."""

    model: ClipModel

    def encode(self, pixels: torch.Tensor) -> torch.Tensor:
        """Run the tower, on the model's device and in its precision."""
        return self.model.encode_image(pixels)
