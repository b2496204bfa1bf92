"""CLIP_benchmark on one job, in its own environment.

    python benchmarks/race_loop_clip_benchmark.py functions JOB.json
    python benchmarks/race_loop_clip_benchmark.py command JOB.json TEMPLATE ARGUMENTS...

`functions`: its model, data loader and `evaluate`, called as its command line calls them, once for every
template; but the model is loaded once. `command`: its command line as it is, for the template at position
TEMPLATE. It reports accuracies alone, so the logits of its `run_classification` are written down on the way.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import torch
from clip_benchmark import cli
from clip_benchmark.metrics import zeroshot_classification
from clip_benchmark.models import load_clip
from race_loop_output import Job, write_predictions
from torch.utils.data import DataLoader, default_collate
from torchvision.datasets import ImageFolder

CLIP_BENCHMARK_SCALE = 100.0
"""Its logits are this times cosines, whatever the model's own scale."""
_run_classification = zeroshot_classification.run_classification


def record_logits(job: Job, template: int) -> None:
    """Write down the predictions of the next evaluation."""

    def run(
        model: Any,  # noqa: ANN401 (its function has no types)
        classifier: torch.Tensor,
        dataloader: DataLoader[Any],
        device: str,
        **options: Any,  # noqa: ANN401
    ) -> tuple[torch.Tensor, torch.Tensor]:
        logits, labels = _run_classification(model, classifier, dataloader, device, **options)
        dataset = dataloader.dataset
        assert isinstance(dataset, ImageFolder)
        write_predictions(
            job,
            template,
            paths=[path for path, _ in dataset.samples],
            class_names=dataset.classes,
            cosines=logits / CLIP_BENCHMARK_SCALE,
        )
        return logits, labels

    zeroshot_classification.run_classification = run


def evaluate_with_functions(job: Job) -> None:
    """Load the model once, then evaluate every template as the command line does."""
    torch.manual_seed(0)
    model, transform, tokenizer = load_clip(
        model_type="open_clip",
        model_name=job.model,
        pretrained="",
        cache_dir=None,
        device=job.device,
    )
    model.eval()
    for position, template in enumerate(job.templates):
        dataset = ImageFolder(job.photos, transform=transform)
        loader = DataLoader(
            dataset,
            batch_size=job.batch_size,
            shuffle=False,
            num_workers=job.n_workers,
            collate_fn=default_collate,
        )
        record_logits(job, position)
        zeroshot_classification.evaluate(
            model,
            loader,
            tokenizer,
            dataset.classes,
            [template.replace("{}", "{c}")],
            device=job.device,
            amp=job.precision == "bf16",
            verbose=True,
            save_clf=None,
            load_clfs=[],
        )


def main(mode: str, path: str, *rest: str) -> None:
    """Evaluate one job, or one template of it."""
    job = Job.read(path)
    if mode == "functions":
        evaluate_with_functions(job)
        return
    record_logits(job, int(rest[0]))
    sys.argv = [str(Path(sys.executable).with_name("clip_benchmark")), *rest[1:]]
    cli.main()


if __name__ == "__main__":
    main(*sys.argv[1:])
