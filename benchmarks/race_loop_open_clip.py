"""open_clip as a careful user would loop over it: images once, its own classifier for each template.

    python benchmarks/race_loop_open_clip.py JOB.json

race.py runs it. The towers are cast for bf16 (open_clip's `precision="bf16"`), which is faster than autocast.
"""

from __future__ import annotations

import sys
from typing import Any

import open_clip
import torch
from race_loop_output import Job, write_predictions
from torch.utils.data import DataLoader
from torchvision.datasets import ImageFolder


def encode_images(model: open_clip.CLIP, loader: DataLoader[Any], job: Job) -> torch.Tensor:
    """Encode every image once: (N, D) unit rows on the device."""
    dtype = torch.bfloat16 if job.precision == "bf16" else torch.float32
    rows = []
    for images, _ in loader:
        pixels = images.to(job.device, dtype=dtype, non_blocking=True)
        rows.append(model.encode_image(pixels, normalize=True))
    return torch.cat(rows)


def main(path: str) -> None:
    """Evaluate one job."""
    job = Job.read(path)
    model, _, preprocess = open_clip.create_model_and_transforms(
        job.model, precision=job.precision, device=job.device
    )
    model.eval()
    tokenizer = open_clip.get_tokenizer(job.model)
    dataset = ImageFolder(job.photos, transform=preprocess)
    loader = DataLoader(
        dataset,
        batch_size=job.batch_size,
        num_workers=job.n_workers,
        pin_memory=job.device.startswith("cuda"),
    )
    paths = [path for path, _ in dataset.samples]
    with torch.inference_mode():
        embeddings = encode_images(model, loader, job)
        for position, template in enumerate(job.templates):
            weights = open_clip.build_zero_shot_classifier(
                model, tokenizer, dataset.classes, [template], device=job.device
            )
            # In float32, or bf16 would round neighbouring scores to ties.
            cosines = embeddings.float() @ weights.float()
            write_predictions(
                job, position, paths=paths, class_names=dataset.classes, cosines=cosines
            )


if __name__ == "__main__":
    main(sys.argv[1])
