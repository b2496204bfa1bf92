"""The stages of zero-shot classification, each as a call that can be timed by itself.

| stage | from | to |
|---|---|---|
| preprocess | bytes of B JPEG files | (B, 3, H, W) float32 on the CPU, decoded in threads as in a run |
| encode_image | these pixels, on the device | (B, D) unit embeddings, on the device |
| encode_text | B prompts | (B, D) unit embeddings, on the device; padded, tokenizing included |
| classify | (B, D) embeddings, (C, D) class weights, on the device | best five classes, on the CPU |
| end_to_end | bytes of B JPEG files | best five classes and their probabilities, on the CPU |

Nothing here reads or writes a cache.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import torch
from torch.nn.functional import normalize

from clipeval.bench.inputs import Inputs
from clipeval.bench.protocol import Target
from clipeval.datasets import read_rgb
from clipeval.encode.backends import ImageTower
from clipeval.models import ClipModel
from clipeval.records.specs import CallStage

CALL_STAGES: tuple[CallStage, ...] = (
    "preprocess", "encode_image", "encode_text", "classify", "end_to_end",
)  # fmt: skip
TOP = 5
N_ROTATED = 4
"""Batches of pixels and embeddings that are kept ready, and taken in turn."""


@dataclass(frozen=True, slots=True, eq=False)
class StageCalls:
    """Makes the calls of each stage for one model, backend and batch size."""

    model: ClipModel
    tower: ImageTower
    inputs: Inputs
    batch_size: int
    pool: ThreadPoolExecutor
    """Threads that decode."""

    def of(self, stage: CallStage) -> Target:
        """Return the call of a stage; what it is given is made now."""
        makers: dict[CallStage, Callable[[], Target]] = {
            "preprocess": self._preprocess,
            "encode_image": self._encode_image,
            "encode_text": self._encode_text,
            "classify": self._classify,
            "end_to_end": self._end_to_end,
        }
        return makers[stage]()

    def _preprocess(self) -> Target:
        return lambda number: self._pixels(self.inputs.photo_batch(number, self.batch_size))

    def _encode_image(self) -> Target:
        batches = self._rotated(lambda number: self._pixels_of(number).to(self.model.device))
        return lambda number: self._image_embeddings(batches[number % len(batches)])

    def _encode_text(self) -> Target:
        return lambda number: self._text_embeddings(
            self.inputs.prompt_batch(number, self.batch_size)
        )

    def _classify(self) -> Target:
        weights = self._text_embeddings(self.inputs.prompts)
        batches = self._rotated(lambda number: self._image_embeddings(self._pixels_of(number)))
        return lambda number: self._best(batches[number % len(batches)], weights)

    def _end_to_end(self) -> Target:
        weights = self._text_embeddings(self.inputs.prompts)
        return lambda number: self._best(self._image_embeddings(self._pixels_of(number)), weights)

    def _rotated(self, make: Callable[[int], torch.Tensor]) -> Sequence[torch.Tensor]:
        return [make(number) for number in range(N_ROTATED)]

    def _pixels_of(self, number: int) -> torch.Tensor:
        return self._pixels(self.inputs.photo_batch(number, self.batch_size))

    def _pixels(self, files: Sequence[bytes]) -> torch.Tensor:
        preprocess = self.model.preprocess
        return torch.stack(list(self.pool.map(lambda file: preprocess(read_rgb(file)), files)))

    def _image_embeddings(self, pixels: torch.Tensor) -> torch.Tensor:
        return normalize(self.tower.encode(pixels).float(), dim=-1)

    def _text_embeddings(self, prompts: Sequence[str]) -> torch.Tensor:
        tokens = self.model.tokenizer(prompts)
        return normalize(self.model.encode_text(tokens).float(), dim=-1)

    def _best(self, embeddings: torch.Tensor, weights: torch.Tensor) -> tuple[torch.Tensor, ...]:
        logits = self.model.logit_scale * embeddings.to(weights.device) @ weights.T
        best = logits.softmax(dim=-1).topk(min(TOP, len(weights)), dim=-1)
        return best.values.cpu(), best.indices.cpu()
