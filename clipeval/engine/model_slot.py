"""Holds the one model that is in use, and loads it when something has to be encoded."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from typing import Protocol

from clipeval.datasets import ImageDataset
from clipeval.engine.spaces import backends_key, model_key, tokens_key
from clipeval.errors import ClipEvalError, ModelError, without_traceback
from clipeval.file_stamps import FileStamp
from clipeval.progress import Progress
from clipeval.prompts import ClassPrompts
from clipeval.records import (
    BackendName,
    BackendTiming,
    BackendTimings,
    ImageEmbeddings,
    ModelDescription,
    ModelSpec,
    OnError,
    Precision,
    PromptEmbeddings,
    TokenizedPrompt,
)
from clipeval.records.results import FloatArray
from clipeval.store import Memory

Remember = Callable[[Sequence[str], FloatArray], None]
"""Takes SHA-256 of contents and (N, D) embeddings, as soon as there are some."""


class Encoder(Protocol):
    """A loaded model: clipeval.encode.ClipEncoder, which imports torch, and so is not named here."""

    @property
    def model(self) -> object:
        """The ClipModel."""

    @property
    def load_s(self) -> float:
        """Seconds that loading took."""

    @property
    def description(self) -> ModelDescription:
        """All that scoring needs to know of the model."""

    @property
    def files(self) -> tuple[FileStamp, ...] | None:
        """What the model was read from, as it was before; None if not all of it is known."""

    def check_tokens(self, prompts: ClassPrompts, *, where: str) -> Mapping[str, tuple[int, ...]]:
        """Check prompts as the tokenizer sees them; return the ids of each distinct one."""

    def tokenized(self, prompts: Sequence[str]) -> tuple[TokenizedPrompt, ...]:
        """Return prompts as the tokenizer sees them."""

    def encode_images(
        self,
        dataset: ImageDataset,
        indices: Sequence[int],
        *,
        batch_size: int,
        on_error: OnError,
        progress: Progress,
        remember: Remember,
        backend: BackendName,
        precision: Precision,
    ) -> ImageEmbeddings:
        """Encode some images of a data set with a backend, in the precision of its image tower."""

    def measure(
        self, backend: BackendName, precision: Precision, dataset: ImageDataset
    ) -> BackendTiming:
        """Build a backend and time it on images of a data set."""

    def keep_only(self, backend: BackendName, precision: Precision) -> None:
        """Let go of all backends that were built but this one, and torch."""

    def encode_prompts(self, prompts: Sequence[str], *, progress: Progress) -> PromptEmbeddings:
        """Encode prompts."""


class LoadEncoder(Protocol):
    """Loads a model."""

    def __call__(self, spec: ModelSpec, *, device: str, precision: Precision) -> Encoder:
        """Load a model. Raises: ModelError, DeviceError."""


@dataclass(slots=True, eq=False, weakref_slot=True)
class ModelHandle:
    """A model that is loaded when it is needed. Compared by identity: another load is another model."""

    spec: ModelSpec
    device: str
    """As it was asked for."""
    precision: Precision
    """What torch holds it in; the image tower of a backend may compute in another."""
    _load: LoadEncoder
    _memory: Memory | None
    _known: ModelDescription | None = field(default=None, init=False)
    _encoder: Encoder | ClipEvalError | None = field(default=None, init=False)
    _timings: dict[Precision, tuple[BackendTiming, ...]] = field(default_factory=dict, init=False)
    """Of backends, as far as this process knows."""

    @property
    def description(self) -> ModelDescription:
        """What is known of the model: from an earlier run if its files have not changed, else loaded.

        Raises:
            ModelError, DeviceError: it cannot be loaded.
        """
        if self._known is None and self._memory is not None:
            self._known = self._memory.model(self._key)
        return self._known or self.encoder().description

    @property
    def is_loaded(self) -> bool:
        """Whether the model is in memory."""
        return self._encoder is not None and not isinstance(self._encoder, ClipEvalError)

    @property
    def load_s(self) -> float:
        """Seconds that loading took; 0 if it was not needed."""
        if self._encoder is None or isinstance(self._encoder, ClipEvalError):
            return 0.0
        return self._encoder.load_s

    def encoder(self) -> Encoder:
        """Return the loaded model; one that cannot be loaded is not tried again for every template.

        Raises:
            ModelError, DeviceError: it cannot be loaded, or is not what was remembered.
        """
        if self._encoder is None:
            try:
                self._encoder = self._loaded()
            except ClipEvalError as error:
                self._encoder = without_traceback(error)
        if isinstance(self._encoder, ClipEvalError):
            raise self._encoder
        return self._encoder

    def _loaded(self) -> Encoder:
        since = time.time()
        encoder = self._load(self.spec, device=self.device, precision=self.precision)
        known, found = self._known, encoder.description
        if known is not None and (changes := _differences(known, found)):
            # Cells were perhaps scored as if it were the other one: nothing more is, and the run fails.
            self._known = None
            if self._memory is not None:
                self._memory.forget(self._key)
            raise ModelError(
                f"model '{self.spec.id}' is not what an earlier run found, though its files look the same "
                f"(another {', '.join(changes)}); what was remembered of it is forgotten: run again"
            )
        self._known = found
        if self._memory is not None and encoder.files is not None and known is None:
            self._memory.remember_model(self._key, found, encoder.files, since=since)
        return encoder

    def tokenized(self, prompts: Sequence[str]) -> tuple[TokenizedPrompt, ...]:
        """Return prompts as the tokenizer sees them; from an earlier run, if it showed the same ones.

        Raises:
            ModelError, DeviceError: the model cannot be loaded.
        """
        key = tokens_key(self.description, prompts)
        known = None if self._memory is None else self._memory.tokens(key)
        if known is None:
            known = self.encoder().tokenized(prompts)
            if self._memory is not None:
                self._memory.remember_tokens(key, known)
        return known

    def backend_timings(self, precision: Precision) -> tuple[BackendTiming, ...]:
        """Return what this run or an earlier one measured of backends in a precision."""
        if precision not in self._timings and self._memory is not None:
            known = self._memory.backends(self._backends_key(precision))
            self._timings[precision] = known.timings if known is not None else ()
        return self._timings.get(precision, ())

    def remember_backends(self, precision: Precision, timings: tuple[BackendTiming, ...]) -> None:
        """Keep what was measured of backends; for later runs not what failed, which may have been mended."""
        self._timings[precision] = timings
        files = self.encoder().files
        if self._memory is not None and files is not None:
            usable = BackendTimings(timings=tuple(one for one in timings if not one.problem))
            self._memory.remember_backends(self._backends_key(precision), usable, files)

    def _backends_key(self, precision: Precision) -> str:
        return backends_key(
            self.spec, device=self.device, encoder_precision=self.precision, precision=precision
        )

    @property
    def _key(self) -> str:
        return model_key(self.spec, device=self.device, precision=self.precision)


@dataclass(slots=True)
class ModelSlot:
    """One model at a time: two may not fit side by side."""

    load: LoadEncoder
    memory: Memory | None = None
    _handle: ModelHandle | None = field(default=None, init=False)

    def get(self, spec: ModelSpec, *, device: str, precision: Precision) -> ModelHandle:
        """Return a model, the same as before if it is the last one that was asked for."""
        # Where a model was named makes no other model of it.
        spec, last = replace(spec, where=""), self._handle
        if last and (last.spec, last.device, last.precision) == (spec, device, precision):
            return last
        self._handle = last = None  # freed before the next one is there
        self._handle = ModelHandle(spec, device, precision, self.load, self.memory)
        return self._handle

    def release(self) -> None:
        """Let go of the model: somebody else needs the memory."""
        self._handle = None

    def remembers(self, spec: ModelSpec, *, device: str, precision: Precision) -> bool:
        """Say whether an earlier run loaded this very model: then nothing is wrong with its spec."""
        key = model_key(spec, device=device, precision=precision)
        return self.memory is not None and self.memory.model(key) is not None


def _differences(known: ModelDescription, found: ModelDescription) -> tuple[str, ...]:
    """Name what of a model that was remembered turned out to be otherwise."""
    wrong = [
        one.name
        for one in fields(known.record)
        if getattr(known.record, one.name) != getattr(found.record, one.name)
    ]
    return (*wrong, *(["device"] if known.device != found.device else []))
