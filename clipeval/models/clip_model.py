"""A model that is ready to encode."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, cast

import torch
from PIL import Image

from clipeval.devices import full_precision, torch_dtype
from clipeval.file_stamps import FileStamp
from clipeval.models.tokenizers import Tokenizer
from clipeval.records import ModelRecord, ModelSpec, Notice, Precision


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ClipModel:
    """Towers in eval mode on their device, with their own preprocessing and tokenizer."""

    spec: ModelSpec
    record: ModelRecord
    module: torch.nn.Module
    """open_clip's CLIP, CustomTextCLIP or CoCa; no parameter requires a gradient."""
    preprocess: Callable[[Image.Image], torch.Tensor]
    """Image -> (3, H, W) float32: open_clip's validation transform, as the weights want it."""
    tokenizer: Tokenizer
    logit_scale: float
    """Multiplies cosine similarities: exp of the learned parameter."""
    device: str
    precision: Precision
    notices: tuple[Notice, ...] = ()
    files: tuple[FileStamp, ...] | None = None
    """What it was read from, as it was before; None if that is not known to be all."""

    @torch.inference_mode()
    def encode_image(self, images: torch.Tensor) -> torch.Tensor:
        """Run the image tower.

        Args:
            images: (B, 3, H, W) stacked outputs of `preprocess`, on any device.
        Returns:
            (B, D) image embeddings, not normalised, on `device`, in the dtype of `precision`
            or float32 where a tower ends in it.
        """
        pixels = images.to(device=self.device, dtype=torch_dtype(self.precision))
        with full_precision(self.device, self.precision):
            return cast("torch.Tensor", self._towers.encode_image(pixels, normalize=False))

    @torch.inference_mode()
    def encode_text(self, tokens: torch.Tensor) -> torch.Tensor:
        """Run the text tower.

        Args:
            tokens: (P, L) int64 from `tokenizer`, on any device.
        Returns:
            (P, D) text embeddings, not normalised, on `device`; dtype as for images.
        """
        ids = tokens.to(self.device)
        with full_precision(self.device, self.precision):
            return cast("torch.Tensor", self._towers.encode_text(ids, normalize=False))

    @property
    def _towers(self) -> Any:  # noqa: ANN401 (open_clip is untyped)
        return self.module
