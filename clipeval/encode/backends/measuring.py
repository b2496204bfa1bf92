"""How fast a backend runs a model on real images."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

import torch

from clipeval.devices import is_out_of_memory, synchronize
from clipeval.encode.backends.building import build_tower, check_agreement
from clipeval.encode.backends.tower import ImageTower
from clipeval.encode.intra_op import RunTower, spread_over_cores
from clipeval.errors import BackendError
from clipeval.models import ClipModel
from clipeval.records import BackendName, BackendTiming, Precision

N_ROUNDS = 3
"""The fastest counts: what else the machine does only ever adds time."""
LONG_ENOUGH_S = 1.0
"""No further round after so long: disturbances are a smaller part of a long one, and a run waits for this."""


def measure_backend(
    model: ClipModel, backend: BackendName, precision: Precision, pixels: torch.Tensor
) -> tuple[BackendTiming, ImageTower | None]:
    """Build a backend, compare it with torch on real images, and take its time.

    Args:
        model: see build_tower.
        backend: which.
        precision: what its tower computes in.
        pixels: (B, 3, H, W) float32, real images.
    Returns:
        What was found, and the tower, so that it need not be built again; a backend that cannot be used is
        no error: the timing says why.
    """
    started = time.perf_counter()
    try:
        tower = build_tower(model, backend, precision)
        build_s = time.perf_counter() - started
        features = tower.encode(pixels)
        if backend != "torch":
            check_agreement(model, features, pixels, backend=backend, precision=precision)
        with _as_it_runs(model, backend, tower) as run:
            fastest_s = _fastest(model, run, pixels)
    except BackendError as error:
        return _not_usable(backend, str(error)), None
    except Exception as error:  # what they raise has no common base
        if backend == "torch" and not is_out_of_memory(error):
            raise
        what = f"{type(error).__name__} on {len(pixels)} images: {error}"
        return _not_usable(backend, what.splitlines()[0]), None
    build_s = 0.0 if backend == "torch" else build_s
    timing = BackendTiming(
        backend=backend, build_s=build_s, s_per_image=max(fastest_s, 1e-9) / len(pixels)
    )
    return timing, tower


def _not_usable(backend: BackendName, problem: str) -> BackendTiming:
    return BackendTiming(backend=backend, build_s=0, s_per_image=0, problem=problem)


@contextmanager
def _as_it_runs(model: ClipModel, backend: BackendName, tower: ImageTower) -> Iterator[RunTower]:
    """Give a tower as encode_images runs it: torch eager spread over cores."""
    if backend != "torch":
        yield tower.encode
        return
    with spread_over_cores(model) as run:
        yield run


def _fastest(model: ClipModel, run: RunTower, pixels: torch.Tensor) -> float:
    taken: list[float] = []
    while len(taken) < N_ROUNDS and sum(taken) < LONG_ENOUGH_S:
        taken.append(_seconds(model, run, pixels))
    return min(taken)


def _seconds(model: ClipModel, run: RunTower, pixels: torch.Tensor) -> float:
    synchronize(model.device)
    started = time.perf_counter()
    run(pixels)
    synchronize(model.device)
    return time.perf_counter() - started
