"""The seam that every backend implements."""

from __future__ import annotations

import copy
import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Protocol, cast

import torch

from clipeval.models import ClipModel


class ImageTower(Protocol):
    """An image tower that is ready to run."""

    def encode(self, pixels: torch.Tensor) -> torch.Tensor:
        """Run the tower.

        Args:
            pixels: (B, 3, H, W) float32 on the CPU: stacked outputs of the model's `preprocess`.
        Returns:
            (B, D) image embeddings, not normalised, on any device, in any float dtype.
        """


class ImageOnly(torch.nn.Module):
    """The image tower of an open_clip model by itself, as a module with one input and one output."""

    def __init__(self, visual: torch.nn.Module) -> None:
        super().__init__()
        self.visual = visual

    def forward(self, pixels: torch.Tensor) -> torch.Tensor:
        """Return (B, D) of (B, 3, H, W): what `encode_image` of all of open_clip's models gives."""
        features = self.visual(pixels)
        # CoCa's tower also gives its tokens.
        return cast("torch.Tensor", features[0] if isinstance(features, tuple) else features)


def image_only(model: ClipModel) -> ImageOnly:
    """Return the image tower of a model; it shares the weights."""
    return ImageOnly(cast("Any", model.module).visual).eval()


def export_tower(model: ClipModel) -> torch.export.ExportedProgram:
    """Trace the image tower in float32, for any size of batch, input `pixels`.

    A tower that was loaded in bf16 is widened, which loses nothing: its backend computes in bf16 by itself.
    """
    tower = image_only(model)
    if any(parameter.dtype != torch.float32 for parameter in tower.parameters()):
        tower = copy.deepcopy(tower).float()
    # Two images: a batch of one would be taken for a constant.
    example = torch.zeros(2, 3, *model.record.image_size)
    batch = torch.export.Dim("batch", min=1, max=65_536)
    with torch.no_grad():
        return torch.export.export(tower, (example,), dynamic_shapes={"pixels": {0: batch}})


@contextmanager
def quiet() -> Iterator[None]:
    """Keep what exporters say of themselves from those who only want an embedding."""
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(before)
