"""Backends of the image tower: what can be named, what is installed, what it can run. Needs no torch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from importlib.metadata import PackageNotFoundError, version

from clipeval.errors import BackendError
from clipeval.records import BackendChoice, BackendName, BackendTiming, Precision
from clipeval.wording import count

WORTH_BUILDING_S: dict[BackendName, float] = {
    "torch": 0.0,
    "compile": 60.0,
    "openvino": 30.0,
    "onnxruntime": 60.0,
}
"""How long torch must take for all images before `auto` builds another backend only to measure it.

What building one takes for ViT-B-32 on 2 cores, twice: an unmeasured gain of a factor of two pays for it.
"""
MIN_GAIN = 0.05
"""By which share of torch's time another backend must be faster: less is within the noise of measuring."""


@dataclass(frozen=True, slots=True)
class _Backend:
    packages: tuple[str, ...]
    """Distributions beside torch that it needs; the first one's version tells it from others."""
    precisions: tuple[Precision, ...]
    only_on_cpu: bool


_BACKENDS: dict[BackendName, _Backend] = {
    "torch": _Backend((), ("fp32", "bf16", "fp16"), only_on_cpu=False),
    "compile": _Backend((), ("fp32", "bf16", "fp16"), only_on_cpu=False),
    "openvino": _Backend(("openvino",), ("fp32", "bf16"), only_on_cpu=True),
    "onnxruntime": _Backend(
        ("onnxruntime", "onnx", "onnxscript"), ("fp32", "int8"), only_on_cpu=True
    ),
}
BACKEND_NAMES: tuple[BackendName, ...] = tuple(_BACKENDS)


def check_backend(backend: BackendChoice, *, device: str, precision: Precision) -> None:
    """Refuse a backend that is not installed or cannot run what is asked of it.

    Args:
        backend: as asked for.
        device: as asked for; of `auto` nothing can be said before it is resolved.
        precision: of the image tower.
    Raises:
        BackendError: what to install, or what to ask for instead.
    """
    if backend == "auto":
        if not candidates(device=device, precision=precision):
            able = _able(device=device, precision=precision)
            installing = "; or ".join(_how_to_install(name) for name in able)
            raise BackendError(
                f"backend 'auto' finds none that runs {precision} on {device}; "
                f"{installing or 'use precision fp32'}"
            )
        return
    problem = _inability(backend, device=device, precision=precision)
    if problem:
        raise BackendError(problem)
    missing = _missing(backend)
    if missing:
        raise BackendError(
            f"backend '{backend}' needs {' and '.join(missing)}, not installed here; "
            f"{_how_to_install(backend)}"
        )


def candidates(*, device: str, precision: Precision) -> tuple[BackendName, ...]:
    """Return the backends that are installed and able, torch first."""
    able = _able(device=device, precision=precision)
    return tuple(name for name in able if not _missing(name))


def backend_version(backend: BackendName) -> str:
    """Return what tells one version of a backend from another; torch's own is known elsewhere."""
    return " ".join(_version(package) or "none" for package in _BACKENDS[backend].packages)


def encoder_precision(precision: Precision) -> Precision:
    """Return the precision that torch loads a model in: int8 is made of fp32, which texts stay in."""
    return "fp32" if precision == "int8" else precision


def worth_measuring(
    names: Sequence[BackendName], torch: BackendTiming | None, *, n_images: int
) -> tuple[BackendName, ...]:
    """Return the backends that could win back what it takes to build them.

    Args:
        names: candidates.
        torch: what torch eager takes; None where it cannot run the precision.
        n_images: how many are to be encoded.
    """
    if torch is None:
        return tuple(names)
    total_s = n_images * torch.s_per_image
    return tuple(name for name in names if total_s >= WORTH_BUILDING_S[name])


def pick(timings: Sequence[BackendTiming], *, n_images: int) -> BackendTiming | None:
    """Return the backend that has the images encoded first, counting the time to build it.

    Args:
        timings: what was measured; torch eager, if among them, is left for one that is faster by MIN_GAIN
            alone, and for one that was worth measuring for so many images.
        n_images: how many are to be encoded.
    Returns:
        None if none of them can be used.
    """
    usable = [one for one in timings if not one.problem]
    torch = next((one for one in usable if one.backend == "torch"), None)
    worth = worth_measuring([one.backend for one in usable], torch, n_images=n_images)
    best = min(
        (one for one in usable if one.backend in worth),
        key=lambda one: total_s(one, n_images=n_images),
        default=None,
    )
    if best is None or torch is None:
        return best
    is_faster = total_s(best, n_images=n_images) <= (1 - MIN_GAIN) * total_s(
        torch, n_images=n_images
    )
    return best if is_faster else torch


def total_s(timing: BackendTiming, *, n_images: int) -> float:
    """Return the seconds from nothing to all images encoded."""
    return timing.build_s + n_images * timing.s_per_image


def account(timings: Sequence[BackendTiming], *, n_images: int) -> str:
    """Say what was measured: `torch 16.1 images/s, compile 17.9 images/s after 41 s, ...`."""
    return f"for {count(n_images, 'image')}: " + ", ".join(map(_told, timings))


def _told(one: BackendTiming) -> str:
    if one.problem:
        return f"{one.backend} not usable ({one.problem})"
    after = f" after {one.build_s:.1f} s" if one.backend != "torch" else ""
    return f"{one.backend} {1 / one.s_per_image:,.1f} images/s{after}"


def _able(*, device: str, precision: Precision) -> tuple[BackendName, ...]:
    return tuple(
        name for name in _BACKENDS if not _inability(name, device=device, precision=precision)
    )


def _inability(backend: BackendName, *, device: str, precision: Precision) -> str:
    """Return why a backend cannot run what is asked of it; nothing if it can."""
    known = _BACKENDS[backend]
    if precision not in known.precisions:
        others = [name for name, one in _BACKENDS.items() if precision in one.precisions]
        return (
            f"backend '{backend}' has no {precision}, only {', '.join(known.precisions)}; "
            f"use --backend {' or '.join(others)} for {precision}, or another --precision"
        )
    if known.only_on_cpu and device not in ("cpu", "auto"):
        return (
            f"backend '{backend}' runs on cpu, not on {device}; use --device cpu, or backend torch"
        )
    return ""


def _missing(backend: BackendName) -> list[str]:
    return [package for package in _BACKENDS[backend].packages if _version(package) is None]


def _how_to_install(backend: BackendName) -> str:
    return f"pip install 'clipeval[{backend}]'"


@cache
def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None
