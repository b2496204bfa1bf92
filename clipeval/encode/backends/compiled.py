"""torch.compile: one graph for all sizes of batch."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import cast

import torch

from clipeval.devices import full_precision, torch_dtype
from clipeval.encode.backends.tower import image_only
from clipeval.models import ClipModel


@dataclass(frozen=True, slots=True, eq=False)
class CompiledTower:
    """The tower compiled by TorchInductor, on the model's device and in its precision."""

    model: ClipModel
    _compiled: Callable[[torch.Tensor], torch.Tensor]

    @classmethod
    def of(cls, model: ClipModel) -> CompiledTower:
        """Wrap a model; it is compiled on the first call."""
        # Dynamic from the start: the last batch is smaller, and compiling again costs more than it gains.
        compiled = torch.compile(image_only(model), dynamic=True)
        return cls(model, cast("Callable[[torch.Tensor], torch.Tensor]", compiled))

    @torch.inference_mode()
    def encode(self, pixels: torch.Tensor) -> torch.Tensor:
        """Run the tower."""
        if (
            len(pixels) == 1
        ):  # a size that torch.compile never takes for any size, and compiles again
            return self.encode(pixels.expand(2, -1, -1, -1))[:1]
        model = self.model
        inputs = pixels.to(device=model.device, dtype=torch_dtype(model.precision))
        with full_precision(model.device, model.precision):
            return self._compiled(inputs)
