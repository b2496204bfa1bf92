"""`clipeval bench`: how fast a model is here, stage by stage."""

from __future__ import annotations

import sys
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich import box
from rich.table import Table

from clipeval import api
from clipeval.cli.console import TerminalProgress, out, plain, print_notices
from clipeval.cli.run import PRECISIONS, PrecisionName

if TYPE_CHECKING:  # for annotations alone: `--help` does without
    from clipeval.records import BackendName
    from clipeval.records.latency import BenchmarkRecord, StageName, StageProfile

EXAMPLES = """\
Examples:\n
  clipeval bench --model ViT-B-32/random --device cpu --batch 1 32\n
  clipeval bench --model ViT-B-32/openai --device cuda --precision fp32 bf16 --stage encode_image\n
  clipeval bench --model tiny --json tiny.json
"""
BAR_WIDTH = 20
MS_PER_S = 1e3


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
    json_file: Annotated[
        Path | None, typer.Option("--json", metavar="FILE", help="Write every timing there.")
    ] = None,
) -> None:
    """Time loading, preprocessing, both towers and the whole way from a JPEG to a class."""
    request = api.BenchRequest(
        models=tuple(model),
        devices=tuple(device or ("auto",)),
        batch_sizes=tuple(batch or (1, 32)),
        precisions=tuple(PRECISIONS[name] for name in precision or (PrecisionName.fp32,)),
        stages=tuple(STAGES[name] for name in stage) if stage else tuple(STAGES.values()),
        backend=BACKENDS[backend],
        n_threads=threads,
        n_samples=samples,
    )
    record = api.bench(request, argv=sys.argv, progress=TerminalProgress())
    print_notices(record.notices)
    for table in _tables(record):
        out.print(table)
    if json_file is not None:
        api.write_benchmark(record, json_file)


def _tables(record: BenchmarkRecord) -> list[Table]:
    settings = dict.fromkeys(profile.setting for profile in record.profiles)
    tables = []
    for setting in settings:
        title = (
            f"{plain(setting.model)} on {setting.device}, {setting.precision}, {setting.backend}, "
            f"batch {setting.batch_size}, {setting.n_threads} threads"
        )
        own = [profile for profile in record.profiles if profile.setting == setting]
        tables.append(_table(title, own))
    return tables


def _table(title: str, profiles: list[StageProfile]) -> Table:
    table = Table(box=box.SIMPLE_HEAD, title=title, title_justify="left")
    table.add_column("stage")
    for name in ("median ms [95%]", "IQR", "p90", "p99", "items/s", "of peak", "memory"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("", no_wrap=True)
    slowest = max(
        (p.summary.median_s for p in profiles if p.summary and p.items_per_s is not None),
        default=0.0,
    )
    for profile in profiles:
        table.add_row(*_row(profile, slowest))
    return table


def _row(profile: StageProfile, slowest: float) -> list[str]:
    summary = profile.summary
    if summary is None:
        return [profile.stage, f"[red]{plain(profile.problem)}[/]"]
    interval = (
        f" [{_ms(summary.low_s)}, {_ms(summary.high_s)}]"
        if summary.low_s is not None and summary.high_s is not None
        else ""
    )
    marks = [] if profile.is_steady else ["[yellow]unsteady[/]"]
    if profile.drift is not None:
        marks.append(f"[yellow]drifts {profile.drift:+.0%}[/]")
    bar = ""
    if profile.items_per_s is not None:
        bar = "\N{FULL BLOCK}" * max(1, round(BAR_WIDTH * summary.median_s / slowest))
    return [
        profile.stage,
        plain(_ms(summary.median_s) + interval),
        _ms(summary.q3_s - summary.q1_s) if summary.n > 1 else "",
        _stated(summary.p90_s, summary.n),
        _stated(summary.p99_s, summary.n),
        "" if profile.items_per_s is None else f"{profile.items_per_s:,.1f}",
        "" if profile.flop_share is None else f"{profile.flop_share:.0%}",
        "" if profile.memory is None else f"{profile.memory.rss_bytes / 2**20:,.0f} MiB",
        f"[cyan]{bar}[/] " + " ".join(marks),
    ]


def _stated(seconds: float | None, n: int) -> str:
    if seconds is not None:
        return _ms(seconds)
    return "n too small" if n > 1 else ""


def _ms(seconds: float) -> str:
    return f"{seconds * MS_PER_S:.3g}" if seconds < 1 else f"{seconds * MS_PER_S:,.0f}"
