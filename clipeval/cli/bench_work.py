"""What `clipeval bench` does once its options are understood: profile, or compare."""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from clipeval import api
from clipeval.cli.bench_tables import (
    benchmark_parts,
    latency_comparison_notes,
    latency_comparison_table,
)
from clipeval.cli.console import TerminalProgress, err, out, plain, print_notices
from clipeval.cli.exits import VERDICT_COLOURS
from clipeval.errors import BenchError, ConfigError

if TYPE_CHECKING:  # for annotations alone: `--help` does without
    from clipeval.records import Verdict


@dataclass(frozen=True, slots=True)
class AccuracyRequest:
    """On what the accuracy of the models is measured."""

    datasets: tuple[str, ...]
    template: str
    limit: int | None


def profile(
    request: api.BenchRequest,
    *,
    is_fresh: bool,
    accuracy: AccuracyRequest | None,
    json_file: Path | None,
) -> None:
    """Profile models, print what was found, and write it down.

    Raises:
        BenchError: some could not be profiled; the others are printed and written all the same.
    """
    if request.trace_folder is not None:  # before torch is imported: its profiler talks on stderr
        os.environ.setdefault("KINETO_LOG_LEVEL", "99")
    request = api.check_request(request)
    _print_distortions()
    accuracies = None
    if accuracy is not None:
        accuracies = api.measure_accuracy(
            request,
            datasets=accuracy.datasets,
            template=accuracy.template,
            limit=accuracy.limit,
            progress=TerminalProgress(),
        )
    # `cold` is the first call of a process: evaluating warms it up, and so does another setting.
    is_cold_asked = "cold" in request.stages and len(request.apart(by_batch_size=False)) > 1
    progress = TerminalProgress()
    if is_fresh or accuracies or is_cold_asked:
        record = api.bench_in_fresh_processes(
            request, is_split=is_fresh, argv=sys.argv, progress=progress
        )
    else:
        record = api.bench(request, argv=sys.argv, progress=progress)
    if accuracies is not None:
        record = accuracies.beside(record)
    print_notices(record.notices)
    for part in benchmark_parts(record):
        out.print(part)
    if request.trace_folder is not None:
        folder = plain(str(request.trace_folder))
        out.print(f"traces: {folder} (open in https://ui.perfetto.dev or chrome://tracing)")
    if json_file is not None:
        api.write_benchmark(record, json_file)
    if any(one.code == api.NOT_PROFILED for one in record.notices):
        raise BenchError("not everything could be profiled: see above")


def _print_distortions() -> None:
    for one in api.find_distortions():
        if not one.is_lasting:
            err.print(
                f"[yellow]note[/] {plain(one.subject)}: {plain(one.finding)}; {plain(one.advice)}"
            )


def compare(
    models: list[str],
    against: str,
    request: api.BenchRequest,
    *,
    margin: float,
    n_blocks: int,
    json_file: Path | None,
) -> Verdict:
    """Compare a model with another or with what was kept, print and return what that comes to."""
    if len(models) > 1:
        raise ConfigError(f"--against compares one --model; got {len(models)}")
    request = api.check_request(request)
    if "cold" in request.stages and len(request.apart(by_batch_size=False)) > 1:
        raise ConfigError(
            "--against with --stage cold compares one setting, for a process is cold but once; name one "
            "--device, one --precision and one number of --threads"
        )
    _print_distortions()
    found = api.compare_latency(
        models[0],
        against,
        request=request,
        margin=margin,
        n_blocks=n_blocks,
        argv=sys.argv,
        progress=TerminalProgress(),
    )
    print_notices(found.notices)
    out.print(f"base       {plain(found.base)}")
    out.print(f"candidate  {plain(found.candidate)}")
    out.print(latency_comparison_table(found.comparisons))
    for note in latency_comparison_notes(found.comparisons):
        out.print(note)
    if any(one.verdict == "incomparable" for one in found.comparisons):
        out.print("[bold red]INCOMPARABLE[/]")
    else:
        out.print(f"[bold {VERDICT_COLOURS[found.verdict]}]{found.verdict.upper()}[/]")
    if json_file is not None:
        api.write_comparison(found, json_file)
    return found.verdict
