"""Holds the one model that is in memory."""

from __future__ import annotations

import time
from dataclasses import dataclass, field, replace

from clipeval.devices import resolve_device
from clipeval.encode import PromptEncoder
from clipeval.errors import ClipEvalError, without_traceback
from clipeval.models import ClipModel, load_model
from clipeval.records import ModelSpec, Precision


@dataclass(frozen=True, slots=True, eq=False, weakref_slot=True)
class LoadedModel:
    """A model, and what loading it took. Compared by identity: another load is another model."""

    model: ClipModel
    prompts: PromptEncoder
    load_s: float


@dataclass(slots=True)
class ModelSlot:
    """One model at a time: two may not fit side by side."""

    _key: tuple[ModelSpec, str, Precision] | None = field(default=None, init=False)
    _loaded: LoadedModel | ClipEvalError | None = field(default=None, init=False)

    def load(self, spec: ModelSpec, *, device: str, precision: Precision) -> LoadedModel:
        """Load a model, or return it if it is the one in memory.

        Raises:
            ModelError, DeviceError: see load_model and resolve_device.
        """
        # Where a model was named makes no other model of it.
        key = (replace(spec, where=""), resolve_device(device), precision)
        if self._loaded is None or key != self._key:
            self._loaded = None  # freed before the next one is there
            self._loaded = _load(*key)
            self._key = key
        if isinstance(self._loaded, ClipEvalError):
            raise self._loaded
        return self._loaded


def _load(spec: ModelSpec, device: str, precision: Precision) -> LoadedModel | ClipEvalError:
    """Load a model; one that cannot be loaded is not tried again for every template."""
    started = time.perf_counter()
    try:
        model = load_model(spec, device=device, precision=precision)
    except ClipEvalError as error:
        return without_traceback(error)
    return LoadedModel(model, PromptEncoder(model), time.perf_counter() - started)
