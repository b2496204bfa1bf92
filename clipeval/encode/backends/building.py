"""From a model and the name of a backend to a tower that was compared with torch."""

from __future__ import annotations

import torch

from clipeval.backends import check_backend
from clipeval.encode.backends.compiled import CompiledTower
from clipeval.encode.backends.eager import EagerTower
from clipeval.encode.backends.onnx_runtime import OnnxRuntimeTower
from clipeval.encode.backends.openvino_cpu import OpenVinoTower
from clipeval.encode.backends.tower import ImageTower, quiet
from clipeval.errors import BackendError
from clipeval.models import ClipModel
from clipeval.records import BackendName, Precision

TOLERANCES: dict[Precision, float] = {"fp32": 1e-4, "bf16": 3e-2, "fp16": 4e-3, "int8": 5e-2}
"""Largest difference of a unit embedding's values from those of torch eager in the same precision, for
int8 from fp32. bf16 and fp16 as docs/design/003-numeric-floor.md; a backend at fp32 orders its sums in its
own way; int8: docs/backends.md."""
N_COMPARED = 4


def build_tower(model: ClipModel, backend: BackendName, precision: Precision) -> ImageTower:
    """Build the image tower of a model in a backend, and compare it with torch eager.

    Args:
        model: loaded in clipeval.backends.encoder_precision(precision).
        backend: which.
        precision: what the tower computes in.
    Raises:
        BackendError: it is not installed, cannot run the model, or gives something else than torch.
    """
    check_backend(backend, device=model.device, precision=precision)
    if backend == "torch":
        return EagerTower(model)
    generator = torch.Generator().manual_seed(0)
    pixels = torch.randn(N_COMPARED, 3, *model.record.image_size, generator=generator)
    try:
        with quiet():
            tower = _build(model, backend, precision)
            features = tower.encode(pixels)
    except BackendError:
        raise
    except Exception as error:  # what exporters and compilers raise has no common base
        raise BackendError(
            f"backend '{backend}' cannot run the image tower of model '{model.record.id}' in {precision}: "
            f"{type(error).__name__}: {_gist(error)}; use --backend torch"
        ) from error
    check_agreement(model, features, pixels, backend=backend, precision=precision)
    return tower


def check_agreement(
    model: ClipModel,
    features: torch.Tensor,
    pixels: torch.Tensor,
    *,
    backend: BackendName,
    precision: Precision,
) -> None:
    """Compare what a backend gives for some pixels with what torch eager does.

    Raises:
        BackendError: a value of a unit embedding differs by more than TOLERANCES allows.
    """
    largest = float((_unit(features) - _unit(model.encode_image(pixels))).abs().max())
    if not largest <= TOLERANCES[precision]:  # also if it is not a number
        raise BackendError(
            f"backend '{backend}' gives other embeddings than torch for model '{model.record.id}' in "
            f"{precision}: they differ by {largest:.1e}, more than {TOLERANCES[precision]:.0e}; "
            "use --backend torch"
        )


def _build(model: ClipModel, backend: BackendName, precision: Precision) -> ImageTower:
    if backend == "compile":
        return CompiledTower.of(model)
    if backend == "openvino":
        return OpenVinoTower.of(model, precision)
    if backend == "onnxruntime":
        return OnnxRuntimeTower.of(model, precision)
    return EagerTower(model)


def _gist(error: Exception) -> str:
    """Return the line of a message that says most: OpenVINO's names the operation further down."""
    lines = [line.strip(" -") for line in str(error).splitlines() if line.strip(" -")]
    named = (line for line in lines if line.startswith("No conversion rule"))
    return next(named, lines[0] if lines else "no message")


def _unit(features: torch.Tensor) -> torch.Tensor:
    return torch.nn.functional.normalize(features.float(), dim=-1).cpu()
