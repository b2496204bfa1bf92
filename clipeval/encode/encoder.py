"""A loaded model as the engine sees it: embeddings out of images and prompts."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import torch

from clipeval.datasets import ImageDataset, ImageReadError
from clipeval.encode.backends import ImageTower, build_tower, measure_backend
from clipeval.encode.gpu_decoding import check_gpu_decoding
from clipeval.encode.images import Remember, encode_images
from clipeval.encode.prompts import PromptEncoder
from clipeval.errors import DatasetError
from clipeval.file_stamps import FileStamp
from clipeval.models import ClipModel, load_model
from clipeval.progress import Progress
from clipeval.prompts import ClassPrompts, check_tokens
from clipeval.records import (
    DEFAULT_BACKEND,
    BackendName,
    BackendTiming,
    ImageEmbeddings,
    ModelDescription,
    ModelSpec,
    OnError,
    Precision,
    PromptEmbeddings,
    TokenizedPrompt,
)

N_MEASURED = 16
"""Images of the batch that backends are timed on: seconds for a large model on a CPU, and no more."""


@dataclass(frozen=True, slots=True, eq=False)
class ClipEncoder:
    """A model in memory; its text tower is looked at once, and a backend is built once."""

    model: ClipModel
    load_s: float
    _prompts: PromptEncoder
    _towers: dict[tuple[BackendName, Precision], ImageTower] = field(default_factory=dict)

    @classmethod
    def load(cls, spec: ModelSpec, *, device: str, precision: Precision) -> ClipEncoder:
        """Load a model.

        Raises:
            ModelError, DeviceError: see load_model; also of `decode: gpu` without a CUDA GPU.
        """
        started = time.perf_counter()
        model = load_model(spec, device=device, precision=precision)
        if spec.decode == "gpu":
            check_gpu_decoding(model)
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

    def tokenized(self, prompts: Sequence[str]) -> tuple[TokenizedPrompt, ...]:
        """Return prompts as the tokenizer sees them."""
        return tuple(self.model.tokenizer.tokenized(prompt) for prompt in prompts)

    def encode_images(
        self,
        dataset: ImageDataset,
        indices: Sequence[int],
        *,
        batch_size: int,
        on_error: OnError,
        progress: Progress,
        remember: Remember,
        backend: BackendName = DEFAULT_BACKEND,
        precision: Precision | None = None,
    ) -> ImageEmbeddings:
        """Encode some images of a data set.

        The options are those of clipeval.encode.encode_images; `backend` runs the image tower and is built
        if it was not yet, in `precision`, or in the model's if that is None.

        Raises:
            BackendError: see build_tower.
            DatasetError, EncodingError: see clipeval.encode.encode_images.
        """
        started = time.perf_counter()
        tower = self._tower(backend, precision or self.model.precision)
        build_s = 0.0 if backend == DEFAULT_BACKEND else time.perf_counter() - started
        images = encode_images(
            self.model,
            dataset,
            indices,
            batch_size=batch_size,
            on_error=on_error,
            progress=progress,
            remember=remember,
            image_tower=tower,
        )
        return replace(images, backend=backend, build_s=build_s)

    def measure(
        self, backend: BackendName, precision: Precision, dataset: ImageDataset
    ) -> BackendTiming:
        """Build a backend and time it on images of a data set; if it works, it need not be built again.

        Raises:
            DatasetError: no image of the data set can be read.
        """
        pixels = _pixels(self.model, dataset)
        timing, tower = measure_backend(self.model, backend, precision, pixels)
        if tower is not None:
            self._towers[backend, precision] = tower
        return timing

    def keep_only(self, backend: BackendName, precision: Precision) -> None:
        """Let go of all backends that were built but this one, and torch: each has weights of its own."""
        for key in set(self._towers) - {(backend, precision)}:
            if key[0] != DEFAULT_BACKEND:
                del self._towers[key]

    def encode_prompts(self, prompts: Sequence[str], *, progress: Progress) -> PromptEmbeddings:
        """Encode prompts. Raises: see PromptEncoder.encode."""
        return self._prompts.encode(prompts, progress=progress)

    def _tower(self, backend: BackendName, precision: Precision) -> ImageTower:
        """Return a tower, and let go of those that others were: each has weights of its own."""
        key = (backend, precision)
        tower = self._towers.pop(key, None)
        if backend != DEFAULT_BACKEND:  # torch has no weights but the model's
            self._towers.clear()
        self._towers[key] = tower or build_tower(self.model, backend, precision)
        return self._towers[key]


def _pixels(model: ClipModel, dataset: ImageDataset) -> torch.Tensor:
    """Return (B, 3, H, W) of the first readable images of a data set."""
    found: list[torch.Tensor] = []
    for index in range(len(dataset.samples)):
        try:
            found.append(model.preprocess(dataset.load(index).image))
        except ImageReadError:
            continue
        if len(found) == N_MEASURED:
            break
    if not found:
        raise DatasetError(f"data set '{dataset.key}': none of its images can be read")
    return torch.stack(found)
