"""What does scoring a million images take, in time and memory? Beside doing it all at once.

    python benchmarks/scoring.py [--images 100000 300000 1000000] [--classes 1000] [--templates 5]

Embeddings are random unit vectors in a file that is mapped into memory, as large as the largest N
(2 GB for a million of 512 dimensions; `--folder` says where). Every measurement is a fresh process;
contestants take turns within each round. Each scores the same images with every template in turn and
drops what it found before the next, as `clipeval run` does. Memory is the peak of anonymous memory
(RssAnon, so without pages of the mapped file) above what it was with labels, names and prompts at hand.
`at once` is the obvious alternative: the whole product, softmax over it, top 5 of it; it runs up to
`--at-once` images, as it takes 8 bytes or more for each image and class. `product` is the matrix
product alone in blocks, the least that any way can take.

Linux only. Exits with 1 if memory besides the result grows with N, or time faster than N.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from clipeval.scoring import class_weights, score_images

Embeddings = npt.NDArray[np.float32]
TOP = 5
SCALE = 100.0
PROMPTS_PER_CLASS = 1
GENERATED_ROWS = 10_000
PRODUCT_ROWS = 1_024
SAMPLE_EVERY_S = 0.002
MAX_ABOVE_RESULT_BYTES = 100e6
MAX_GROWTH = 1.3
"""Of processor time per image from the smallest N to the largest; a busy machine is not that even."""
MB = 1e6


@dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    """What is scored."""

    images: Embeddings
    prompts: tuple[Embeddings, ...]
    """(C, D) of each template."""
    labels: npt.NDArray[np.int64]
    names: list[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Took:
    """What one process took for all templates."""

    wall_s: float
    processor_s: float
    peak_bytes: int
    """Above what it was before."""
    result_bytes: int
    """Of one template."""


def _clipeval(work: Work, prompts: Embeddings) -> int:
    weights = class_weights(prompts, [PROMPTS_PER_CLASS] * len(prompts))
    scores = score_images(
        work.images, weights, work.labels, logit_scale=SCALE, sample_ids=work.names
    )
    return sum(getattr(scores, name).nbytes for name in scores.__slots__)


def _numpy_at_once(work: Work, prompts: Embeddings) -> int:
    logits = np.float32(SCALE) * (work.images @ prompts.T)
    probabilities = np.exp(logits - logits.max(axis=1, keepdims=True))
    probabilities /= probabilities.sum(axis=1, keepdims=True)
    best = np.argpartition(logits, -TOP, axis=1)[:, -TOP:]
    values = np.take_along_axis(logits, best, axis=1)
    best = np.take_along_axis(best, np.argsort(-values, axis=1), axis=1)
    confidence = np.take_along_axis(probabilities, best[:, :1], axis=1)
    rows = np.arange(len(work.labels))
    nll = -np.log(np.maximum(probabilities[rows, work.labels], np.float32(1e-38)))
    probabilities[rows, work.labels] -= 1
    brier = np.square(probabilities).sum(axis=1)
    return sum(array.nbytes for array in (best, values, confidence, nll, brier))


def _torch_at_once(work: Work, prompts: Embeddings) -> int:
    import torch  # noqa: PLC0415 (its memory and time are none of the others')

    labels = torch.from_numpy(work.labels)
    logits = SCALE * (torch.from_numpy(work.images) @ torch.from_numpy(prompts).T)
    probabilities = logits.softmax(dim=1)
    values, best = logits.topk(TOP, dim=1)
    confidence = probabilities.gather(1, best[:, :1])
    nll = torch.nn.functional.cross_entropy(logits, labels, reduction="none")
    probabilities[torch.arange(len(labels)), labels] -= 1
    brier = probabilities.square().sum(dim=1)
    return sum(tensor.nbytes for tensor in (best, values, confidence, nll, brier))


def _product(work: Work, prompts: Embeddings) -> int:
    logits = np.empty((PRODUCT_ROWS, len(prompts)), dtype=np.float32)
    for start in range(0, len(work.images), PRODUCT_ROWS):
        images = work.images[start : start + PRODUCT_ROWS]
        np.matmul(images, prompts.T, out=logits[: len(images)])
    return 0


WAYS: dict[str, Callable[[Work, Embeddings], int]] = {
    "clipeval": _clipeval,
    "numpy at once": _numpy_at_once,
    "torch at once": _torch_at_once,
    "product": _product,
}


def main() -> None:
    """Measure and print; see the module."""
    options = _options()
    if options.way:
        print(json.dumps(asdict(_measure(options))))
        return
    with tempfile.TemporaryDirectory(dir=options.folder) as folder:
        options.file = Path(folder) / "images.npy"
        _write_images(options.file, max(options.images), options.dimensions)
        took = _race(options)
    print(
        f"{options.classes:,} classes, {options.dimensions} dimensions, {options.templates} templates, "
        f"{options.rounds} rounds, {os.cpu_count()} cores\n"
    )
    print(
        "| images | way | s per template | processor s | x clipeval | peak MB above inputs | result MB |"
    )
    print("|---:|---|---:|---:|---:|---:|---:|")
    for (n_images, way), each in took.items():
        print(_row(n_images, way, each, took[n_images, "clipeval"], options.templates))
    sys.exit(int(_misses(took, options.images)))


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--images", type=int, nargs="+", default=[100_000, 300_000, 1_000_000])
    parser.add_argument("--classes", type=int, default=1_000)
    parser.add_argument("--templates", type=int, default=5)
    parser.add_argument("--dimensions", type=int, default=512)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--at-once", type=int, default=300_000, metavar="N")
    parser.add_argument(
        "--folder", type=Path, help="For the embeddings; default: the temporary one."
    )
    parser.add_argument("--way", choices=list(WAYS), help=argparse.SUPPRESS)
    parser.add_argument("--file", type=Path, help=argparse.SUPPRESS)
    return parser.parse_args()


def _write_images(file: Path, n_images: int, dimensions: int) -> None:
    images = np.lib.format.open_memmap(
        file, mode="w+", dtype=np.float32, shape=(n_images, dimensions)
    )
    generator = np.random.default_rng(0)
    for start in range(0, n_images, GENERATED_ROWS):
        block = images[start : start + GENERATED_ROWS]
        block[:] = _unit_rows(generator, *block.shape)
    images.flush()


def _unit_rows(generator: np.random.Generator, n_rows: int, dimensions: int) -> Embeddings:
    rows = generator.standard_normal((n_rows, dimensions), dtype=np.float32)
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    return rows


def _race(options: argparse.Namespace) -> dict[tuple[int, str], list[Took]]:
    """Run every way on every N in fresh processes, taking turns."""
    took: dict[tuple[int, str], list[Took]] = {}
    for _ in range(options.rounds):
        for n_images in options.images:
            for way in WAYS:
                if way.endswith("at once") and n_images > options.at_once:
                    continue
                command = [sys.executable, __file__, "--way", way, "--file", str(options.file)]
                command += ["--images", str(n_images), "--classes", str(options.classes)]
                command += ["--templates", str(options.templates)]
                ended = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)  # noqa: S603 (this very file)
                took.setdefault((n_images, way), []).append(Took(**json.loads(ended.stdout)))
                print(f"{n_images:,} {way}: {ended.stdout.strip()}", file=sys.stderr, flush=True)
    return took


def _measure(options: argparse.Namespace) -> Took:
    """Score with one way in this process."""
    (n_images,) = options.images
    generator = np.random.default_rng(1)
    images: Any = np.load(options.file, mmap_mode="c")[:n_images]
    dimensions = images.shape[1]
    work = Work(
        images=images,
        prompts=tuple(
            _unit_rows(generator, options.classes, dimensions) for _ in range(options.templates)
        ),
        labels=generator.integers(0, options.classes, n_images),
        names=[f"image-{i}" for i in range(n_images)],
    )
    if options.way.startswith("torch"):
        import torch  # noqa: F401, PLC0415 (not counted)
    with _PeakMemory() as memory:
        start, processor = time.perf_counter(), time.process_time()
        for prompts in work.prompts:
            result_bytes = WAYS[options.way](work, prompts)
        wall_s, processor_s = time.perf_counter() - start, time.process_time() - processor
    return Took(
        wall_s=wall_s,
        processor_s=processor_s,
        peak_bytes=memory.peak_bytes,
        result_bytes=result_bytes,
    )


class _PeakMemory:
    """Watches anonymous memory from a thread; long operations of numpy and torch let it run."""

    def __init__(self) -> None:
        self.peak_bytes = 0
        self._before_bytes = _anonymous_bytes()
        self._is_over = threading.Event()
        self._watcher = threading.Thread(target=self._watch)

    def __enter__(self) -> Self:
        self._watcher.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._is_over.set()
        self._watcher.join()

    def _watch(self) -> None:
        while not self._is_over.wait(SAMPLE_EVERY_S):
            self.peak_bytes = max(self.peak_bytes, _anonymous_bytes() - self._before_bytes)


def _anonymous_bytes() -> int:
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("RssAnon:"):
            return 1024 * int(line.split()[1])
    raise OSError("/proc/self/status has no RssAnon; this needs Linux 4.5 or later")


def _row(
    n_images: int, way: str, took: Sequence[Took], ours: Sequence[Took], n_templates: int
) -> str:
    wall = _spread([each.wall_s / n_templates for each in took])
    processor = _spread([each.processor_s / n_templates for each in took])
    times = _spread([a.wall_s / b.wall_s for a, b in zip(took, ours, strict=True)])
    peak = max(each.peak_bytes for each in took) / MB
    result = took[0].result_bytes / MB
    return (
        f"| {n_images:,} | {way} | {wall} | {processor} | {times} | {peak:,.0f} | {result:,.0f} |"
    )


def _spread(values: Sequence[float]) -> str:
    return f"{statistics.median(values):.2f} [{min(values):.2f}, {max(values):.2f}]"


def _misses(took: dict[tuple[int, str], list[Took]], images: Sequence[int]) -> bool:
    """Print what is claimed of clipeval, and return whether it does not hold."""
    fewest, most = min(images), max(images)
    ours = {n: took[n, "clipeval"] for n in (fewest, most)}
    per_image = {n: min(each.processor_s for each in ours[n]) / n for n in ours}
    growth = per_image[most] / per_image[fewest]
    above = max(each.peak_bytes - each.result_bytes for each in ours[most])
    print(f"\nprocessor time per image at {most:,} is {growth:.2f} of that at {fewest:,}")
    print(f"peak above inputs and result at {most:,}: {above / MB:.0f} MB")
    return growth > MAX_GROWTH or above > MAX_ABOVE_RESULT_BYTES


if __name__ == "__main__":
    main()
