"""Which backend runs an image tower: what was asked for, or for `auto` what measuring says."""

from __future__ import annotations

import time
from dataclasses import dataclass

from clipeval.backends import account, candidates, check_backend, pick, worth_measuring
from clipeval.datasets import ImageDataset
from clipeval.engine.model_slot import ModelHandle
from clipeval.errors import BackendError
from clipeval.records import (
    DEFAULT_BACKEND,
    BackendChoice,
    BackendName,
    BackendTiming,
    Notice,
    Precision,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class ChosenBackend:
    """What runs the image tower for one data set."""

    name: BackendName
    precision: Precision
    """Of the image tower."""
    notices: tuple[Notice, ...] = ()
    """For `auto`: what was measured and picked."""
    measured_s: float = 0.0
    """Seconds that measuring took."""


def choose_backend(
    model: ModelHandle, dataset: ImageDataset, choice: BackendChoice, precision: Precision
) -> ChosenBackend:
    """Say what runs the image tower of a model for a data set.

    `auto` counts all images of the data set, cached or not: another choice would find none of them cached.
    The same suite so makes the same choice again, from what was remembered and without loading the model.

    Raises:
        BackendError: it is not installed, cannot run what is asked, or for `auto` none can.
        ModelError, DeviceError, DatasetError: the model cannot be loaded, or no image be read.
    """
    device = model.description.device
    check_backend(choice, device=device, precision=precision)
    if choice != "auto":
        return ChosenBackend(name=choice, precision=precision)
    n_images = len(dataset.samples)
    measured = _Measured(model, dataset, precision, model.backend_timings(precision))
    names = candidates(device=device, precision=precision)
    torch = measured.of(DEFAULT_BACKEND) if DEFAULT_BACKEND in names else None
    asked = [measured.of(name) for name in worth_measuring(names, torch, n_images=n_images)]
    best = pick(asked, n_images=n_images)
    told = account(asked, n_images=n_images)
    if measured.is_new:
        model.remember_backends(precision, measured.timings)
        if best is not None:
            model.encoder().keep_only(best.backend, precision)
    setting = f"model '{model.spec.id}' on {device} in {precision}"
    if best is None:
        raise BackendError(f"backend 'auto' finds none that runs {setting}; {told}")
    left_out = [name for name in names if name not in {one.backend for one in asked}]
    why = f"; {', '.join(left_out)} would not win back the time to build" if left_out else ""
    when = "" if measured.is_new else " in an earlier run"
    notice = Notice(
        "backend-chosen",
        f"backend 'auto' picked {best.backend} for {setting} and data set '{dataset.key}'; "
        f"measured{when}, {told}{why}.",
    )
    return ChosenBackend(
        name=best.backend,
        precision=precision,
        notices=(notice,),
        measured_s=measured.seconds,
    )


class _Measured:
    """What is known of backends, and measures what is not."""

    def __init__(
        self,
        model: ModelHandle,
        dataset: ImageDataset,
        precision: Precision,
        known: tuple[BackendTiming, ...],
    ) -> None:
        self._model, self._dataset, self._precision = model, dataset, precision
        self._timings = {one.backend: one for one in known}
        self.is_new = False
        self.seconds = 0.0
        """That measuring took; loading the model is no part of it."""

    @property
    def timings(self) -> tuple[BackendTiming, ...]:
        return tuple(self._timings.values())

    def of(self, backend: BackendName) -> BackendTiming:
        if backend not in self._timings:
            encoder = self._model.encoder()
            started = time.perf_counter()
            self._timings[backend] = encoder.measure(backend, self._precision, self._dataset)
            self.seconds += time.perf_counter() - started
            self.is_new = True
        return self._timings[backend]
