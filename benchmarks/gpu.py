"""What a GPU can do, and what clipeval makes of it: one command for the next time that there is one.

    python benchmarks/gpu.py [--model ViT-B-32/random] [--precision bf16 fp16 fp32] [--json FILE]

Prints the measured matrix peak of each precision; the image tower's throughput by batch size, precision and
mode (eager, CUDA graphs, torch.compile) and as a share of that peak; the stages from JPEGs to scores, each by
itself, next to all of them together; and `clipeval run` as a process. Without a usable GPU it exits with 2.
To see on a CPU that it works: `--device cpu --quick`.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

import torch
from gpu_measures import Mode, TowerSpeed, tower_speeds
from gpu_pipeline import Job, Stage, best_speed, stages, whole_process_s
from race_model import random_class_names
from race_photos import generate_photos, label_photos, lay_out
from race_plan import TEMPLATES

from clipeval.bench.costs import MatrixPeak, matrix_peak, model_size
from clipeval.devices import describe_gpus, resolve_device
from clipeval.encode.images import default_workers
from clipeval.errors import ClipEvalError
from clipeval.models import ClipModel, load_model
from clipeval.records import Decode, Precision
from clipeval.records.model_names import parse_model

PRECISIONS: tuple[Precision, ...] = ("bf16", "fp16", "fp32")
MODES: tuple[Mode, ...] = ("eager", "graph", "compile")
DECODES: tuple[Decode, ...] = ("exact", "gpu")
N_TEMPLATES = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Effort:
    """How much is measured."""

    matrix_sizes: tuple[int, ...]
    batch_sizes: tuple[int, ...]
    """Of the tower, eager and as a CUDA graph."""
    compiled_batch_sizes: tuple[int, ...]
    """Compiling takes most of a minute each."""
    n_images: int
    n_classes: int
    batch_size: int
    """Of the pipeline."""
    at_least_s: float
    """Length of a round of timing."""


FULL = Effort(
    matrix_sizes=(2048, 4096, 8192, 16384),
    batch_sizes=(1, 8, 64, 256, 1024, 2048),
    compiled_batch_sizes=(1024,),
    n_images=2000,
    n_classes=500,
    batch_size=256,
    at_least_s=0.25,
)
QUICK = Effort(
    matrix_sizes=(64, 128),
    batch_sizes=(1, 2),
    compiled_batch_sizes=(),
    n_images=6,
    n_classes=3,
    batch_size=2,
    at_least_s=0.01,
)


@dataclass(slots=True)
class Measured:
    """Everything that was measured."""

    machine: dict[str, str]
    tower_gflop: dict[str, float] = field(default_factory=dict)
    """Of one image, by precision."""
    peaks: list[MatrixPeak] = field(default_factory=list)
    speeds: list[TowerSpeed] = field(default_factory=list)
    stages: dict[str, list[Stage]] = field(default_factory=dict)
    """By precision."""
    whole_process_s: dict[str, float] = field(default_factory=dict)
    """By precision and decoding."""


def measure_tower(
    model: ClipModel, measured: Measured, *, modes: Sequence[Mode], effort: Effort
) -> list[TowerSpeed]:
    """Measure one precision's matrix peak and tower; print both."""
    peak = matrix_peak(
        model.precision,
        sizes=effort.matrix_sizes,
        device=model.device,
        at_least_s=effort.at_least_s,
    )
    gflop = model_size(model).flop_per_image / 1e9
    measured.peaks.append(peak)
    measured.tower_gflop[model.precision] = gflop
    print(
        f"\n### Image tower, {model.precision}\n\nMatrix peak {peak.flop_per_s / 1e12:.3g} TFLOP/s "
        f"(square, {peak.size}); the tower takes {gflop:.3g} GFLOP an image.\n\n"
        "| mode | batch | images/s | TFLOP/s | share of the peak |\n|---|---:|---:|---:|---:|"
    )
    found = []
    for one in tower_speeds(
        model,
        batch_sizes={
            mode: effort.compiled_batch_sizes if mode == "compile" else effort.batch_sizes
            for mode in modes
        },
        peak=peak,
        at_least_s=effort.at_least_s,
    ):
        found.append(one)
        print(_speed_line(one, gflop), flush=True)
    measured.speeds.extend(found)
    return found


def measure_pipeline(model: ClipModel, job: Job, speeds: Sequence[TowerSpeed]) -> list[Stage]:
    """Measure and print the stages from JPEGs to scores."""
    n_images = sum(1 for _ in job.photos.glob("*/*.jpg"))
    print(
        f"\n### From JPEGs to scores, {model.precision}: {n_images} photos\n\n"
        "| stage | per second | alone, of the time end to end | |\n|---|---:|---:|---|"
    )
    tower = best_speed(speeds, batch_size=job.batch_size, mode="eager")
    found = list(stages(model, job, tower))
    for one in found:
        print(_stage_line(one, end_to_end=found[-1]), flush=True)
    return found


def _speed_line(one: TowerSpeed, gflop: float) -> str:
    if one.images_per_s is None or one.flop_share is None:
        return f"| {one.mode} | {one.batch_size} | {one.problem} | | |"
    tflop = one.images_per_s * gflop / 1e3
    return (
        f"| {one.mode} | {one.batch_size} | {one.images_per_s:.1f} | {tflop:.3g} "
        f"| {one.flop_share:.0%} |"
    )


def _stage_line(one: Stage, *, end_to_end: Stage) -> str:
    if one.per_s is None:
        return f"| {one.name} | not measured | | {one.note} |"
    share = ""
    if one.unit == "images" and end_to_end.per_s is not None:
        share = f"{end_to_end.per_s / one.per_s:.0%}"
    return f"| {one.name} | {one.per_s:.1f} {one.unit} | {share} | {one.note} |"


def describe_machine(device: str, n_workers: int) -> dict[str, str]:
    """Say what this is measured on."""
    gpus = describe_gpus() if device.startswith("cuda") else ()
    return {
        "device": device,
        "gpus": ", ".join(gpus) or "none used",
        "system": f"{platform.system()} {platform.machine()}, Python {platform.python_version()}",
        "torch": torch.__version__,
        "cuda": str(torch.version.cuda),
        "cores, decoding threads": f"{os.cpu_count()}, {n_workers}",
    }


def measure(options: argparse.Namespace, device: str) -> None:
    """Measure, print and write everything."""
    effort = QUICK if options.quick else FULL
    n_images = options.n_images or effort.n_images
    batch_size = options.batch_size or effort.batch_size
    n_workers = default_workers()
    modes = [mode for mode in options.modes if mode != "graph" or device.startswith("cuda")]
    measured = Measured(machine=describe_machine(device, n_workers))
    for key, value in {"model": options.model, **measured.machine}.items():
        print(f"{key}: {value}")
    spec = parse_model(options.model, base=Path.cwd())
    class_names = random_class_names(min(effort.n_classes, n_images))
    templates = TEMPLATES[:N_TEMPLATES]
    with tempfile.TemporaryDirectory(prefix="gpu-") as folder:
        work = Path(folder)
        photos = options.photos or lay_out(
            label_photos(generate_photos(work / "pool", n_images=n_images), class_names),
            work / "photos",
        )
        job = Job(
            photos=photos.resolve(),
            prompts=tuple(t.replace("{}", name) for name in class_names for t in templates),
            n_classes=len(class_names),
            batch_size=batch_size,
            n_workers=n_workers,
            at_least_s=effort.at_least_s,
        )
        for precision in options.precision:
            model = load_model(spec, device=device, precision=precision)
            speeds = measure_tower(model, measured, modes=modes, effort=effort)
            measured.stages[precision] = measure_pipeline(model, job, speeds)
            process = work / precision
            process.mkdir()
            for decode in DECODES if device.startswith("cuda") else DECODES[:1]:
                taken = whole_process_s(model, job, templates, process, decode)
                measured.whole_process_s[f"{precision}, decode: {decode}"] = taken
                print(
                    f"\n`clipeval run`, {N_TEMPLATES} templates, empty cache, decode: {decode}: "
                    f"{taken:.1f} s in all",
                    flush=True,
                )
            if options.json:  # after each precision: a loan may end before the last
                written = json.dumps(asdict(measured), indent=1)
                options.json.write_text(written, encoding="utf-8")


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure; return 2 if there is no such device."""
    options = _parser().parse_args(arguments)
    try:
        device = resolve_device(options.device)
        measure(options, device)
    except ClipEvalError as error:
        print(f"gpu: {error}", file=sys.stderr)
        return 2
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description="Measure clipeval on a GPU.")
    parser.add_argument("--device", default="cuda", help="cuda, cuda:N; cpu to try the script")
    parser.add_argument("--model", default="ViT-B-32/random", help="any model of `clipeval run`")
    parser.add_argument("--precision", nargs="+", choices=PRECISIONS, default=PRECISIONS)
    parser.add_argument("--modes", nargs="+", choices=MODES, default=MODES)
    parser.add_argument(
        "--photos", type=Path, metavar="DIR",
        help="folder with one folder of JPEGs per class; default: photos are generated",
    )  # fmt: skip
    parser.add_argument(
        "--n-images", type=_positive("--n-images"), metavar="N", help="photos to generate"
    )
    parser.add_argument(
        "--batch-size", type=_positive("--batch-size"), metavar="N", help="of the pipeline"
    )
    parser.add_argument("--quick", action="store_true", help="as little as shows that it works")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write every number there")
    return parser


def _positive(option: str) -> Callable[[str], int]:
    def parse(text: str) -> int:
        if not text.isdecimal() or int(text) < 1:
            raise argparse.ArgumentTypeError(f"{option} {text}: expected a number above 0")
        return int(text)

    return parse


if __name__ == "__main__":
    sys.exit(main())
