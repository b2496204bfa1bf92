"""`clipeval run` and `clipeval validate`."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from clipeval import api
from clipeval.cli.bench_tables import benchmark_parts, latency_gates_table
from clipeval.cli.comparison_tables import comparisons_table, details
from clipeval.cli.console import TerminalProgress, out, plain, print_error, print_notices
from clipeval.cli.exits import EXIT_OF, VERDICT_COLOURS
from clipeval.cli.tables import cells_table, gates_table
from clipeval.records.holdout_lines import holdout_lines
from clipeval.records.precision_costs import cost_lines
from clipeval.records.shared_causes import told_once
from clipeval.records.stated_gates import gate_account, is_judged, verdict_word
from clipeval.wording import count

if TYPE_CHECKING:  # for annotations alone: `--help` does without
    from clipeval.records import BackendChoice, BaselineUse, Decode, Precision, RunRecord

EXAMPLES = """\
Examples:\n
  clipeval run suites/quickstart.yaml\n
  clipeval run suites/food101.yaml --model ViT-B-32/openai --limit 200 --out reports/try\n
  clipeval run --model tiny --dataset digits --template "a photo of the number {}"
"""
VALIDATE_EXAMPLES = """\
Examples:\n
  clipeval validate suites/food101.yaml\n
  clipeval validate          (every suite in ./suites)
"""


class PrecisionName(StrEnum):
    """Precisions that a run may ask for."""

    fp32 = "fp32"
    bf16 = "bf16"
    fp16 = "fp16"
    int8 = "int8"


class BackendOption(StrEnum):
    """Backends that a run may ask for."""

    auto = "auto"
    torch = "torch"
    compile = "compile"
    openvino = "openvino"
    onnxruntime = "onnxruntime"


class DecodeName(StrEnum):
    """How JPEGs may be decoded."""

    exact = "exact"
    fast = "fast"
    gpu = "gpu"


class EngineName(StrEnum):
    """Engines that can do the work."""

    serial = "serial"


PRECISIONS: dict[PrecisionName, Precision] = {
    PrecisionName.fp32: "fp32",
    PrecisionName.bf16: "bf16",
    PrecisionName.fp16: "fp16",
    PrecisionName.int8: "int8",
}
BACKENDS: dict[BackendOption, BackendChoice] = {
    BackendOption.auto: "auto",
    BackendOption.torch: "torch",
    BackendOption.compile: "compile",
    BackendOption.openvino: "openvino",
    BackendOption.onnxruntime: "onnxruntime",
}
DECODES: dict[DecodeName, Decode] = {
    DecodeName.exact: "exact",
    DecodeName.fast: "fast",
    DecodeName.gpu: "gpu",
}
Catalog = Annotated[
    Path | None,
    typer.Option(
        "--datasets",
        metavar="FILE",
        help="Catalogue of data sets; default: the datasets.yaml nearest to the suite.",
    ),
]


def run(
    suites: Annotated[
        list[Path] | None, typer.Argument(metavar="SUITE", help="Suite files.")
    ] = None,
    *,
    model: Annotated[
        list[str] | None,
        typer.Option("--model", metavar="MODEL", help="Model, instead of the suite's. Repeatable."),
    ] = None,
    dataset: Annotated[
        list[str] | None,
        typer.Option(
            "--dataset",
            metavar="DATASET",
            help="Data set: a key of the catalogue, a folder or a table. Repeatable.",
        ),
    ] = None,
    template: Annotated[
        list[str] | None,
        typer.Option(
            "--template",
            metavar="TEMPLATE",
            help="Template: an id of the suite, TEXT, ID=TEXT or @SET. Repeatable.",
        ),
    ] = None,
    device: Annotated[
        list[str] | None,
        typer.Option(
            "--device", metavar="DEVICE", help="auto, cpu, cuda, cuda:N or mps. Repeatable."
        ),
    ] = None,
    precision: Annotated[
        list[PrecisionName] | None, typer.Option(help="Precision of the towers. Repeatable.")
    ] = None,
    backend: Annotated[
        BackendOption | None,
        typer.Option(help="What runs the image tower; auto measures and picks the fastest."),
    ] = None,
    decode: Annotated[
        DecodeName | None,
        typer.Option(
            help="fast: JPEGs at a fraction of their size where that is still enough; gpu: by a CUDA GPU."
        ),
    ] = None,
    limit: Annotated[
        int | None,
        typer.Option(
            "--limit", min=1, metavar="N", help="Score at most N images of each data set."
        ),
    ] = None,
    batch_size: Annotated[
        int | None, typer.Option("--batch-size", min=1, metavar="N", help="Images a forward pass.")
    ] = None,
    baseline: Annotated[
        Path | None,
        typer.Option(
            "--baseline",
            metavar="FILE",
            help="Baseline, or run, to compare with; default: baselines/SUITE.json if it is there.",
        ),
    ] = None,
    margin: Annotated[
        float | None,
        typer.Option(
            "--margin",
            metavar="M",
            help="Tolerated drop, instead of the suite's: 0.01 is one point.",
        ),
    ] = None,
    holdout: Annotated[
        float | None,
        typer.Option(
            "--holdout",
            metavar="FRACTION",
            help="Rank templates without this share of the images, and confirm the best on it.",
        ),
    ] = None,
    no_latency: Annotated[
        bool, typer.Option("--no-latency", help="Leave out what the suite wants timed.")
    ] = False,
    out_dir: Annotated[
        Path | None,
        typer.Option("--out", metavar="DIR", help="Run folder; default: reports/SUITE (replaced)."),
    ] = None,
    no_cache: Annotated[
        bool, typer.Option("--no-cache", help="Neither read nor write cached embeddings.")
    ] = False,
    download: Annotated[
        bool, typer.Option("--download", help="Fetch data sets that are not there.")
    ] = False,
    engine: Annotated[EngineName, typer.Option(help="Who does the work.")] = EngineName.serial,  # noqa: ARG001
    datasets: Catalog = None,
) -> None:
    """Evaluate suites: encode each image once, score every template on it, write a run folder."""
    overrides = api.Overrides(
        models=tuple(model or ()),
        datasets=tuple(dataset or ()),
        templates=tuple(template or ()),
        devices=tuple(device or ()),
        precisions=tuple(PRECISIONS[name] for name in precision or ()),
        backend=BACKENDS[backend] if backend is not None else None,
        decode=DECODES[decode] if decode is not None else None,
        limit=limit,
        batch_size=batch_size,
        baseline=baseline,
        margin=margin,
        holdout=holdout,
        has_latency=not no_latency,
    )
    loaded = api.load_suites(suites or (), overrides=overrides, catalog=datasets)
    folders = api.run_folders([suite.name for suite in loaded], out_dir)
    baselines = api.open_baselines(loaded, folders)
    if len(loaded) > 1:  # a single suite's is checked by its run; here, before the first of several
        plans = [api.build_plan(suite) for suite in loaded]
        api.check_holdouts([(plan.suite, cell) for plan in plans for cell in plan.cells])
    worst = 0
    for suite, folder in zip(loaded, folders, strict=True):
        record = api.run(
            suite,
            folder,
            baselines=baselines,
            use_cache=not no_cache,
            download=download,
            progress=TerminalProgress(),
        )
        _print_record(record, folder)
        if (notice := api.add_to_step_summary(record)) is not None:
            print_notices([notice])
        worst = max(worst, EXIT_OF[record.verdict])
    raise typer.Exit(worst)


def validate(
    suites: Annotated[
        list[Path] | None,
        typer.Argument(metavar="SUITE", help="Suite files; default: all in ./suites."),
    ] = None,
    *,
    datasets: Catalog = None,
) -> None:
    """Check suites and the catalogue of data sets without running anything (and without torch)."""
    for checked in api.validate(suites or (), catalog=datasets):
        print_notices(checked.notices)
        out.print(
            f"[green]ok[/] {plain(checked.path)}: suite '{plain(checked.suite)}', "
            f"{count(len(checked.cells), 'cell')}"
        )


def _print_record(record: RunRecord, folder: Path) -> None:
    print_notices([*record.notices, *(n for cell in record.cells for n in cell.notices)])
    if record.cells:
        out.print(cells_table(record))
    for line in cost_lines(record.cells, quote=plain):
        out.print(line)
    _print_comparisons(record)
    if any(cell.gates for cell in record.cells):
        out.print(gates_table(record))
    _print_latency(record, folder)
    for error in record.errors:
        print_error(f"{error.id}: {error.message}")
    for cell in record.cells:
        for gates in told_once(cell.gates):
            if gates.state == "error":
                print_error("\n  ".join([f"{cell.id}: {gates.lines[0]}", *gates.lines[1:]]))
    colour = VERDICT_COLOURS[record.verdict]
    partial = " (partial: some cells are missing)" if record.status == "partial" else ""
    unjudged = "" if is_judged(record) else f", {gate_account(record)}"
    out.print(f"[bold {colour}]{verdict_word(record)}[/]{unjudged}{partial}  {plain(str(folder))}")
    out.print(f"report: {plain(str(folder / 'report.html'))}")


def _print_latency(record: RunRecord, folder: Path) -> None:
    if record.latency is None:
        return
    if (benchmark := api.read_timings(folder)) is not None:
        for part in benchmark_parts(benchmark):
            out.print(part)
    if record.latency.gates:
        out.print(latency_gates_table(record.latency.gates))
    for problem in record.latency.problems:
        print_error(f"not timed: {problem}")


def _print_comparisons(record: RunRecord) -> None:
    for kind in ("template", "model", "baseline"):
        if of_kind := [one for one in record.comparisons if one.kind == kind]:
            out.print(comparisons_table(of_kind))
    for line in holdout_lines(record.holdouts, quote=plain):
        out.print(line)
    if record.baseline is not None:
        _print_baseline(record, record.baseline)


def _print_baseline(record: RunRecord, use: BaselineUse) -> None:
    for one in record.comparisons:
        if one.kind == "baseline" and one.conclusion != "same":
            for line in details(one):
                out.print(plain(line))
    out.print(f"baseline {plain(use.source)}, accepted {plain(use.accepted)}")
    lost = [
        f"{cell}: the baseline has this cell, and the suite no longer does"
        for cell in use.missing_cells
    ]
    lost += [f"{now}: is called {then} in the baseline" for then, now in use.renamed_cells]
    for message in lost:
        if use.is_gated:
            print_error(message)
        else:  # no gate relies on the baseline, and the run does not fail for it
            out.print(f"[yellow]lost[/] {plain(message)}")
    for cell in use.new_cells:
        out.print(f"[yellow]new[/] {plain(cell)}: the baseline does not have it")
