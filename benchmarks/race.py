"""clipeval against what users would pick instead, on the same photos, prompts and checkpoint.

    python benchmarks/race.py [--scenario cold ten warm ...] [--repeats 3] [--photos DIR] [--json FILE]

Every trial is a fresh process (for clipeval, `clipeval run`), timed from outside; contestants take turns
within each repeat, on the same number of threads. Exits with 1 if predictions differ in fp32 where no tie
excuses it, and with 2 if the race cannot be run. benchmarks/README.md describes scenarios and contestants.
"""

from __future__ import annotations

import argparse
import os
import platform
import shlex
import signal
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from importlib.metadata import version
from pathlib import Path

import torch
from race_agreement import Predictions, PredictionsError
from race_contestants import (
    ContestantError,
    Cost,
    Track,
    prepare,
    read_predictions,
    run_commands,
)
from race_model import random_class_names, save_random_model
from race_photos import (
    PhotosError,
    choose_photos,
    generate_photos,
    label_photos,
    lay_out,
)
from race_plan import (
    CONTESTANTS,
    MAX_TEMPLATES,
    SCENARIOS,
    STANDARD,
    ContestantName,
    Scenario,
    Trial,
    Workload,
    scenarios,
    start_of,
    trials_of,
)
from race_results import Results, compare_all, differs_in_fp32, results_json
from race_rivals import RivalError, clip_benchmark_environment, race_home
from race_tables import agreement_lines, growth_lines, scenario_lines

from clipeval.encode.images import MAX_WORKERS

RIVALS = CONTESTANTS[1:]
DEFAULT_RIVALS: tuple[ContestantName, ...] = ("open-clip", "clip-benchmark")
TERMINATED = 128 + signal.SIGTERM
QUIET_LOAD = 0.25
"""Load a thread above which something else runs."""


def lay_out_photos(
    root: Path, workloads: Sequence[Workload], photos: Path | None
) -> dict[Workload, Path]:
    """Make a folder of photos for each number of images and classes.

    Raises:
        PhotosError: there are not as many.
    """
    most = max(workload.n_images for workload in workloads)
    for one in workloads:
        if one.n_classes > one.n_images:
            raise PhotosError(f"{one}: every class is a folder, and needs an image")
    generated = [] if photos else generate_photos(root / "pool", n_images=most)
    folders: dict[Workload, Path] = {}
    for one in workloads:
        folder = root / f"{one.n_images}-{one.n_classes}"
        if not folder.exists():
            chosen = (
                choose_photos(photos, n_images=one.n_images, n_classes=one.n_classes)
                if photos
                else label_photos(generated[: one.n_images], random_class_names(one.n_classes))
            )
            lay_out(chosen, folder)
        folders[one] = folder
    return folders


def race(chosen: Sequence[Scenario], track: Track, *, repeats: int) -> Iterator[Results]:
    """Run every trial in each repeat, one after another; yield what is known after each repeat."""
    results = Results()
    trials = trials_of(chosen)
    for trial in dict.fromkeys(map(start_of, trials)):
        _run(trial, track, "warm-up, not counted")
    for repeat in range(repeats):
        predictions: dict[Trial, tuple[Predictions, ...]] = {}
        for trial in trials:
            cost, predictions[trial] = _run(trial, track, f"repeat {repeat + 1} of {repeats}")
            results.costs.setdefault(trial, []).append(cost)
        compare_all(chosen, predictions, results)
        yield results


def _run(trial: Trial, track: Track, when: str) -> tuple[Cost, tuple[Predictions, ...]]:
    out = track.work / "trial"
    commands = prepare(trial, track, out)
    cost = run_commands(commands, trial, track, log=track.work / "trial.log")
    cached = "" if trial.cached is None else ", cached"
    print(
        f"{when}: {trial.contestant}, {trial.workload}, {trial.precision}{cached}: {cost.wall_s:.2f} s",
        file=sys.stderr,
        flush=True,
    )
    return cost, read_predictions(trial, out)


def describe_race(device: str, n_threads: int) -> dict[str, object]:
    """Say what runs, and on what."""
    load = os.getloadavg()[0]
    cpuinfo = Path("/proc/cpuinfo")
    models = [
        line.partition(":")[2].strip()
        for line in (cpuinfo.read_text(encoding="utf-8").splitlines() if cpuinfo.is_file() else [])
        if line.startswith("model name")
    ]
    described: dict[str, object] = {
        "command": shlex.join(["python", "benchmarks/race.py", *sys.argv[1:]]),
        "device": device,
        "n_threads": n_threads,
        "processor": models[0] if models else platform.processor() or platform.machine(),
        "system": f"{platform.system()} {platform.machine()}, Python {platform.python_version()}",
        "load_before": load,
        "is_quiet": load <= QUIET_LOAD * n_threads,
        "versions": {name: version(name) for name in ("clipeval", "torch", "open-clip-torch")},
    }
    if device == "cuda":
        described["gpu"] = torch.cuda.get_device_name(device)
    return described


def print_results(results: Results, chosen: Sequence[Scenario], base: Workload) -> None:
    """Print the tables."""
    for scenario in chosen:
        if scenario.name != "growth":
            print("\n".join(scenario_lines(results.costs, scenario)))
    if growth := [scenario for scenario in chosen if scenario.name == "growth"]:
        print("\n".join(growth_lines(results.costs, growth, base)))
    print("\n".join(agreement_lines(results.comparisons())))


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the race; return 1 if predictions differ in fp32, 2 if it cannot be run."""
    options = _parser().parse_args(arguments)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(TERMINATED))  # ends its contestant, too
    try:
        return _main(options)
    except (PhotosError, RivalError, ContestantError, PredictionsError, ValueError) as error:
        print(f"race: {error}", file=sys.stderr)
        return 2


def _main(options: argparse.Namespace) -> int:
    base = Workload(
        n_images=options.n_images, n_classes=options.n_classes, n_templates=options.n_templates
    )
    rivals: list[ContestantName] = [one for one in RIVALS if one in options.rivals]
    if options.device == "cuda" and not torch.cuda.is_available():
        raise ValueError("--device cuda: torch finds no usable GPU")
    chosen = scenarios(
        list(dict.fromkeys(options.scenario)),
        base=base,
        precisions=options.precision,
        rivals=rivals,
        device=options.device,
    )
    with ExitStack() as stack:
        n_threads = stack.enter_context(_cores(options.threads))
        work = options.work or stack.enter_context(tempfile.TemporaryDirectory(prefix="race-"))
        described = describe_race(options.device, n_threads)
        track = _track(options, chosen, work=Path(work).resolve(), n_threads=n_threads)
        if track.rival is not None:
            described["clip_benchmark_versions"] = track.rival.versions
        for key, value in described.items():
            print(f"{key}: {value}")
        if not described["is_quiet"]:
            print("THE MACHINE IS BUSY: ratios are not to be trusted.")
        results = Results()
        for results in race(chosen, track, repeats=options.repeats):
            if options.json:  # after each repeat: a race takes long, and may be ended
                written = results_json(results, chosen, described)
                options.json.write_text(written, encoding="utf-8")
    print_results(results, chosen, base)
    if differs_in_fp32(results):
        print("\nPREDICTIONS DIFFER in fp32 where the best two classes are no tie.")
        return 1
    return 0


def _track(
    options: argparse.Namespace, chosen: Sequence[Scenario], *, work: Path, n_threads: int
) -> Track:
    """Prepare what all trials share: photos, checkpoint, CLIP_benchmark's environment."""
    work.mkdir(parents=True, exist_ok=True)
    home = race_home()
    trials = trials_of(chosen)
    workloads = list(dict.fromkeys(trial.workload for trial in trials))
    photos = lay_out_photos(work / "photos", workloads, options.photos)
    needs_rival = any(trial.contestant.startswith("clip-benchmark") for trial in trials)
    return Track(
        model=(options.model_dir or save_random_model(home)).resolve(),
        photos=photos,
        device=options.device,
        batch_size=options.batch_size,
        n_threads=n_threads,
        work=work,
        rival=clip_benchmark_environment(home) if needs_rival else None,
        clipeval_options=tuple(shlex.split(options.clipeval_options)),
    )


@contextmanager
def _cores(n_threads: int | None) -> Iterator[int]:
    """Keep this process, and all that it starts, to so many cores meanwhile; yield how many."""
    if not hasattr(os, "sched_setaffinity"):
        yield n_threads or min(MAX_WORKERS, os.cpu_count() or 1)
        return
    usable = sorted(os.sched_getaffinity(0))
    wanted = n_threads or min(MAX_WORKERS, len(usable))
    if wanted > len(usable):
        raise ValueError(f"--threads {wanted}: {len(usable)} cores are usable")
    os.sched_setaffinity(0, usable[:wanted])
    try:
        yield wanted
    finally:
        os.sched_setaffinity(0, usable)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        description="Race clipeval against open_clip's loop and CLIP_benchmark."
    )
    parser.add_argument(
        "--scenario", nargs="+", choices=SCENARIOS, default=SCENARIOS, help="default: all"
    )
    parser.add_argument(
        "--rivals", nargs="+", choices=RIVALS, default=DEFAULT_RIVALS,
        help="default: %(default)s; clip-benchmark-cli is one command a template",
    )  # fmt: skip
    parser.add_argument(
        "--photos", type=Path, metavar="DIR",
        help="folder with one folder of photos per class; default: photos are generated",
    )  # fmt: skip
    parser.add_argument("--n-images", type=int, default=STANDARD.n_images, metavar="N")
    parser.add_argument("--n-classes", type=int, default=STANDARD.n_classes, metavar="N")
    parser.add_argument(
        "--n-templates", type=int, default=STANDARD.n_templates, metavar="N",
        choices=range(1, MAX_TEMPLATES + 1), help=f"at most {MAX_TEMPLATES}",
    )  # fmt: skip
    parser.add_argument(
        "--precision", nargs="+", choices=("fp32", "bf16"), default=["fp32", "bf16"],
        help="scenarios other than cold run in the first one; default: %(default)s",
    )  # fmt: skip
    parser.add_argument("--repeats", type=int, default=3, metavar="N", choices=range(1, 101))
    parser.add_argument(
        "--device", choices=("cpu", "cuda"), default="cpu",
        help="for every contestant; CUDA_VISIBLE_DEVICES chooses among several GPUs",
    )  # fmt: skip
    parser.add_argument("--batch-size", type=int, default=64, metavar="N")
    parser.add_argument(
        "--threads", type=int, metavar="N",
        help=f"cores for every contestant, and decoders; default: all, at most {MAX_WORKERS}",
    )  # fmt: skip
    parser.add_argument(
        "--model-dir", type=Path, metavar="DIR",
        help="model in open_clip's layout; default: ViT-B-32 with random weights",
    )  # fmt: skip
    parser.add_argument(
        "--clipeval-options", default="", metavar="WORDS", help="further words for `clipeval run`"
    )
    parser.add_argument("--work", type=Path, metavar="DIR", help="keep photos, runs and logs here")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write every number there")
    return parser


if __name__ == "__main__":
    sys.exit(main())
