"""`clipeval bench`: how fast a model is here, stage by stage."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from tempfile import TemporaryFile
from typing import TYPE_CHECKING, Annotated

import typer

from clipeval import api
from clipeval.cli import bench_work
from clipeval.cli.exits import EXIT_OF
from clipeval.cli.run import PRECISIONS, PrecisionName
from clipeval.errors import ConfigError

if TYPE_CHECKING:  # for annotations alone: `--help` does without
    from clipeval.records import BackendName
    from clipeval.records.specs import StageName

EXAMPLES = """\
Examples:\n
  clipeval bench --model ViT-B-32/random --device cpu --batch 1 32\n
  clipeval bench --model ViT-B-32/openai --device cuda --precision fp32 bf16 --stage encode_image\n
  clipeval bench --model tiny --json tiny.json
"""
COMPARED: tuple[StageName, ...] = ("encode_image", "encode_text", "end_to_end")
"""Stages that --against compares if none is named: what a user of the model waits for."""


TRACED: tuple[StageName, ...] = (
    "preprocess", "encode_image", "encode_text", "classify", "end_to_end",
)  # fmt: skip
BESIDE_ACCURACY: tuple[StageName, ...] = ("end_to_end", "encode_image")
MAX_THREADS = 1024
DEFAULT_MARGIN = 0.10
DEFAULT_BLOCKS = 8


class StageOption(StrEnum):
    """Stages that can be asked for."""

    load = "load"
    cold = "cold"
    preprocess = "preprocess"
    encode_image = "encode_image"
    encode_text = "encode_text"
    classify = "classify"
    end_to_end = "end_to_end"


class BenchBackend(StrEnum):
    """Backends that can be profiled."""

    torch = "torch"
    compile = "compile"
    openvino = "openvino"
    onnxruntime = "onnxruntime"


STAGES: dict[StageOption, StageName] = {
    StageOption.load: "load",
    StageOption.cold: "cold",
    StageOption.preprocess: "preprocess",
    StageOption.encode_image: "encode_image",
    StageOption.encode_text: "encode_text",
    StageOption.classify: "classify",
    StageOption.end_to_end: "end_to_end",
}
BACKENDS: dict[BenchBackend, BackendName] = {
    BenchBackend.torch: "torch",
    BenchBackend.compile: "compile",
    BenchBackend.openvino: "openvino",
    BenchBackend.onnxruntime: "onnxruntime",
}


def bench(
    *,
    model: Annotated[
        list[str], typer.Option("--model", metavar="MODEL", help="Model, as in suites. Repeatable.")
    ],
    device: Annotated[
        list[str] | None,
        typer.Option(
            "--device", metavar="DEVICE", help="auto, cpu, cuda, cuda:N or mps. Repeatable."
        ),
    ] = None,
    batch: Annotated[
        list[int] | None,
        typer.Option("--batch", min=1, metavar="N", help="Images, or prompts, a call. Repeatable."),
    ] = None,
    precision: Annotated[
        list[PrecisionName] | None, typer.Option(help="Precision. Repeatable.")
    ] = None,
    stage: Annotated[
        list[StageOption] | None, typer.Option(help="Stage; default: all. Repeatable.")
    ] = None,
    backend: Annotated[
        BenchBackend, typer.Option(help="What runs the image tower.")
    ] = BenchBackend.torch,
    threads: Annotated[
        list[int] | None,
        typer.Option(
            "--threads", min=1, max=MAX_THREADS, metavar="N", help="torch's threads. Repeatable."
        ),
    ] = None,
    fresh: Annotated[
        bool,
        typer.Option("--fresh", help="Every configuration in a process of its own."),
    ] = False,
    samples: Annotated[
        int,
        typer.Option(
            "--samples", min=10, metavar="N", help="Calls to time; p90 needs 64, p99 662."
        ),
    ] = 64,
    sweep: Annotated[
        int | None,
        typer.Option(
            "--sweep", min=1, metavar="N", help="Also encode_image at batch sizes 1, 2, 4 ... N."
        ),
    ] = None,
    trace: Annotated[
        Path | None,
        typer.Option(
            "--trace",
            metavar="DIR",
            help="Write a Chrome trace and the top operators of each stage.",
        ),
    ] = None,
    dataset: Annotated[
        list[str] | None,
        typer.Option(
            "--dataset",
            metavar="KEY|PATH",
            help="Also how accurate the models are on it, with --template. Repeatable.",
        ),
    ] = None,
    template: Annotated[
        str | None,
        typer.Option(
            "--template", metavar="TEXT|@SET", help="With --dataset: the prompt template."
        ),
    ] = None,
    limit: Annotated[
        int | None,
        typer.Option(
            "--limit", min=1, metavar="N", help="With --dataset: at most N images of each."
        ),
    ] = None,
    against: Annotated[
        str | None,
        typer.Option(
            "--against",
            metavar="RUN|MODEL",
            help="Is the model slower than this one, or than what --json kept? In fresh processes.",
        ),
    ] = None,
    margin: Annotated[
        float | None,
        typer.Option(
            "--margin",
            metavar="M",
            help="With --against: tolerated slowdown; default: 0.1, that is 10%.",
        ),
    ] = None,
    blocks: Annotated[
        int | None,
        typer.Option(
            "--blocks",
            metavar="N",
            help="With --against: processes in the order A, B, B, A, N times; default: 8.",
        ),
    ] = None,
    json_file: Annotated[
        Path | None, typer.Option("--json", metavar="FILE", help="Write every timing there.")
    ] = None,
) -> None:
    """Time loading, preprocessing, both towers and the whole way from a JPEG to a class."""
    _refuse_what_would_be_ignored(
        against,
        sweep=sweep,
        trace=trace,
        margin=margin,
        blocks=blocks,
        fresh=fresh or None,
        dataset=dataset,
    )
    accuracy = _accuracy(dataset, template, limit)
    stages = _stages(stage, is_compared=against is not None)
    _check_stages(stages, has_trace=trace is not None, has_accuracy=accuracy is not None)
    _check_outputs(json_file, trace)
    request = api.BenchRequest(
        models=tuple(model),
        devices=tuple(device or ("auto",)),
        batch_sizes=tuple(dict.fromkeys(batch or (1, 32))),
        precisions=tuple(PRECISIONS[name] for name in precision or (PrecisionName.fp32,)),
        stages=stages,
        backend=BACKENDS[backend],
        thread_counts=tuple(dict.fromkeys(threads or ())),
        n_samples=samples,
        sweep_to=sweep,
        trace_folder=trace,
    )
    if against is not None:
        found = bench_work.compare(
            model,
            against,
            request,
            margin=DEFAULT_MARGIN if margin is None else margin,
            n_blocks=DEFAULT_BLOCKS if blocks is None else blocks,
            json_file=json_file,
        )
        raise typer.Exit(EXIT_OF[found])
    bench_work.profile(request, is_fresh=fresh, accuracy=accuracy, json_file=json_file)


def _check_outputs(json_file: Path | None, trace: Path | None) -> None:
    """Refuse what cannot be written to, before minutes of measuring; make the folder of traces."""
    if json_file is not None:
        try:
            if not json_file.parent.is_dir():
                raise ConfigError(f"--json {json_file}: there is no folder {json_file.parent}")
            if json_file.is_dir():
                raise ConfigError(f"--json {json_file}: is a folder; expected a file to write")
            _try_to_write(json_file.parent)
        except OSError as error:
            raise ConfigError(f"--json {json_file}: {error.strerror or error}") from error
    if trace is not None:
        try:
            if trace.exists() and not trace.is_dir():
                raise ConfigError(f"--trace {trace}: is a file; expected a folder")
            trace.mkdir(parents=True, exist_ok=True)
            _try_to_write(trace)
        except OSError as error:
            raise ConfigError(f"--trace {trace}: {error.strerror or error}") from error


def _try_to_write(folder: Path) -> None:
    with TemporaryFile(dir=folder):
        pass


def _check_stages(stages: tuple[StageName, ...], *, has_trace: bool, has_accuracy: bool) -> None:
    if has_trace and not set(stages) & set(TRACED):
        raise ConfigError(
            f"--trace: load and cold happen once and are not traced; add --stage "
            f"{' or '.join(TRACED)}"
        )
    if has_accuracy and not set(stages) & set(BESIDE_ACCURACY):
        raise ConfigError(
            f"--dataset: accuracy is set against {' or '.join(BESIDE_ACCURACY)}; add one of them as --stage"
        )


def _accuracy(
    datasets: list[str] | None, template: str | None, limit: int | None
) -> bench_work.AccuracyRequest | None:
    if datasets and template is not None:
        return bench_work.AccuracyRequest(tuple(datasets), template, limit)
    if datasets or template is not None or limit is not None:
        raise ConfigError(
            "--dataset, --template and --limit go together: accuracy needs images and a prompt template, for "
            "example --dataset digits --template 'a photo of the number {}'"
        )
    return None


def _stages(named: list[StageOption] | None, *, is_compared: bool) -> tuple[StageName, ...]:
    if named:
        return tuple(STAGES[one] for one in named)
    return COMPARED if is_compared else tuple(STAGES.values())


def _refuse_what_would_be_ignored(
    against: str | None,
    *,
    sweep: int | None,
    trace: Path | None,
    margin: float | None,
    blocks: int | None,
    fresh: bool | None,
    dataset: list[str] | None,
) -> None:
    ignored: dict[str, object]
    if against is None:
        ignored = {"--margin": margin, "--blocks": blocks}
        advice = "goes with --against"
    else:
        ignored = {"--sweep": sweep, "--trace": trace, "--fresh": fresh, "--dataset": dataset}
        advice = "does not go with --against; run it by itself"
    for name, value in ignored.items():
        if value is not None:
            raise ConfigError(f"{name} {advice}")
