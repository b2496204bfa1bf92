"""OpenVINO on the CPU."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch

from clipeval.encode.backends.tower import export_tower
from clipeval.errors import BackendError
from clipeval.models import ClipModel
from clipeval.records import Precision

_DTYPES: dict[Precision, tuple[str, str]] = {"fp32": ("f32", "FP32"), "bf16": ("bf16", "BF16")}
"""Its names of a precision: as a hint, and as a capability."""


@dataclass(frozen=True, slots=True, eq=False)
class OpenVinoTower:
    """The tower compiled by OpenVINO, with as many threads as torch would use."""

    _compiled: Any

    @classmethod
    def of(cls, model: ClipModel, precision: Precision) -> OpenVinoTower:
        """Convert a model without a file in between.

        Raises:
            BackendError: the processor has no instructions for the precision.
        """
        import openvino

        hint, capability = _DTYPES[precision]
        core = openvino.Core()
        if capability not in core.get_property("CPU", "OPTIMIZATION_CAPABILITIES"):
            raise BackendError(
                f"backend 'openvino' has no {precision} on this processor; use precision fp32"
            )
        settings = {
            "INFERENCE_PRECISION_HINT": hint,
            "INFERENCE_NUM_THREADS": torch.get_num_threads(),
            "PERFORMANCE_HINT": "LATENCY",
            # Images are decoded meanwhile: a pinned thread would wait for its core.
            "ENABLE_CPU_PINNING": False,
        }
        return cls(core.compile_model(openvino.convert_model(export_tower(model)), "CPU", settings))

    def encode(self, pixels: torch.Tensor) -> torch.Tensor:
        """Run the tower."""
        return torch.from_numpy(self._compiled(pixels.numpy(), share_inputs=True)[0])
