"""What does the image path cost, beside its parts, beside plain loops, and in `decode: fast`?

    python benchmarks/image_path.py [--photos FOLDER] [--models tiny] [--images 96] [--rounds 5]

Everything is run in turns, and every ratio is of two runs of the same turn, so that what else the
machine does falls on both. Wall and CPU seconds; the second hardly depend on the neighbours.

1. `tiny` x digits: `encode_images` and the whole evaluation of a cell, without a cache, against a
   bare loop (open_clip's preprocessing, tower, argmax) over the same images.
2. JPEGs: encode_images against decoding alone, the tower alone, torch's DataLoader (0, 2 workers).
3. `decode: fast`: time to decode and preprocess, and cosine to exact, at the photos' size and three
   times enlarged.
"""

from __future__ import annotations

import argparse
import io
import os
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from open_clip.transform import image_transform_v2
from PIL import Image

from clipeval.datasets import ImageDataset, open_dataset, read_rgb
from clipeval.encode import ClipEncoder, encode_images, encode_prompts
from clipeval.encode.decoding import decode_batches
from clipeval.encode.images import FAST_DECODE_GAP, default_workers
from clipeval.engine import Evaluator
from clipeval.engine.model_slot import ModelSlot
from clipeval.models import ClipModel, load_model
from clipeval.models.architectures import preprocessing_of
from clipeval.plan import build_plan
from clipeval.records import (
    DatasetSpec,
    DigitsSource,
    FolderSource,
    ModelSpec,
    SuiteSpec,
    TemplateSpec,
)
from clipeval.records.model_names import parse_model
from clipeval.scoring import class_weights

ENLARGED = 3


@dataclass(frozen=True)
class Spent:
    """Seconds of one run."""

    wall_s: float
    cpu_s: float
    """Of this process and its children that have ended."""


def spent(work: Callable[[], object]) -> Spent:
    """Run and time something."""
    before, started = os.times(), time.perf_counter()
    work()
    wall_s, after = time.perf_counter() - started, os.times()
    return Spent(wall_s, sum(after[:4]) - sum(before[:4]))


def in_turns(works: dict[str, Callable[[], object]], rounds: int) -> dict[str, list[Spent]]:
    """Run all, once to warm up and then `rounds` times in turns."""
    for work in works.values():
        work()
    found: dict[str, list[Spent]] = {name: [] for name in works}
    for _ in range(rounds):
        for name, work in works.items():
            found[name].append(spent(work))
    return found


def show(title: str, found: dict[str, list[Spent]], *, beside: str) -> None:
    """Print a table of times and of ratios turn by turn."""
    print(f"\n{title} (load {os.getloadavg()[0]:.1f}, {torch.get_num_threads()} torch threads)")
    print(f"{'':34} {'wall s':>8} {'ratio (min..max)':>20} {'CPU s':>8} {'ratio (min..max)':>20}")
    for name, runs in found.items():
        columns = []
        for unit in ("wall_s", "cpu_s"):
            mine = [getattr(run, unit) for run in runs]
            ratios = [a / getattr(b, unit) for a, b in zip(mine, found[beside], strict=True)]
            spread = f"{statistics.median(ratios):.2f} ({min(ratios):.2f}..{max(ratios):.2f})"
            columns.append(f"{statistics.median(mine):8.2f} {spread:>20}")
        print(f"{name:34} {' '.join(columns)}", flush=True)


def digits(rounds: int) -> None:
    """Compare a whole evaluation of tiny x digits with a bare loop."""
    data = DatasetSpec(key="digits", source=DigitsSource())
    spec = parse_model("tiny", base=Path())
    template = TemplateSpec(id="photo", templates=("a photo of the number {}",))
    suite = SuiteSpec(
        name="bench", path=None, datasets=(data,), models=(spec,), templates=(template,)
    )
    (cell,) = build_plan(suite).cells
    encoder, dataset = ClipEncoder.load(spec, device="cpu", precision="fp32"), open_dataset(data)
    model = encoder.model
    prompts = [f"a photo of the number {label.names[0]}" for label in dataset.classes]
    transform = image_transform_v2(preprocessing_of(model.module), is_train=False)

    def bare() -> object:
        text = encode_prompts(model, prompts).embeddings
        weights = torch.from_numpy(class_weights(text, [1] * len(prompts)))
        rows = range(len(dataset.samples))
        best = []
        for start in range(0, len(rows), 64):
            pixels = torch.stack([transform(dataset.read(i)) for i in rows[start : start + 64]])
            features = torch.nn.functional.normalize(model.encode_image(pixels), dim=-1)
            best.append((features @ weights.T).argmax(dim=1))
        return torch.cat(best)

    def evaluated() -> object:
        slot = ModelSlot(lambda *_args, **_options: encoder)
        return Evaluator(models=slot, batch_size=64).evaluate(cell)

    def bare_in_one_thread() -> object:
        before = torch.get_num_threads()
        torch.set_num_threads(1)
        try:
            return bare()
        finally:
            torch.set_num_threads(before)

    works = {
        "bare loop": bare,
        "bare loop, one torch thread": bare_in_one_thread,
        "clipeval: encode_images": lambda: encode_images(model, dataset, batch_size=64),
        "clipeval: evaluate a cell": evaluated,
    }
    show(
        f"tiny x digits, {len(dataset.samples)} images", in_turns(works, rounds), beside="bare loop"
    )


class Photos(torch.utils.data.Dataset[torch.Tensor]):
    """What a plain loop reads."""

    def __init__(self, dataset: ImageDataset, chosen: Sequence[int], model: ClipModel) -> None:
        self.dataset, self.chosen = dataset, chosen
        self.transform = image_transform_v2(preprocessing_of(model.module), is_train=False)

    def __len__(self) -> int:
        return len(self.chosen)

    def __getitem__(self, index: int) -> torch.Tensor:
        return self.transform(self.dataset.read(self.chosen[index]))


def jpegs(
    spec: ModelSpec, dataset: ImageDataset, n_images: int, batch_size: int, rounds: int
) -> None:
    """Compare encode_images with its parts and with plain loops."""
    model = load_model(spec)
    chosen = [i % len(dataset.samples) for i in range(n_images)]
    pixels = torch.stack([model.preprocess(dataset.read(i)) for i in chosen[:batch_size]])

    def decode() -> None:
        for _ in decode_batches(
            model, dataset, chosen, batch_size=batch_size, n_workers=default_workers()
        ):
            pass

    def tower() -> None:
        for start in range(0, n_images, batch_size):
            model.encode_image(pixels[: n_images - start])

    def loader(n_workers: int) -> None:
        for batch in torch.utils.data.DataLoader(
            Photos(dataset, chosen, model), batch_size=batch_size, num_workers=n_workers
        ):
            model.encode_image(batch)

    works: dict[str, Callable[[], object]] = {
        "clipeval: encode_images": lambda: encode_images(
            model, dataset, chosen, batch_size=batch_size
        ),
        "decoding alone, clipeval's": decode,
        "tower alone, torch's threads": tower,
        "DataLoader, 0 workers": lambda: loader(0),
        "DataLoader, 2 workers": lambda: loader(2),
    }
    title = f"{spec.id}, {n_images} JPEGs, batches of {batch_size}"
    show(title, in_turns(works, rounds), beside="clipeval: encode_images")


def fast_decode(spec: ModelSpec, folder: Path, rounds: int) -> None:
    """Say what `decode: fast` saves and what it changes."""
    model = load_model(spec)
    for label, factor in (("as they are", 1), (f"enlarged {ENLARGED} times", ENLARGED)):
        _fast_decode(model, [_enlarged(path, factor) for path in _photos(folder)], label, rounds)


def _photos(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.suffix.lower() in {".jpg", ".jpeg"})


def _enlarged(path: Path, factor: int) -> bytes:
    if factor == 1:
        return path.read_bytes()
    image = read_rgb(path.read_bytes())
    encoded = io.BytesIO()
    size = (image.width * factor, image.height * factor)
    image.resize(size, Image.Resampling.BICUBIC).save(encoded, "JPEG", quality=90)
    return encoded.getvalue()


def _fast_decode(model: ClipModel, photos: list[bytes], label: str, rounds: int) -> None:
    def pixels(gap: int | None) -> torch.Tensor:
        at_least = gap * max(model.record.image_size) if gap else None
        return torch.stack(
            [model.preprocess(read_rgb(raw, at_least_px=at_least)) for raw in photos]
        )

    gaps = {"exact": None, "fast": FAST_DECODE_GAP, "fast, gap 1 (not used)": 1}
    runs = in_turns({name: lambda gap=gap: pixels(gap) for name, gap in gaps.items()}, rounds)
    show(
        f"{model.record.id}: decode + preprocess {len(photos)} photos {label}", runs, beside="exact"
    )
    exact = _unit(model, pixels(None))
    for name, gap in gaps.items():
        if gap is not None:
            cosines = (exact * _unit(model, pixels(gap))).sum(axis=1)
            print(f"  {name}: cosine to exact mean {cosines.mean():.5f}, min {cosines.min():.5f}")


def _unit(model: ClipModel, pixels: torch.Tensor) -> np.ndarray:
    features = torch.cat([model.encode_image(part) for part in pixels.split(16)])
    return torch.nn.functional.normalize(features.double(), dim=-1).numpy()


def main() -> None:
    """Run what was asked for."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--photos", type=Path, help="folder with one folder of JPEGs per class")
    parser.add_argument("--models", nargs="+", default=["tiny", "ViT-B-32/random"])
    parser.add_argument("--images", type=int, default=96)
    parser.add_argument("--batch-size", type=int, default=32)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--parts", nargs="+", default=["digits", "jpegs", "fast"])
    asked = parser.parse_args()
    if "digits" in asked.parts:
        digits(asked.rounds)
    if asked.photos is None:
        return
    dataset = open_dataset(DatasetSpec(key="photos", source=FolderSource(asked.photos.absolute())))
    for name in asked.models:
        spec = replace(parse_model(name, base=Path()), where="")
        if "jpegs" in asked.parts:
            jpegs(spec, dataset, asked.images, asked.batch_size, asked.rounds)
        if "fast" in asked.parts:
            fast_decode(spec, asked.photos, asked.rounds)


if __name__ == "__main__":
    main()
