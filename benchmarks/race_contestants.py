"""The contestants of a race: the commands of each, the processes, and what they predict."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
from race_agreement import Predictions, sorted_predictions
from race_loop_output import Job
from race_plan import Trial, Workload
from race_rivals import RivalEnvironment

HERE = Path(__file__).parent
DROPPED = (
    "PYTHONDONTWRITEBYTECODE",  # importing torch without bytecode takes three times as long
    "PYTHONPATH",
    "GITHUB_STEP_SUMMARY",
)
N_LOG_LINES = 12
CLIP_BENCHMARK_DATASET = "imagenet_sketch"
"""A name for which CLIP_benchmark reads --dataset_root as a folder of class folders, whatever is in it."""


class ContestantError(RuntimeError):
    """A contestant's process failed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Track:
    """What is the same for every trial of a race."""

    model: Path
    """Folder in open_clip's layout."""
    photos: Mapping[Workload, Path]
    """Folder of photos for each workload."""
    device: str
    batch_size: int
    n_threads: int
    """Threads that compute, and as many decoders."""
    work: Path
    rival: RivalEnvironment | None
    """Where CLIP_benchmark runs, if it takes part."""
    clipeval_options: tuple[str, ...] = ()
    """Further words for `clipeval run`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """What a trial took."""

    wall_s: float
    """From starting the first process to the end of the last: imports and loading included."""
    cpu_s: float
    """User and system time of all processes."""
    peak_bytes: int
    """Of the largest process."""


def prepare(trial: Trial, track: Track, out: Path) -> tuple[list[str], ...]:
    """Write what a trial reads; return its commands, to be run one after another.

    A cold trial of clipeval finds an empty cache: what an earlier repeat left there is deleted.
    """
    shutil.rmtree(out, ignore_errors=True)
    out.mkdir(parents=True)
    if trial.contestant == "clipeval":
        if trial.cached is None:
            shutil.rmtree(_cache_folder(trial, track), ignore_errors=True)
        return (_clipeval_command(trial, track, out),)
    job = Job(
        photos=str(track.photos[trial.workload]),
        model=f"local-dir:{track.model}",
        templates=list(trial.workload.templates),
        precision=trial.precision,
        device=track.device,
        batch_size=track.batch_size,
        n_workers=track.n_threads,
        out=str(out),
    )
    job_file = out / "job.json"
    job_file.write_text(json.dumps(asdict(job)), encoding="utf-8")
    if trial.contestant == "open-clip":
        return ([sys.executable, str(HERE / "race_loop_open_clip.py"), str(job_file)],)
    assert track.rival is not None
    script = [str(track.rival.python), str(HERE / "race_loop_clip_benchmark.py")]
    if trial.contestant == "clip-benchmark":
        return ([*script, "functions", str(job_file)],)
    return tuple(
        [*script, "command", str(job_file), str(position), *_clip_benchmark_words(job, position)]
        for position in range(len(job.templates))
    )


def run_commands(
    commands: Sequence[Sequence[str]], trial: Trial, track: Track, *, log: Path
) -> Cost:
    """Run a trial's commands one after another, and measure them from outside.

    Raises:
        ContestantError: one fails.
    """
    environment = _environment(trial, track)
    cpu_s, peak = 0.0, 0
    with log.open("wb") as said:
        started = time.perf_counter()
        for command in commands:
            process = subprocess.Popen(  # noqa: S603 (no shell; prepare wrote the command)
                command, cwd=track.work, env=environment, stdout=said, stderr=subprocess.STDOUT
            )
            try:
                _, status, usage = os.wait4(process.pid, 0)
            except BaseException:  # a race that is ended must not leave a contestant running
                process.kill()
                process.wait()
                raise
            process.returncode = os.waitstatus_to_exitcode(status)
            if process.returncode:
                raise ContestantError(_failure(trial, process.returncode, log))
            cpu_s += usage.ru_utime + usage.ru_stime
            peak = max(peak, usage.ru_maxrss * (1 if sys.platform == "darwin" else 1024))
        wall_s = time.perf_counter() - started
    return Cost(wall_s=wall_s, cpu_s=cpu_s, peak_bytes=peak)


def read_predictions(trial: Trial, out: Path) -> tuple[Predictions, ...]:
    """Read what a trial predicted, template by template."""
    if trial.contestant == "clipeval":
        return _clipeval_predictions(out / "run")
    found = []
    for position in range(trial.workload.n_templates):
        with np.load(out / f"{position}.npz") as stored:
            paths = [str(path).replace(os.sep, "/") for path in stored["paths"]]
            predicted = [str(name) for name in stored["predicted"]]
            found.append(sorted_predictions(paths, predicted, stored["top"], stored["margin"]))
    return tuple(found)


def _clipeval_command(trial: Trial, track: Track, out: Path) -> list[str]:
    templates = [
        word
        for position, template in enumerate(trial.workload.templates)
        for word in ("--template", f"t{position}={template}")
    ]
    return [
        sys.executable, "-m", "clipeval", "run",
        "--model", f"local-dir:{track.model}",
        "--dataset", str(track.photos[trial.workload]),
        *templates,
        "--device", track.device,
        "--precision", trial.precision,
        "--batch-size", str(track.batch_size),
        "--out", str(out / "run"),
        *track.clipeval_options,
    ]  # fmt: skip


def _clip_benchmark_words(job: Job, position: int) -> list[str]:
    """Write one template's file; return the command line for it."""
    out, dataset = Path(job.out), CLIP_BENCHMARK_DATASET
    templates, classes = out / f"template-{position}.json", out / "classes.json"
    prompts = [job.templates[position].replace("{}", "{c}")]
    names = sorted(folder.name for folder in Path(job.photos).iterdir())
    templates.write_text(json.dumps({dataset: prompts}), encoding="utf-8")
    classes.write_text(json.dumps({dataset: names}), encoding="utf-8")
    return [
        "eval",
        "--task", "zeroshot_classification",
        "--dataset", dataset,
        "--dataset_root", job.photos,
        "--custom_template_file", str(templates),
        "--custom_classname_file", str(classes),
        "--model", job.model,
        "--pretrained", "",
        "--batch_size", str(job.batch_size),
        "--num_workers", str(job.n_workers),
        "--output", str(out / f"result-{position}.json"),
        *([] if job.precision == "bf16" else ["--no_amp"]),
    ]  # fmt: skip


def _cache_folder(trial: Trial, track: Track) -> Path:
    cached = trial.cached or trial.workload
    name = f"{cached.n_images}-{cached.n_classes}-{cached.first_template}-{cached.n_templates}"
    return track.work / f"cache-{trial.precision}-{name}"


def _environment(trial: Trial, track: Track) -> dict[str, str]:
    """Return the same environment for all: threads, no network, no device but the one asked for."""
    kept = {
        key: value
        for key, value in os.environ.items()
        if key not in DROPPED and not key.startswith("CLIPEVAL_")
    }
    on_cuda = track.device == "cuda"
    threads = str(track.n_threads)
    return {
        **kept,
        "OMP_NUM_THREADS": threads,
        "MKL_NUM_THREADS": threads,
        "HF_HUB_OFFLINE": "1",
        "CLIPEVAL_CACHE": str(_cache_folder(trial, track)),
        # float32 is float32: cuDNN's convolutions would round to TF32, and predictions could not be compared.
        **({"NVIDIA_TF32_OVERRIDE": "0"} if on_cuda else {"CUDA_VISIBLE_DEVICES": ""}),
    }


def _clipeval_predictions(folder: Path) -> tuple[Predictions, ...]:
    record = json.loads((folder / "run.json").read_text(encoding="utf-8"))
    rows = pq.read_table(
        folder / "predictions.parquet", columns=["cell", "path", "predicted", "top5_scores"]
    ).to_pylist()
    found = []
    for cell in sorted(record["cells"], key=_template_position):
        own = [row for row in rows if row["cell"] == cell["id"]]
        names = cell["dataset"]["class_names"]
        scores = np.array([(*row["top5_scores"], -np.inf)[:2] for row in own], dtype=np.float64)
        cosines = scores / cell["model"]["logit_scale"]
        found.append(
            sorted_predictions(
                [row["path"] for row in own],
                [names[row["predicted"]] for row in own],
                cosines[:, 0].astype(np.float32),
                (cosines[:, 0] - cosines[:, 1]).astype(np.float32),
            )
        )
    return tuple(found)


def _template_position(cell: dict[str, dict[str, str]]) -> int:
    return int(cell["template"]["id"].removeprefix("t"))


def _failure(trial: Trial, code: int, log: Path) -> str:
    lines = log.read_text(encoding="utf-8", errors="replace").splitlines()[-N_LOG_LINES:]
    return "\n  ".join(
        [f"{trial.contestant} ended with {code} on {trial.workload}, {trial.precision}:", *lines]
    )
