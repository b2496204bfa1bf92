"""Holds the one model that is in memory."""

from __future__ import annotations

import time
from dataclasses import dataclass, field

from clipeval.devices import resolve_device
from clipeval.models import ClipModel, load_model
from clipeval.records import ModelSpec, Precision


@dataclass(frozen=True, slots=True, eq=False)
class LoadedModel:
    """A model, and what loading it took. Compared by identity: another load is another model."""

    model: ClipModel
    load_s: float


@dataclass(slots=True)
class ModelSlot:
    """One model at a time: two may not fit side by side."""

    _key: tuple[ModelSpec, str, Precision] | None = field(default=None, init=False)
    _loaded: LoadedModel | None = field(default=None, init=False)

    def load(self, spec: ModelSpec, *, device: str, precision: Precision) -> LoadedModel:
        """Load a model, or return it if it is the one in memory.

        Raises:
            ModelError, DeviceError: see load_model and resolve_device.
        """
        key = (spec, resolve_device(device), precision)
        if self._loaded is None or key != self._key:
            self._loaded = None  # freed before the next one is there
            started = time.perf_counter()
            model = load_model(spec, device=key[1], precision=precision)
            self._loaded = LoadedModel(model, time.perf_counter() - started)
            self._key = key
        return self._loaded
