"""Keys of what is kept between runs: everything that it depends on, and nothing else."""

from __future__ import annotations

import hashlib
import json
import os
import sys
from collections.abc import Sequence
from dataclasses import replace
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from PIL import features

import clipeval
from clipeval.backends import BACKEND_NAMES, backend_version
from clipeval.cores import usable_cores
from clipeval.engine.environment import cpu_model
from clipeval.file_stamps import FileStamp
from clipeval.records import BackendName, ModelDescription, ModelSpec, Precision
from clipeval.store import cache_space

_PACKAGES = (
    *("torch", "torchvision", "open_clip_torch", "timm", "transformers", "tokenizers"),
    *("ftfy", "regex", "pillow", "numpy"),
)
_CODECS = ("libjpeg_turbo", "webp")
"""Of Pillow's libraries those that decide what a lossy file looks like."""
_ENCODING = ("datasets", "encode", "models", "devices.py")
"""What decides how an image or a prompt becomes an embedding."""
_CHECKING = ("prompts",)
"""What decides which prompts are taken."""
_THREADS = ("OMP_NUM_THREADS", "OMP_THREAD_LIMIT", "MKL_NUM_THREADS")
_ARITHMETIC = (
    *("ATEN_CPU_CAPABILITY", "MKL_CBWR", "ONEDNN_DEFAULT_FPMATH_MODE", "ONEDNN_MAX_CPU_ISA"),
    *("DNNL_DEFAULT_FPMATH_MODE", "DNNL_MAX_CPU_ISA"),
    *("NVIDIA_TF32_OVERRIDE", "TORCH_ALLOW_TF32_CUBLAS_OVERRIDE"),
)
"""Variables by which the same model computes otherwise; docs/design/003-numeric-floor.md."""
_HUB = (
    *("HF_ENDPOINT", "HF_HOME", "HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE", "XDG_CACHE_HOME"),
    *("HOME", "USERPROFILE"),  # where the hub's cache is if none of these says so
)
_CHOICE_OF_GPU = ("CUDA_VISIBLE_DEVICES", "CUDA_DEVICE_ORDER", "HIP_VISIBLE_DEVICES")
_OTHER_GPUS = ("/dev/kfd", "/dev/dxg")
"""What AMD's driver, and Windows for its guests, make where there is a GPU."""
_NVIDIA = Path("/proc/driver/nvidia/gpus")


def image_space(model: ModelDescription, precision: Precision, backend: BackendName) -> str:
    """Return the key of a model's image embeddings."""
    return cache_space(
        kind="images",
        backend=backend,
        backend_version=backend_version(backend),
        preprocessing=model.record.preprocessing_sha256,
        **_of_model(model, precision),
    )


def prompt_space(model: ModelDescription, precision: Precision) -> str:
    """Return the key of a model's prompt embeddings."""
    return cache_space(
        kind="prompts", tokenizer=model.record.tokenizer_sha256, **_of_model(model, precision)
    )


def token_space(model: ModelDescription) -> str:
    """Return the key of what a model's tokenizer makes of prompts that fit its context."""
    return cache_space(
        kind="tokens",
        tokenizer=model.record.tokenizer_sha256,
        context_length=str(model.record.context_length),
        checks=_code_sha256(_CHECKING),
        **_software(),
    )


def tokens_key(model: ModelDescription, prompts: Sequence[str]) -> str:
    """Return the key of what a model's tokenizer shows of some prompts."""
    return cache_space(
        kind="tokenized",
        tokenizer=model.record.tokenizer_sha256,
        prompts=json.dumps(list(prompts)),
        **_software(),
    )


def model_key(spec: ModelSpec, *, device: str, precision: Precision) -> str:
    """Return the key of what loading a model gave; its files are looked at when it is recalled."""
    return cache_space(
        kind="model",
        spec=ascii(replace(spec, where="")),
        device=device,
        precision=precision,
        processor=_processor(),
        gpus=_gpus(),
        configs=_added_configs(),
        **_variables(*_CHOICE_OF_GPU, *_HUB),
        **_software(),
    )


def backends_key(
    spec: ModelSpec, *, device: str, encoder_precision: Precision, precision: Precision
) -> str:
    """Return the key of how fast every backend runs a model's image tower here."""
    return cache_space(
        kind="backends",
        model=model_key(spec, device=device, precision=encoder_precision),
        precision=precision,
        machine=machine_key(),
        **{name: backend_version(name) for name in BACKEND_NAMES},
    )


def machine_key() -> str:
    """Return the key of what torch says of this machine."""
    return cache_space(
        kind="machine",
        cores=str(usable_cores()),
        processor=_processor(),
        gpus=_gpus(),
        **_variables(*_CHOICE_OF_GPU, *_THREADS),
        **_software(),
    )


def _added_configs() -> str:
    """Return what somebody has added to open_clip's architectures in this process, as it is now."""
    factory = sys.modules.get("open_clip.factory")
    added = getattr(factory, "_MODEL_CONFIG_PATHS", ())[1:]  # the first are its own
    files = [file for path in added for file in (path, *sorted(path.glob("*.json")))]
    return ascii([FileStamp.of(file) for file in files if file.exists()])


def _of_model(model: ModelDescription, precision: Precision) -> dict[str, str]:
    return {
        "weights": model.record.weights_sha256,
        "config": model.record.config_sha256,
        "device": model.device,
        "hardware": _hardware(model.device),
        "precision": precision,
        **_variables(*_ARITHMETIC),
        **_software(),
    }


def _hardware(device: str) -> str:
    """Name what computes: another processor rounds otherwise, and a cache may be shared by machines."""
    if device == "cpu":
        return _processor()
    gpus = _gpus()
    if len(set(gpus.splitlines())) == 1:
        return gpus.splitlines()[0]  # whichever of them it is
    if not gpus:  # mps, or a driver that does not show: the processor's name is all there is
        gpus = _processor()
    return "\n".join([gpus, *(f"{k}={v}" for k, v in _variables(*_CHOICE_OF_GPU).items())])


@cache
def _software() -> dict[str, str]:
    found = {"code": _code_sha256(_ENCODING)}
    for name in _PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = "none"
    for codec in _CODECS:
        found[codec] = str(features.version(codec))
    return found


@cache
def _code_sha256(names: tuple[str, ...]) -> str:
    """Hash source files: nobody has to remember to raise a number."""
    root = Path(clipeval.__file__).parent
    digest = hashlib.sha256()
    for name in names:
        place = root / name
        for file in sorted(place.rglob("*.py")) if place.is_dir() else [place]:
            digest.update(f"{file.relative_to(root).as_posix()}\n".encode())
            digest.update(file.read_bytes())
    return digest.hexdigest()


def _variables(*names: str) -> dict[str, str]:
    return {name: os.environ.get(name, "") for name in names}


@cache
def _processor() -> str:
    return cpu_model()


@cache
def _gpus() -> str:
    """Return what changes when a GPU comes, goes or is another, as far as it shows without torch."""
    models: list[str] = []
    for card in sorted(_NVIDIA.glob("*/information")):
        try:
            lines = card.read_text(encoding="utf-8", errors="replace").splitlines()
        except OSError:
            lines = []
        models += [line.partition(":")[2].strip() for line in lines if line.startswith("Model:")]
    if not models:
        models = sorted(path.name for path in Path("/dev").glob("nvidia[0-9]*"))
    return "\n".join([*models, *(name for name in _OTHER_GPUS if Path(name).exists())])
