"""A loaded model as the engine sees it: embeddings out of images and prompts."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from clipeval.datasets import ImageDataset
from clipeval.encode.images import Remember, encode_images
from clipeval.encode.prompts import PromptEncoder
from clipeval.file_stamps import FileStamp
from clipeval.models import ClipModel, load_model
from clipeval.progress import Progress
from clipeval.prompts import ClassPrompts, check_tokens
from clipeval.records import (
    ImageEmbeddings,
    ModelDescription,
    ModelSpec,
    OnError,
    Precision,
    PromptEmbeddings,
)


@dataclass(frozen=True, slots=True, eq=False)
class ClipEncoder:
    """A model in memory; its text tower is looked at once."""

    model: ClipModel
    load_s: float
    _prompts: PromptEncoder

    @classmethod
    def load(cls, spec: ModelSpec, *, device: str, precision: Precision) -> ClipEncoder:
        """Load a model.

        Raises:
            ModelError, DeviceError: see load_model.
        """
        started = time.perf_counter()
        model = load_model(spec, device=device, precision=precision)
        return cls(model, time.perf_counter() - started, PromptEncoder(model))

    @property
    def description(self) -> ModelDescription:
        """All that scoring needs to know of the model."""
        model = self.model
        return ModelDescription(record=model.record, device=model.device, notices=model.notices)

    @property
    def files(self) -> tuple[FileStamp, ...] | None:
        """What the model was read from; None if not all of it is known."""
        return self.model.files

    def check_tokens(self, prompts: ClassPrompts, *, where: str) -> Mapping[str, tuple[int, ...]]:
        """Check prompts as the tokenizer sees them; return the ids of each distinct one.

        Raises:
            PromptError: see clipeval.prompts.check_tokens.
        """
        return check_tokens(
            prompts,
            self.model.tokenizer.token_ids,
            context_length=self.model.record.context_length,
            where=where,
        )

    def encode_images(
        self,
        dataset: ImageDataset,
        indices: Sequence[int],
        *,
        batch_size: int,
        on_error: OnError,
        progress: Progress,
        remember: Remember,
    ) -> ImageEmbeddings:
        """Encode some images of a data set. Raises: see clipeval.encode.encode_images."""
        return encode_images(
            self.model,
            dataset,
            indices,
            batch_size=batch_size,
            on_error=on_error,
            progress=progress,
            remember=remember,
        )

    def encode_prompts(self, prompts: Sequence[str], *, progress: Progress) -> PromptEmbeddings:
        """Encode prompts. Raises: see PromptEncoder.encode."""
        return self._prompts.encode(prompts, progress=progress)
