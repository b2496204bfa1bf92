"""What a rival's process reads and writes. Imports nothing of clipeval: CLIP_benchmark's process uses it."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """What to evaluate, as race.py wrote it."""

    photos: str
    """Folder with one folder per class."""
    model: str
    """What open_clip calls a model: local-dir:PATH."""
    templates: list[str]
    precision: str
    """fp32 or bf16."""
    device: str
    batch_size: int
    n_workers: int
    """Processes that decode."""
    out: str
    """Folder to write predictions to."""

    @staticmethod
    def read(path: str) -> Job:
        """Read a job."""
        return Job(**json.loads(Path(path).read_text(encoding="utf-8")))


def write_predictions(
    job: Job,
    template: int,
    *,
    paths: list[str],
    class_names: list[str],
    cosines: torch.Tensor,
) -> None:
    """Write the best two classes of every image for one template.

    Args:
        job: says where.
        template: its position.
        paths: (N) files, in the order of the rows.
        class_names: (C).
        cosines: (N, C) similarities.
    """
    top = cosines.float().topk(min(2, len(class_names)), dim=1)
    values = top.values.cpu().numpy()
    np.savez(
        Path(job.out) / f"{template}.npz",
        paths=np.array([os.path.relpath(path, job.photos) for path in paths]),
        predicted=np.array(class_names)[top.indices[:, 0].cpu().numpy()],
        top=values[:, 0],
        margin=values[:, 0] - values[:, 1]
        if len(class_names) > 1
        else np.full(len(values), np.inf),
    )
