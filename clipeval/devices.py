"""Devices and precisions: what can be named, what is there, and what it can run."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch

from clipeval.errors import DeviceError, did_you_mean
from clipeval.records import MachineFacts, Precision

DEVICE_NAMES = ("auto", "cpu", "cuda", "cuda:N", "mps")
_DTYPES: dict[Precision, torch.dtype] = {
    "fp32": torch.float32,
    "bf16": torch.bfloat16,
    "fp16": torch.float16,
}
_OUT_OF_MEMORY = (
    "out of memory",  # CUDA, HIP and MPS, also as a plain RuntimeError
    "invalid buffer size",  # MPS, of more than one buffer may hold
    "can't allocate memory",  # torch's CPU allocator
    "not enough memory",  # the same on Windows
    "std::bad_alloc",
    "_status_alloc_failed",  # cuBLAS and cuDNN, which allocate past torch
)
_CUDA = re.compile(r"cuda(?::(?P<index>\d+))?")


def available_devices() -> tuple[str, ...]:
    """Return the devices that torch can use here, `cpu` first, every GPU by its index."""
    gpus = [f"cuda:{index}" for index in range(_n_gpus())]
    return ("cpu", *gpus, *(["mps"] if torch.backends.mps.is_available() else []))


def describe_gpus() -> tuple[str, ...]:
    """Return name and memory of every GPU that torch can use, such as `NVIDIA H200 (140 GiB)`."""
    properties = [torch.cuda.get_device_properties(index) for index in range(_n_gpus())]
    gpus = [f"{gpu.name} ({gpu.total_memory / 2**30:.0f} GiB)" for gpu in properties]
    return (*gpus, *(["Apple GPU (mps)"] if torch.backends.mps.is_available() else []))


def describe_machine() -> MachineFacts:
    """Return what torch says of this machine."""
    return MachineFacts(n_threads=torch.get_num_threads(), gpus=describe_gpus())


def resolve_device(name: str) -> str:
    """Turn a device name into a device that is there.

    Args:
        name: `auto` (a CUDA GPU if there is one, else mps, else cpu), or one of DEVICE_NAMES.
    Returns:
        What was asked for, or what `auto` found: `cuda`, `mps` or `cpu`.
    Raises:
        DeviceError: the name is unknown, or the device is not there; never the CPU in its place.
    """
    if name == "auto":
        if _n_gpus():
            return "cuda"
        return "mps" if torch.backends.mps.is_available() else "cpu"
    if name == "cpu":
        return name
    if name == "mps":
        return _resolve_mps()
    match = _CUDA.fullmatch(name)
    if match is None:
        raise DeviceError(
            f"unknown device '{name}'{did_you_mean(name, DEVICE_NAMES)}; "
            f"expected one of {', '.join(DEVICE_NAMES)}"
        )
    return _resolve_cuda(name, int(match["index"] or 0))


def torch_dtype(precision: Precision) -> torch.dtype:
    """Return the dtype that a precision stands for.

    Raises:
        DeviceError: the precision is unknown.
    """
    if precision == "int8":
        raise DeviceError(
            "torch does not run models in int8; use clipeval run --backend onnxruntime, or precision fp32"
        )
    if precision not in _DTYPES:
        raise DeviceError(
            f"unknown precision '{precision}'{did_you_mean(precision, _DTYPES)}; "
            f"expected one of {', '.join(_DTYPES)}"
        )
    return _DTYPES[precision]


def check_precision(device: str, precision: Precision) -> None:
    """Refuse a precision that the device cannot run.

    bf16 on a CUDA GPU must be native: emulated, it is slower than fp32 and says nothing about
    bf16. fp16 on a CPU runs, if slowly, and is allowed.

    Args:
        device: from resolve_device.
        precision: of the model's weights and inputs.
    Raises:
        DeviceError: the precision is unknown, or the device cannot multiply matrices in it.
    """
    dtype = torch_dtype(precision)
    if precision == "fp32":
        return
    if device.startswith("cuda") and precision == "bf16":
        with torch.cuda.device(device):
            if not torch.cuda.is_bf16_supported(including_emulation=False):
                raise DeviceError(
                    f"{device} ({torch.cuda.get_device_name()}) has no native bf16; "
                    "use precision fp32 or fp16"
                )
    try:
        square = torch.ones(2, 2, dtype=dtype, device=device)
        torch.nn.functional.layer_norm(square @ square, (2,))
    except (RuntimeError, TypeError) as error:
        if is_out_of_memory(error):
            raise DeviceError(
                f"{device} has no memory left, not even for a few numbers: {error}; "
                "end what else runs on it, or use another device"
            ) from error
        raise DeviceError(
            f"{device} cannot compute in {precision}: {error}; use precision fp32"
        ) from error


def synchronize(device: str) -> None:
    """Wait until the device has done all that it was given; a CPU always has."""
    if device.startswith("cuda"):
        torch.cuda.synchronize(device)
    elif device == "mps":
        torch.mps.synchronize()


def is_out_of_memory(error: BaseException) -> bool:
    """Tell errors that a smaller batch may avoid from all others.

    Only CUDA has a type for them: other devices and the libraries below torch raise RuntimeError.
    """
    if isinstance(error, torch.OutOfMemoryError | MemoryError):
        return True
    text = str(error).lower()
    return isinstance(error, RuntimeError) and any(phrase in text for phrase in _OUT_OF_MEMORY)


def release_unused_memory(device: str) -> None:
    """Give back what torch keeps of the device's memory for later; a CPU has no such store."""
    if device.startswith("cuda"):
        torch.cuda.empty_cache()
    elif device == "mps":
        torch.mps.empty_cache()


@contextmanager
def full_precision(device: str, precision: Precision) -> Iterator[None]:
    """Compute fp32 on CUDA in float32 meanwhile, not in TF32, which has 10 bits of mantissa.

    cuDNN's convolutions use TF32 by default. The settings are the process's, so they are put back.

    Args:
        device: from resolve_device; settings are left alone if it is no CUDA GPU.
        precision: of the model; settings are left alone if it is not fp32.
    """
    if not device.startswith("cuda") or precision != "fp32":
        yield
        return
    settings = _tf32_settings()
    before = [getattr(owner, name) for owner, name, _ in settings]
    try:
        for owner, name, off in settings:
            setattr(owner, name, off)
        yield
    finally:
        for (owner, name, _), value in zip(settings, before, strict=True):
            setattr(owner, name, value)


def _tf32_settings() -> tuple[tuple[Any, str, object], ...]:
    """Return (owner, name, value without TF32) of what decides on TF32."""
    matmul = torch.backends.cuda.matmul
    if hasattr(torch.backends.cudnn, "conv"):  # torch >= 2.9, which deprecates allow_tf32
        name = "fp32_precision"
        return ((torch.backends.cudnn.conv, name, "ieee"), (matmul, name, "ieee"))
    return ((torch.backends.cudnn, "allow_tf32", False), (matmul, "allow_tf32", False))


def _n_gpus() -> int:
    return torch.cuda.device_count() if torch.cuda.is_available() else 0


def _resolve_mps() -> str:
    if torch.backends.mps.is_available():
        return "mps"
    why = (
        "needs macOS 12.3 and an Apple or AMD GPU"
        if torch.backends.mps.is_built()
        else f"torch {torch.__version__} is built without it"
    )
    raise DeviceError(f"device 'mps' is not there: {why}; {_there()}")


def _resolve_cuda(name: str, index: int) -> str:
    n_gpus = _n_gpus()
    if index < n_gpus:
        return name
    if n_gpus:
        raise DeviceError(f"device '{name}' is not there: torch sees {n_gpus} GPU(s); {_there()}")
    why = (
        "torch finds no usable GPU (check the driver and CUDA_VISIBLE_DEVICES)"
        if torch.version.cuda or torch.version.hip
        else f"torch {torch.__version__} is built without CUDA"
    )
    raise DeviceError(f"device '{name}' is not there: {why}; {_there()}")


def _there() -> str:
    return f"there is {', '.join(available_devices())}; 'auto' takes the best of them"
