"""Profiles and comparisons of latency as terminal tables."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from rich import box
from rich.table import Table

from clipeval.cli.console import plain
from clipeval.wording import count

if TYPE_CHECKING:  # for annotations alone: `--help` does without
    from clipeval.records import LatencyGateResult
    from clipeval.records.latency import (
        BatchSweep,
        BenchmarkRecord,
        LatencyComparison,
        LatencySummary,
        PeakMemory,
        StageProfile,
        Tradeoff,
    )

BAR_WIDTH = 20
STAGE_WIDTH = 16
HIGH = "p90, p95, p99"
MS_PER_S = 1e3
_COLOURS = {"pass": "green", "inconclusive": "yellow", "fail": "red", "incomparable": "red"}


def profile_tables(record: BenchmarkRecord) -> list[Table]:
    """One table a setting, one row a stage."""
    settings = dict.fromkeys(profile.setting for profile in record.profiles)
    tables = []
    for setting in settings:
        title = (
            f"{plain(setting.model)} on {setting.device}, {setting.precision}, {setting.backend}, "
            f"batch {setting.batch_size}, {count(setting.n_threads, 'thread')}"
        )
        own = [profile for profile in record.profiles if profile.setting == setting]
        tables.append(_table(title, own))
    return tables


def benchmark_parts(record: BenchmarkRecord) -> Iterator[Table | str]:
    """Yield all that a terminal shows of a benchmark, in order."""
    yield from size_lines(record)
    yield from profile_tables(record)
    yield from map(sweep_table, record.sweeps)
    if record.tradeoffs:
        yield tradeoff_table(record.tradeoffs)


def size_lines(record: BenchmarkRecord) -> list[str]:
    """One line a model: parameters, and operations an image and a prompt."""
    return [
        f"{plain(model)}: {size.n_parameters / 1e6:,.2f} M parameters, "
        f"{size.flop_per_image / 1e9:,.3g} GFLOP an image, {size.flop_per_prompt / 1e9:,.3g} GFLOP a prompt"
        for model, size in record.models.items()
    ]


def _table(title: str, profiles: list[StageProfile]) -> Table:
    table = Table(box=box.SIMPLE_HEAD, title=title, title_justify="left")
    table.add_column("stage", no_wrap=True, min_width=len("encode_image"))
    on_device = any(one.device_summary for one in profiles)
    names = ["n", "median ms [95%]", *(["GPU ms"] if on_device else []), "IQR", HIGH]
    for name in (*names, "items/s", "of peak", "memory"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("", no_wrap=True)
    slowest = max(
        (p.summary.median_s for p in profiles if p.summary and p.items_per_s is not None),
        default=0.0,
    )
    for profile in profiles:
        table.add_row(*_row(profile, slowest, on_device=on_device))
    return table


def _row(profile: StageProfile, slowest: float, *, on_device: bool) -> list[str]:
    summary = profile.summary
    if summary is None:
        return [profile.stage, f"[red]{plain(profile.problem)}[/]"]
    interval = (
        f" [{_ms(summary.low_s)}, {_ms(summary.high_s)}]"
        if summary.low_s is not None and summary.high_s is not None
        else ""
    )
    marks = [f"[yellow]{doubt}[/]" for doubt in profile.doubts]
    bar = ""
    if profile.items_per_s is not None:
        bar = "\N{FULL BLOCK}" * max(1, round(BAR_WIDTH * summary.median_s / slowest))
    return [
        profile.stage,
        f"{summary.n:,}",
        plain(_ms(summary.median_s) + interval),
        *([_ms_on_device(profile)] if on_device else []),
        _ms(summary.q3_s - summary.q1_s) if summary.n > 1 else "",
        _high_quantiles(summary),
        "" if profile.items_per_s is None else f"{profile.items_per_s:,.1f}",
        "" if profile.flop_share is None else f"{profile.flop_share:.0%}",
        "" if profile.memory is None else _memory(profile.memory),
        f"[cyan]{bar}[/] " + " ".join(marks),
    ]


def _ms_on_device(profile: StageProfile) -> str:
    """Give the median by the GPU's own clock."""
    return "" if profile.device_summary is None else _ms(profile.device_summary.median_s)


def _memory(memory: PeakMemory) -> str:
    """Say what was in use at most: of the process, and of a GPU what tensors took of what torch reserved."""
    text = f"{memory.rss_bytes / 2**20:,.0f} MiB"
    if memory.device_allocated_bytes is None or memory.device_reserved_bytes is None:
        return text
    allocated, reserved = (
        memory.device_allocated_bytes / 2**20,
        memory.device_reserved_bytes / 2**20,
    )
    return f"{text}, GPU {allocated:,.0f} of {reserved:,.0f} MiB"


def _high_quantiles(summary: LatencySummary) -> str:
    """Give those that there are enough calls to state, and say so where there are not."""
    if summary.n == 1:
        return ""
    quantiles = (summary.p90_s, summary.p95_s, summary.p99_s)
    if all(one is None for one in quantiles):
        return "n too small"
    return ", ".join("n too small" if one is None else _ms(one) for one in quantiles)


def _ms(seconds: float) -> str:
    return f"{seconds * MS_PER_S:.3g}" if seconds < 1 else f"{seconds * MS_PER_S:,.0f}"


def sweep_table(sweep: BatchSweep) -> Table:
    """One row a batch size, with the knee and the end of memory."""
    first = sweep.profiles[0]
    setting = first.setting
    title = (
        f"encode_image by batch size: {plain(setting.model)} on {setting.device}, {setting.precision}, "
        f"{setting.backend}, {count(setting.n_threads, 'thread')}"
    )
    table = Table(box=box.SIMPLE_HEAD, title=title, title_justify="left")
    for name in ("batch", "median ms", "images/s"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("", no_wrap=True)
    fastest = max((one.items_per_s or 0 for one in sweep.profiles), default=0.0)
    for one in sweep.profiles:
        size = one.setting.batch_size
        if one.summary is None or not one.items_per_s:
            table.add_row(str(size), "", "", f"[red]{plain(one.problem)}[/]")
            continue
        bar = "\N{FULL BLOCK}" * max(1, round(BAR_WIDTH * one.items_per_s / fastest))
        mark = " knee: 95% of the best" if size == sweep.knee else ""
        table.add_row(
            str(size), _ms(one.summary.median_s), f"{one.items_per_s:,.1f}", f"[cyan]{bar}[/]{mark}"
        )
    table.caption = (
        f"memory did not run out up to {sweep.largest_that_fits}"
        if sweep.smallest_too_large is None
        else f"{sweep.largest_that_fits} fit, {sweep.smallest_too_large} do not"
    )
    table.caption_justify = "left"
    return table


def latency_comparison_table(comparisons: tuple[LatencyComparison, ...]) -> Table:
    """One row a stage: how much slower, how sure, and what that comes to."""
    table = Table(box=box.SIMPLE_HEAD)
    table.add_column("", no_wrap=True, min_width=len("INCOMPARABLE"))
    table.add_column("stage", overflow="fold", min_width=STAGE_WIDTH)
    table.add_column("times as long [95%]", justify="right", no_wrap=True)
    table.add_column("shown", no_wrap=True)
    for name in ("margin", "noise floor", "blocks"):
        table.add_column(name, justify="right", no_wrap=True)
    for one in comparisons:
        state = f"[{_COLOURS[one.verdict]}]{one.verdict.upper()}[/]"
        if one.ratio is None or one.low is None or one.high is None or one.noise_floor is None:
            table.add_row(state, str(one.point))
            continue
        table.add_row(
            state,
            str(one.point),
            plain(f"{one.ratio:.3f} [{one.low:.3f}, {one.high:.3f}]"),
            one.shown,
            f"{one.margin:.1%}",
            f"{one.noise_floor:.1%}",
            str(one.n_blocks or ""),
        )
    return table


def latency_comparison_notes(comparisons: tuple[LatencyComparison, ...]) -> list[str]:
    """Say why stages are incomparable, and what speaks against timings: a line each."""
    told = dict.fromkeys((one.cause or one.doubt, str(one.point)) for one in comparisons)
    return [f"[yellow]{plain(f'{point}: {why}')}[/]" for why, point in told if why]


def latency_gates_table(gates: tuple[LatencyGateResult, ...]) -> Table:
    """One row a limit: what was found."""
    table = Table(box=box.SIMPLE_HEAD, title="limits on latency", title_justify="left")
    for name in ("", "found"):
        table.add_column(name, overflow="fold")
    for gate in gates:
        table.add_row(
            f"[{_COLOURS.get(gate.state, 'red')}]{gate.state.upper()}[/]", plain(gate.message)
        )
    return table


def tradeoff_table(tradeoffs: tuple[Tradeoff, ...]) -> Table:
    """One row a model in a setting: how long, how accurate, and whether another beats it in both."""
    table = Table(box=box.SIMPLE_HEAD, title="accuracy against latency", title_justify="left")
    for name in ("model", "on", "data set"):
        table.add_column(name, overflow="fold")
    for name in ("batch", "median ms", "top-1 [95%]"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("Pareto front", no_wrap=True)
    for one in tradeoffs:
        setting = one.setting
        interval = (
            ""
            if one.top1_low is None or one.top1_high is None
            else f" [{one.top1_low:.1%}, {one.top1_high:.1%}]"
        )
        table.add_row(
            plain(setting.model),
            f"{setting.device} {setting.precision} {setting.backend}, {count(setting.n_threads, 'thread')}",
            plain(f"{one.dataset}, {one.template}"),
            str(setting.batch_size),
            _ms(one.median_s),
            plain(f"{one.top1:.1%}{interval}"),
            "[green]yes[/]" if one.is_on_front else "no",
        )
    return table
