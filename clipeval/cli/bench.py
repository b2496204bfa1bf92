"""`clipeval bench`: how fast a model is here, stage by stage."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer

from clipeval import api
from clipeval.cli.bench_tables import latency_comparison_table, profile_tables, sweep_table
from clipeval.cli.console import TerminalProgress, out, plain, print_notices
from clipeval.cli.exits import EXIT_OF, VERDICT_COLOURS
from clipeval.cli.run import PRECISIONS, PrecisionName
from clipeval.errors import ConfigError

if TYPE_CHECKING:  # for annotations alone: `--help` does without
    from clipeval.records import BackendName
    from clipeval.records.latency import StageName

EXAMPLES = """\
Examples:\n
  clipeval bench --model ViT-B-32/random --device cpu --batch 1 32\n
  clipeval bench --model ViT-B-32/openai --device cuda --precision fp32 bf16 --stage encode_image\n
  clipeval bench --model tiny --json tiny.json
"""
COMPARED = ("encode_image", "encode_text", "end_to_end")
"""Stages that --against compares if none is named: what a user of the model waits for."""


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
        int | None, typer.Option("--threads", min=1, metavar="N", help="torch's threads.")
    ] = None,
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
    _refuse_what_would_be_ignored(against, sweep=sweep, trace=trace, margin=margin, blocks=blocks)
    if json_file is not None and not json_file.parent.is_dir():
        raise ConfigError(f"--json {json_file}: there is no folder {json_file.parent}")
    if against is not None:
        words = _Words(device, batch, precision, stage, backend, threads, samples).in_order()
        _compare(
            model,
            against,
            words,
            margin=DEFAULT_MARGIN if margin is None else margin,
            n_blocks=DEFAULT_BLOCKS if blocks is None else blocks,
            json_file=json_file,
        )
    if trace is not None:  # before torch is imported: its profiler talks on stderr
        os.environ.setdefault("KINETO_LOG_LEVEL", "99")
    request = api.BenchRequest(
        models=tuple(model),
        devices=tuple(device or ("auto",)),
        batch_sizes=tuple(batch or (1, 32)),
        precisions=tuple(PRECISIONS[name] for name in precision or (PrecisionName.fp32,)),
        stages=tuple(STAGES[name] for name in stage) if stage else tuple(STAGES.values()),
        backend=BACKENDS[backend],
        n_threads=threads,
        n_samples=samples,
        sweep_to=sweep,
        trace_folder=trace,
    )
    record = api.bench(request, argv=sys.argv, progress=TerminalProgress())
    print_notices(record.notices)
    for table in profile_tables(record):
        out.print(table)
    for one in record.sweeps:
        out.print(sweep_table(one))
    if trace is not None:
        out.print(
            f"traces: {plain(str(trace))} (open in https://ui.perfetto.dev or chrome://tracing)"
        )
    if json_file is not None:
        api.write_benchmark(record, json_file)


def _refuse_what_would_be_ignored(
    against: str | None,
    *,
    sweep: int | None,
    trace: Path | None,
    margin: float | None,
    blocks: int | None,
) -> None:
    ignored: dict[str, object]
    if against is None:
        ignored = {"--margin": margin, "--blocks": blocks}
        advice = "goes with --against"
    else:
        ignored = {"--sweep": sweep, "--trace": trace}
        advice = "does not go with --against; run it by itself"
    for name, value in ignored.items():
        if value is not None:
            raise ConfigError(f"{name} {advice}")


@dataclass(frozen=True, slots=True)
class _Words:
    """Options of a profile, for a process of its own."""

    device: list[str] | None
    batch: list[int] | None
    precision: list[PrecisionName] | None
    stage: list[StageOption] | None
    backend: BenchBackend
    threads: int | None
    samples: int

    def in_order(self) -> tuple[str, ...]:
        several: tuple[tuple[str, Sequence[object]], ...] = (
            ("--device", self.device or ()),
            ("--batch", self.batch or ()),
            ("--precision", self.precision or ()),
            ("--stage", self.stage or COMPARED),
            ("--threads", () if self.threads is None else (self.threads,)),
        )
        words = [
            word for name, values in several for value in values for word in (name, str(value))
        ]
        return (*words, "--backend", self.backend.value, "--samples", str(self.samples))


def _compare(
    models: list[str],
    against: str,
    words: tuple[str, ...],
    *,
    margin: float,
    n_blocks: int,
    json_file: Path | None,
) -> NoReturn:
    if len(models) > 1:
        raise ConfigError(f"--against compares one --model; got {len(models)}")
    found = api.compare_latency(
        models[0],
        against,
        words=words,
        margin=margin,
        n_blocks=n_blocks,
        progress=TerminalProgress(),
    )
    if json_file is not None:
        api.write_comparison(found, json_file)
    out.print(f"base       {plain(found.base)}")
    out.print(f"candidate  {plain(found.candidate)}")
    out.print(latency_comparison_table(found.comparisons))
    if any(one.verdict == "incomparable" for one in found.comparisons):
        out.print("[bold red]INCOMPARABLE[/]")
    else:
        out.print(f"[bold {VERDICT_COLOURS[found.verdict]}]{found.verdict.upper()}[/]")
    raise typer.Exit(EXIT_OF[found.verdict])
