"""Is B slower than A? Fresh processes in the order A, B, B, A, after the machine's noise was measured."""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from clipeval import store
from clipeval.api.fresh_process import FreshProcess
from clipeval.errors import BenchError, ConfigError
from clipeval.progress import Advance, Progress, SilentProgress
from clipeval.records import Verdict
from clipeval.records.latency import (
    BenchmarkRecord,
    LatencyComparison,
    LatencyPoint,
    StageProfile,
)
from clipeval.records.model_names import parse_model
from clipeval.stats import (
    MIN_BLOCKS,
    Ratio,
    RatioVerdict,
    abba_log_ratio,
    noise_floor,
    ratio_of_blocks,
    ratio_of_samples,
    ratio_verdict,
)

DEFAULT_BLOCKS = 8
MAX_MARGIN = 10
_WORST_FIRST: tuple[RatioVerdict, ...] = ("fail", "inconclusive", "pass")
Profile = Callable[[str], BenchmarkRecord]
"""Profiles a model in a process of its own, given its string."""
_Medians = Mapping[LatencyPoint, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class BenchComparison:
    """A candidate beside what it was compared with, and what that comes to."""

    base: str
    candidate: str
    comparisons: tuple[LatencyComparison, ...]

    @property
    def verdict(self) -> Verdict:
        """The worst of all stages; `error` if one is incomparable, which is never pass or fail."""
        found = {one.verdict for one in self.comparisons}
        if "incomparable" in found:
            return "error"
        for verdict in _WORST_FIRST:
            if verdict in found:
                return verdict
        return "error"


def compare_latency(
    candidate: str,
    against: str,
    *,
    words: Sequence[str],
    margin: float,
    n_blocks: int = DEFAULT_BLOCKS,
    progress: Progress | None = None,
) -> BenchComparison:
    """Compare a model with another, or with a stored profile, in fresh processes.

    Args:
        candidate: model string.
        against: a model string, or a file (or run folder) that `clipeval bench` wrote.
        words: options of `clipeval bench` for both, beside the model.
        margin: tolerated slowdown: 0.10 is ten per cent.
        n_blocks: of processes in the order A, B, B, A.
        progress: told of every process done.
    Raises:
        ConfigError: the margin is no share, below the machine's noise floor, or nothing is to be compared.
        BenchError: a process failed.
        StoreError: the file is no profile.
    """
    if not 0 < margin < MAX_MARGIN:
        raise ConfigError(
            f"--margin {margin:g}: expected a share between 0 and {MAX_MARGIN}, such as 0.1"
        )
    if n_blocks < MIN_BLOCKS:
        raise ConfigError(
            f"--blocks {n_blocks}: fewer than {MIN_BLOCKS} cannot tell a slowdown from chance"
        )
    profile = FreshProcess(words=tuple(words))
    if Path(against).exists():
        stored = store.read_benchmark(Path(against))
        found = compare_with_stored(
            stored, candidate, profile, margin=margin, n_blocks=n_blocks, progress=progress
        )
    else:
        parse_model(against, base=Path.cwd(), where="--against")
        found = compare_models(
            against, candidate, profile, margin=margin, n_blocks=n_blocks, progress=progress
        )
    return BenchComparison(base=against, candidate=candidate, comparisons=found)


def write_comparison(found: BenchComparison, path: Path) -> None:
    """Write a comparison as JSON, whole or not at all. Raises: StoreError."""
    store.write_record(found, path)


def compare_models(
    base: str,
    candidate: str,
    profile: Profile,
    *,
    margin: float,
    n_blocks: int = DEFAULT_BLOCKS,
    progress: Progress | None = None,
) -> tuple[LatencyComparison, ...]:
    """Compare two models, stage by stage, process by process.

    First the base is compared with itself in the same way: a margin that this cannot tell from noise is
    refused.

    Args:
        base: model string of A.
        candidate: of B.
        profile: profiles one in a fresh process.
        margin: tolerated slowdown of B: 0.10 is ten per cent.
        n_blocks: of A, B, B, A; at least six.
        progress: told of every process done.
    Raises:
        ConfigError: the margin is below the machine's noise floor.
        BenchError: a process failed.
    """
    watcher = progress or SilentProgress()
    with watcher.stage("comparing", total=8 * n_blocks, unit="processes") as advance:
        floors = _floors(_blocks(base, base, profile, n_blocks, advance))
        _check_margin(floors, margin)
        blocks = _blocks(base, candidate, profile, n_blocks, advance)
    return tuple(
        _compared(point, ratio_of_blocks(logs), margin=margin, floor=floors[point])
        for point, logs in blocks.items()
    )


def compare_with_stored(
    stored: BenchmarkRecord,
    candidate: str,
    profile: Profile,
    *,
    margin: float,
    n_blocks: int = DEFAULT_BLOCKS,
    progress: Progress | None = None,
) -> tuple[LatencyComparison, ...]:
    """Compare a model with what an earlier run of `clipeval bench` measured of one, on this machine alone.

    Timings of two days are not taken in turn: their interval is widened by the noise floor of today.

    Args: see compare_models.
    Returns:
        One for each stage that both have; `incomparable`, with the cause, on another machine.
    Raises:
        ConfigError: the margin is below the machine's noise floor, or no stage is in both.
        BenchError: a process failed.
    """
    now = profile(candidate)
    before = {_point(one): one for one in stored.profiles if one.samples_s}
    after = {_point(one): one for one in now.profiles if one.samples_s}
    both = [point for point in after if point in before]
    if not both:
        raise ConfigError(
            "the stored profile and this one have no stage with the same device, precision, backend, batch "
            "size and number of threads in common"
        )
    if stored.fingerprint != now.fingerprint:
        cause = _differences(stored, now)
        return tuple(
            LatencyComparison(point=point, margin=margin, verdict="incomparable", cause=cause)
            for point in both
        )
    watcher = progress or SilentProgress()
    with watcher.stage("noise floor", total=4 * n_blocks, unit="processes") as advance:
        floors = _floors(_blocks(candidate, candidate, profile, n_blocks, advance))
    _check_margin({point: floors[point] for point in both}, margin)
    return tuple(
        _compared(
            point,
            _widened(
                ratio_of_samples(before[point].samples_s, after[point].samples_s), floors[point]
            ),
            margin=margin,
            floor=floors[point],
        )
        for point in both
    )


def _blocks(
    base: str, candidate: str, profile: Profile, n_blocks: int, advance: Advance
) -> dict[LatencyPoint, list[float]]:
    """Return the log ratios of each stage, one a block."""
    found: dict[LatencyPoint, list[float]] = {}
    for _ in range(n_blocks):
        four = []
        for model in (base, candidate, candidate, base):
            four.append(_medians(profile(model)))
            advance(1)
        for point in four[0]:
            if all(point in medians for medians in four):
                timed = [medians[point] for medians in four]
                found.setdefault(point, []).append(abba_log_ratio(*timed))
    if not found:
        raise BenchError(f"no stage of '{base}' and '{candidate}' could be timed in both")
    return found


def _floors(blocks: Mapping[LatencyPoint, Sequence[float]]) -> dict[LatencyPoint, float]:
    return {point: noise_floor(ratio_of_blocks(logs)) for point, logs in blocks.items()}


def _check_margin(floors: Mapping[LatencyPoint, float], margin: float) -> None:
    above = {point: floor for point, floor in floors.items() if floor > margin}
    if above:
        least = math.ceil(100 * max(above.values())) / 100
        named = "; ".join(f"{point}: {floor:.1%}" for point, floor in above.items())
        raise ConfigError(
            f"margin {margin:.1%} is below this machine's noise floor, found by comparing a model with "
            f"itself ({named}); use --margin {least:.2f} or more, more --blocks, or a quieter machine "
            "(see clipeval doctor)"
        )


def _compared(
    point: LatencyPoint, ratio: Ratio, *, margin: float, floor: float
) -> LatencyComparison:
    return LatencyComparison(
        point=point,
        margin=margin,
        verdict=ratio_verdict(ratio, margin=margin),
        ratio=ratio.value,
        low=ratio.low,
        high=ratio.high,
        n_blocks=ratio.n_blocks,
        noise_floor=floor,
    )


def _widened(ratio: Ratio, floor: float) -> Ratio:
    return Ratio(
        value=ratio.value,
        low=ratio.low / (1 + floor),
        high=ratio.high * (1 + floor),
        n_blocks=ratio.n_blocks,
    )


def _medians(record: BenchmarkRecord) -> _Medians:
    return {
        _point(one): statistics.median(one.samples_s) for one in record.profiles if one.samples_s
    }


def _point(profile: StageProfile) -> LatencyPoint:
    return LatencyPoint.of(profile.stage, profile.setting)


def _differences(stored: BenchmarkRecord, now: BenchmarkRecord) -> str:
    names = dict(_named_differences(stored, now))
    told = "; ".join(f"{name}: then {then}, now {today}" for name, (then, today) in names.items())
    return told or "another build of torch, or another driver"


def _named_differences(
    stored: BenchmarkRecord, now: BenchmarkRecord
) -> Iterator[tuple[str, tuple[object, object]]]:
    before, after = stored.environment, now.environment
    for name in ("cpu", "n_cores", "n_threads", "gpus", "platform", "python"):
        then, today = getattr(before, name), getattr(after, name)
        if then != today:
            yield name, (then, today)
    versions = before.packages.get("torch"), after.packages.get("torch")
    if versions[0] != versions[1]:
        yield "torch", versions
