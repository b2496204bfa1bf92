"""Throughput of every backend through clipeval, beside the same backend called bare, in one run.

    python benchmarks/backends.py                      ViT-B-32, random weights, every precision there is
    python benchmarks/backends.py --model ViT-B-16 --images 64 --rounds 5 --precision bf16

Bare: the same pixels, stacked before the clock starts, given to the tower batch by batch. Through clipeval:
`encode_images` on a data set whose images are those pixels, with its threads, batches, checks and
normalisation; what is left out is decoding, which benchmarks of the whole path measure. Both in turn, round
by round, so that what else the machine does falls on both; a ratio is the median over the rounds. The goal:
the fastest backend through clipeval at 0.95 or more of the fastest called bare, at each precision.
"""

from __future__ import annotations

import argparse
import hashlib
import platform
import statistics
import time
from collections.abc import Callable
from pathlib import Path

import torch
from PIL import Image

from clipeval.backends import candidates, encoder_precision
from clipeval.datasets import ImageDataset, LoadedImage
from clipeval.encode import encode_images
from clipeval.encode.backends import ImageTower, build_tower
from clipeval.errors import ClipEvalError
from clipeval.models import ClipModel, load_model
from clipeval.records import ClassLabel, Precision, Sample
from clipeval.records.model_names import parse_model

PRECISIONS: tuple[Precision, ...] = ("fp32", "bf16", "int8")


class PreparedImages:
    """A data set of images that are prepared: preprocessing hands on their pixels."""

    key = source = "prepared"
    classes = (ClassLabel("only", ("only",)),)
    notices = ()

    def __init__(self, pixels: torch.Tensor) -> None:
        self.pixels = pixels
        names = [f"{index:04d}" for index in range(len(pixels))]
        self.samples = tuple(Sample(sample_id=name, label=0, path="") for name in names)
        self._digests = [hashlib.sha256(name.encode()).hexdigest() for name in names]

    def load(self, index: int) -> LoadedImage:
        """Return an image of one pixel that says which it is."""
        return LoadedImage(Image.new("I", (1, 1), index), self._digests[index])

    def preprocess(self, image: Image.Image) -> torch.Tensor:
        """Return the pixels of an image."""
        return self.pixels[image.getpixel((0, 0))]


def through_clipeval(
    model: ClipModel, tower: ImageTower, images: PreparedImages, batch_size: int
) -> float:
    """Return images per second of encode_images."""
    dataset: ImageDataset = images  # type: ignore[assignment]
    started = time.perf_counter()
    encode_images(model, dataset, batch_size=batch_size, image_tower=tower)
    return len(images.samples) / (time.perf_counter() - started)


def bare(tower: ImageTower, pixels: torch.Tensor, batch_size: int) -> float:
    """Return images per second of the tower by itself."""
    batches = [chunk.contiguous() for chunk in pixels.split(batch_size)]
    started = time.perf_counter()
    for batch in batches:
        tower.encode(batch)
    return len(pixels) / (time.perf_counter() - started)


def race(
    towers: dict[str, ImageTower],
    model: ClipModel,
    pixels: torch.Tensor,
    options: argparse.Namespace,
) -> None:
    """Run all towers both ways in turn, and print what came out."""
    images = PreparedImages(pixels)
    object.__setattr__(model, "preprocess", images.preprocess)
    rates: dict[str, list[tuple[float, float]]] = {name: [] for name in towers}
    for number in range(options.rounds + 1):
        for name, tower in towers.items():
            ways: list[Callable[[], float]] = [
                lambda tower=tower: through_clipeval(model, tower, images, options.batch_size),
                lambda tower=tower: bare(tower, pixels, options.batch_size),
            ]
            order = (0, 1) if number % 2 else (1, 0)
            found = {way: ways[way]() for way in order}
            if number:  # the first round warms up
                rates[name].append((found[0], found[1]))
    fastest = max(statistics.median(b for _, b in pairs) for pairs in rates.values())
    for name, pairs in rates.items():
        mine, other = (statistics.median(values) for values in zip(*pairs, strict=True))
        ratio = statistics.median(a / b for a, b in pairs)
        low, high = min(a / b for a, b in pairs), max(a / b for a, b in pairs)
        mark = "  <- fastest bare" if other == fastest else ""
        print(
            f"{name:<12} {mine:8.1f} {other:8.1f}   {ratio:.2f} [{low:.2f}, {high:.2f}]{mark}",
            flush=True,
        )


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", default="ViT-B-32/random")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--precision", choices=PRECISIONS, action="append")
    parser.add_argument("--backend", action="append", help="default: all that are installed")
    parser.add_argument("--images", type=int, default=64)
    parser.add_argument("--batch-size", type=int, default=32)
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    print(
        f"{platform.processor() or platform.machine()}, {torch.get_num_threads()} threads,", end=" "
    )
    print(f"{options.images} images in batches of {options.batch_size}, {options.rounds} rounds")
    for precision in options.precision or PRECISIONS:
        model = load_model(
            parse_model(options.model, base=Path()),
            device=options.device,
            precision=encoder_precision(precision),
        )
        towers = {}
        print(f"\n{precision}: images/s  clipeval     bare   ratio [least, most]", flush=True)
        for name in candidates(device=model.device, precision=precision):
            if options.backend and name not in options.backend:
                continue
            started = time.perf_counter()
            try:
                towers[name] = build_tower(model, name, precision)
            except ClipEvalError as error:
                print(f"{name:<12} {error}")
                continue
            print(f"{name:<12} built in {time.perf_counter() - started:.1f} s", flush=True)
        generator = torch.Generator().manual_seed(1)
        shape = (options.images, 3, *model.record.image_size)
        race(towers, model, torch.randn(shape, generator=generator), options)


if __name__ == "__main__":
    main()
