"""How long does clipeval take to start? Fresh processes, interleaved, beside what cannot be avoided.

    python benchmarks/startup.py [--rounds 15]

`--help` stands beside the help of an empty Typer app of two commands; what needs no model stands
beside `python -c "import torch"`. A ratio is the median of the ratios within each round, with its
quartiles, so that a machine that is busy for a while burdens both sides. Processor time is of the
process and its threads, user and system. Exits with 1 if a goal is missed.
"""

from __future__ import annotations

import argparse
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
EMPTY_APP = ROOT / "benchmarks" / "empty_app.py"
GOAL_HELP = 1.5
GOAL_WITHOUT_TORCH = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Started:
    """What one process took."""

    wall_s: float
    processor_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Contender:
    """A command, and the one that it is held against."""

    name: str
    command: tuple[str, ...]
    against: str | None = None
    goal: float | None = None
    """Largest ratio of processor times."""


def main() -> None:
    """Measure and print; see the module."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=15)
    rounds: int = parser.parse_args().rounds
    with tempfile.TemporaryDirectory() as folder:
        contenders = _contenders(Path(folder))
        took = _measure(contenders, rounds, Path(folder))
    print(f"{rounds} rounds, {os.cpu_count()} cores, Python {sys.version.split()[0]}\n")
    print("| command | wall ms | processor ms | against | ratio, wall | ratio, processor |")
    print("|---|---:|---:|---|---:|---:|")
    missed = False
    for one in contenders:
        row, is_missed = _row(one, took)
        missed |= is_missed
        print(row)
    sys.exit(int(missed))


def _contenders(folder: Path) -> tuple[Contender, ...]:
    clipeval = str(Path(sys.executable).with_name("clipeval"))
    suite = str(ROOT / "suites" / "quickstart.yaml")
    run = folder / "run"
    words = ("run", "--model", "tiny", "--dataset", "digits", "--limit", "200")
    words += ("--template", "a photo of the number {}", "--template", "{}", "--out", str(run))
    subprocess.run([clipeval, *words], check=True, cwd=ROOT, capture_output=True)  # noqa: S603 (our own)

    def without_torch(name: str, *words: str) -> Contender:
        return Contender(
            name=f"clipeval {name}",
            command=(clipeval, *words),
            against="import torch",
            goal=GOAL_WITHOUT_TORCH,
        )

    return (
        Contender(name="python -c pass", command=(sys.executable, "-c", "pass")),
        Contender(name="empty app --help", command=(sys.executable, str(EMPTY_APP), "--help")),
        Contender(
            name="clipeval --help",
            command=(clipeval, "--help"),
            against="empty app --help",
            goal=GOAL_HELP,
        ),
        Contender(name="import torch", command=(sys.executable, "-c", "import torch")),
        without_torch("validate", "validate", suite),
        without_torch("list suites", "list", "suites"),
        without_torch("list templates", "list", "templates"),
        without_torch("cache info", "cache", "info"),
        without_torch("report", "report", str(run)),
        without_torch("compare", "compare", str(run), str(run)),
    )


def _measure(
    contenders: Sequence[Contender], rounds: int, folder: Path
) -> dict[str, list[Started]]:
    """Return what each took, round by round; a first round fills the caches and is dropped."""
    # Without bytecode every start compiles clipeval again, and nothing else.
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}
    environment["CLIPEVAL_CACHE"] = str(folder / "cache")
    took: dict[str, list[Started]] = {one.name: [] for one in contenders}
    for _ in range(rounds + 1):
        for one in contenders:
            took[one.name].append(_start(one.command, environment))
    return {name: times[1:] for name, times in took.items()}


def _start(command: Sequence[str], environment: Mapping[str, str]) -> Started:
    before, start = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    subprocess.run(command, check=True, cwd=ROOT, env=environment, capture_output=True)  # noqa: S603 (listed above)
    wall_s = time.perf_counter() - start
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    processor_s = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return Started(wall_s=wall_s, processor_s=processor_s)


def _row(one: Contender, took: Mapping[str, Sequence[Started]]) -> tuple[str, bool]:
    """Return the row of a table, and whether a goal is missed."""
    wall = _spread([1e3 * each.wall_s for each in took[one.name]], ".0f")
    processor = _spread([1e3 * each.processor_s for each in took[one.name]], ".0f")
    if one.against is None:
        return f"| {one.name} | {wall} | {processor} | | | |", False
    pairs = list(zip(took[one.name], took[one.against], strict=True))
    of_wall = [mine.wall_s / other.wall_s for mine, other in pairs]
    of_processor = [mine.processor_s / other.processor_s for mine, other in pairs]
    is_missed = one.goal is not None and statistics.median(of_processor) > one.goal
    goal = "" if one.goal is None else f" (goal {one.goal:g}{', MISSED' if is_missed else ''})"
    row = (
        f"| {one.name} | {wall} | {processor} | {one.against} | {_spread(of_wall, '.2f')} "
        f"| {_spread(of_processor, '.2f')}{goal} |"
    )
    return row, is_missed


def _spread(values: Sequence[float], form: str) -> str:
    low, middle, high = statistics.quantiles(values, n=4)
    return f"{middle:{form}} [{low:{form}}, {high:{form}}]"


if __name__ == "__main__":
    main()
