"""How far do the same weights, images and prompts drift for reasons that are no change at all?

    python benchmarks/numeric_floor.py [--models tiny ViT-B-32/random] [--images 64]

Encodes the same images and prompts in fresh processes that differ in batch size, threads, matrix library
and instruction set (which stands in for other processors), and prints the root mean square and the largest
distance of unit embeddings from a first run. The floors in clipeval/comparison/reproduction.py rest on this
table: docs/design/003-numeric-floor.md.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch

from clipeval.comparison import FLOORS
from clipeval.datasets import open_dataset
from clipeval.encode import encode_images, encode_prompts
from clipeval.models import load_model
from clipeval.records import DatasetSpec, DigitsSource, Precision
from clipeval.records.model_names import parse_model

PRECISIONS: tuple[Precision, ...] = ("fp32", "bf16", "fp16")
TEMPLATES = (
    "a photo of the number {}",
    "{}",
    "a handwritten {}",
    "a blurry photo of a {} on a table",
)
REFERENCE = "batch 64, all threads"


@dataclass(frozen=True)
class Variation:
    """One way to compute the same thing."""

    name: str
    batch_size: int = 64
    n_threads: int | None = None
    use_mkldnn: bool = True
    environment: dict[str, str] = field(default_factory=dict)


VARIATIONS = (
    Variation(REFERENCE),
    Variation("the same again"),
    Variation("batch 1", batch_size=1),
    Variation("batch 7", batch_size=7),
    Variation("1 thread", n_threads=1),
    Variation("without oneDNN", use_mkldnn=False),
    Variation(
        "AVX2 only",
        environment={
            "ATEN_CPU_CAPABILITY": "avx2", "DNNL_MAX_CPU_ISA": "AVX2", "MKL_ENABLE_INSTRUCTIONS": "AVX2",
        },
    ),
    Variation(
        "no vector instructions beyond SSE4.1",
        environment={
            "ATEN_CPU_CAPABILITY": "default", "DNNL_MAX_CPU_ISA": "SSE41",
            "MKL_ENABLE_INSTRUCTIONS": "SSE4_2",
        },
    ),
)  # fmt: skip


def encode(
    model: str, precision: Precision, n_images: int, variation: Variation, target: Path
) -> None:
    """Encode in this process and write both towers' embeddings."""
    if variation.n_threads:
        torch.set_num_threads(variation.n_threads)
    torch.manual_seed(0)
    loaded = load_model(parse_model(model, base=Path.cwd()), device="cpu", precision=precision)
    dataset = open_dataset(DatasetSpec(key="digits", source=DigitsSource(), limit=n_images))
    names = [label.names[0] for label in dataset.classes]
    with torch.backends.mkldnn.flags(enabled=variation.use_mkldnn):
        images = encode_images(loaded, dataset, batch_size=variation.batch_size)
        prompts = [template.replace("{}", name) for template in TEMPLATES for name in names]
        texts = [
            encode_prompts(loaded, prompts[start : start + variation.batch_size]).embeddings
            for start in range(0, len(prompts), variation.batch_size)
        ]
    np.savez(target, image=images.embeddings, text=np.concatenate(texts))


def run_variation(
    model: str, precision: Precision, n_images: int, index: int, target: Path
) -> None:
    """Encode in a process of its own: instruction sets are chosen when libraries are loaded."""
    command = [
        sys.executable, __file__, "--worker", str(index), "--models", model,
        "--images", str(n_images), "--precision", precision, "--target", str(target),
    ]  # fmt: skip
    environment = {**os.environ, **VARIATIONS[index].environment}
    done = subprocess.run(  # noqa: S603 (this file, no shell)
        command, env=environment, check=False, capture_output=True, text=True
    )
    if done.returncode:
        raise RuntimeError(done.stderr.strip().splitlines()[-1])


def distances(first: np.ndarray, other: np.ndarray) -> tuple[float, float]:
    """Return the root mean square and the largest distance of rows."""
    squared = np.sum((first.astype(np.float64) - other.astype(np.float64)) ** 2, axis=1)
    return float(np.sqrt(squared.mean())), float(np.sqrt(squared.max()))


def measure(model: str, precision: Precision, n_images: int, folder: Path) -> float:
    """Print a table; return the largest root mean square distance in it."""
    worst = 0.0
    print(f"\n**{model}, {precision}** (floor {FLOORS[precision]:g})\n")
    print(
        "| variation | image rms | image max | text rms | text max |\n| --- | ---: | ---: | ---: | ---: |"
    )
    found: dict[int, dict[str, np.ndarray]] = {}
    for index, variation in enumerate(VARIATIONS):
        target = folder / f"{index}.npz"
        try:
            run_variation(model, precision, n_images, index, target)
        except RuntimeError as error:
            print(f"| {variation.name} | not available here: {error} | | | |")
            continue
        with np.load(target) as stored:
            found[index] = dict(stored)
        cells = []
        for tower in ("image", "text"):
            rms, largest = distances(found[0][tower], found[index][tower])
            worst = max(worst, rms)
            cells += [f"{rms:.1e}", f"{largest:.1e}"]
        print(f"| {variation.name} | {' | '.join(cells)} |", flush=True)
    return worst


def main() -> int:
    """Measure every model and precision; fail if a floor is below what was measured."""
    parser = argparse.ArgumentParser(description="Measure what numerics alone change.")
    parser.add_argument("--models", nargs="+", default=["tiny", "ViT-B-32/random"])
    parser.add_argument("--images", type=int, default=64)
    parser.add_argument("--precision", choices=PRECISIONS)
    parser.add_argument("--worker", type=int, help=argparse.SUPPRESS)
    parser.add_argument("--target", type=Path, help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.worker is not None:
        encode(
            asked.models[0], asked.precision, asked.images, VARIATIONS[asked.worker], asked.target
        )
        return 0
    exceeded = []
    with tempfile.TemporaryDirectory() as folder:
        for precision in [asked.precision] if asked.precision else PRECISIONS:
            for model in asked.models:
                worst = measure(model, precision, asked.images, Path(folder))
                if worst > FLOORS[precision]:
                    exceeded.append(f"{model} {precision}: {worst:.1e} > {FLOORS[precision]:g}")
    print(
        "\n" + ("Above the floor: " + "; ".join(exceeded) if exceeded else "All within the floors.")
    )
    return 1 if exceeded else 0


if __name__ == "__main__":
    sys.exit(main())
