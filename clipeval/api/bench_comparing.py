"""Is B slower than A? Fresh processes in the order A, B, B, A, after the machine's noise was measured."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from clipeval import store
from clipeval.api.bench_request import BenchRequest
from clipeval.api.fresh_process import FreshProcess, KeptProfiles, Profile
from clipeval.api.paired_profiles import (
    PairedProfiles,
    Ratios,
    ratios_to_stored,
    timed,
)
from clipeval.errors import ConfigError
from clipeval.progress import Progress, SilentProgress
from clipeval.records import Environment, Notice, Verdict
from clipeval.records.latency import BenchmarkRecord, LatencyComparison, StageProfile
from clipeval.records.latency_gates import LatencyPoint
from clipeval.records.model_names import parse_model
from clipeval.stats import (
    MIN_BLOCKS,
    Ratio,
    RatioVerdict,
    ratio_verdict,
)
from clipeval.store.names import BENCHMARK_JSON, RUN_JSON

DEFAULT_BLOCKS = 8
MAX_MARGIN = 10
_WORST_FIRST: tuple[RatioVerdict, ...] = ("fail", "inconclusive", "pass")


@dataclass(frozen=True, slots=True, kw_only=True)
class BenchComparison:
    """A candidate beside what it was compared with, and what that comes to."""

    base: str
    candidate: str
    comparisons: tuple[LatencyComparison, ...]
    environment: Environment | None = None
    fingerprint: str = ""
    """Of this machine, as in BenchmarkRecord."""
    processes: tuple[tuple[StageProfile, ...], ...] = ()
    """What each process measured, in order, with every timing."""
    notices: tuple[Notice, ...] = ()

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
    request: BenchRequest,
    margin: float,
    n_blocks: int = DEFAULT_BLOCKS,
    argv: Sequence[str] = (),
    progress: Progress | None = None,
    profile: Profile | None = None,
) -> BenchComparison:
    """Compare a model with another, or with a stored profile, in fresh processes.

    Args:
        candidate: model string.
        against: a model string, or a file (or run folder) that `clipeval bench` wrote.
        request: how both are profiled; its models do not matter.
        margin: tolerated slowdown: 0.10 is ten per cent.
        n_blocks: of processes in the order A, B, B, A.
        argv: the command to record.
        progress: told of every process done.
        profile: profiles one model in a process of its own; as the request says if None.
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
    parse_model(candidate, base=Path.cwd(), where="--model")
    kept = KeptProfiles(profile or FreshProcess(request=replace(request, has_arithmetic=False)))
    if file := _stored_file(against):
        found = compare_with_stored(
            store.read_benchmark(file),
            candidate,
            kept,
            margin=margin,
            n_blocks=n_blocks,
            progress=progress,
        )
    else:
        parse_model(against, base=Path.cwd(), where="--against")
        found = compare_models(
            against, candidate, kept, margin=margin, n_blocks=n_blocks, progress=progress
        )
    first = kept.records[0]
    return BenchComparison(
        base=against,
        candidate=candidate,
        comparisons=found,
        environment=replace(first.environment, argv=tuple(argv)),
        fingerprint=first.fingerprint,
        processes=tuple(record.profiles for record in kept.records),
        notices=tuple(dict.fromkeys(one for record in kept.records for one in record.notices)),
    )


def _stored_file(against: str) -> Path | None:
    """Return the file of a stored profile; None if a model is meant: a folder may be called as one is."""
    path = Path(against)
    try:
        if path.is_file() or (path / BENCHMARK_JSON).is_file():
            return path
        is_there, is_run = path.is_dir(), (path / RUN_JSON).is_file()
    except OSError as error:  # such as a name that no file can have
        raise ConfigError(f"--against {against}: {error.strerror or error}") from error
    if is_run:
        raise ConfigError(
            f"--against {against}: is a run without timings ({BENCHMARK_JSON}); expected one of a suite with "
            "`latency:`, what `clipeval bench --json` wrote, or a model"
        )
    if not is_there and path.suffix == ".json":
        raise ConfigError(
            f"--against {against}: no such file; expected a model, or what `clipeval bench --json` wrote"
        )
    return None


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

    First the candidate is profiled once, so that one that cannot be is not found out last; then the base is
    compared with itself in the same way: a margin that this cannot tell from noise is refused.

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
    pairs = PairedProfiles(
        profile=profile, n_blocks=n_blocks, progress=progress or SilentProgress()
    )
    profile(candidate)
    floors = pairs.noise_floors(base)
    _check_margin(floors, margin)
    ratios = pairs.ratios(base, candidate)
    cause = f"it could not be timed in every process of {candidate}"
    return _compared_all(floors, ratios, floors, margin=margin, causes=dict.fromkeys(floors, cause))


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

    Timings of two days are not taken in turn, and the stored one is of one process: the interval is as wide
    as processes of today differ.

    Args: see compare_models.
    Returns:
        One for each stage of the candidate; `incomparable`, with the cause, on another machine, or where one
        of them was not timed.
    Raises:
        ConfigError: the margin is below what processes differ by, or no stage is in both.
        BenchError: a process failed.
    """
    now = profile(candidate)
    if cause := incomparable(stored, now):
        return tuple(
            LatencyComparison(point=point, margin=margin, verdict="incomparable", cause=cause)
            for point in timed(now.profiles)
        )
    before = timed(_profiles_to_compare(stored, now))
    if not any(point in before for point in timed(now.profiles)):
        raise ConfigError(
            "the stored profile and this one have no stage with the same device, precision, backend, batch "
            "size and number of threads in common"
        )
    pairs = PairedProfiles(
        profile=profile, n_blocks=n_blocks, progress=progress or SilentProgress()
    )
    found = ratios_to_stored(list(before.values()), pairs.processes(candidate))
    _check_margin(found.noise, margin)
    asked = [LatencyPoint.of(one.stage, one.setting) for one in now.profiles]
    causes = {
        point: f"it could not be timed in every process of {candidate}"
        if point in before
        else "the stored profile has no timing of it"
        for point in asked
    }
    return _compared_all(asked, found.ratios, found.noise, margin=margin, causes=causes)


def _profiles_to_compare(stored: BenchmarkRecord, now: BenchmarkRecord) -> list[StageProfile]:
    """Return what was stored of the same model; of the only one, if it is another."""
    models = dict.fromkeys(one.setting.model for one in stored.profiles)
    wanted = now.profiles[0].setting.model
    if wanted not in models and len(models) > 1:
        raise ConfigError(
            f"the stored profile is of {', '.join(models)}, and this one of {wanted}; expected a profile of "
            "the same model, or of one model alone"
        )
    return [one for one in stored.profiles if one.setting.model == wanted or len(models) == 1]


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


def _compared_all(
    points: Iterable[LatencyPoint],
    ratios: Ratios,
    floors: Mapping[LatencyPoint, float],
    *,
    margin: float,
    causes: Mapping[LatencyPoint, str],
) -> tuple[LatencyComparison, ...]:
    """Judge every stage; one that was not compared is incomparable, never left out."""
    return tuple(
        _compared(point, ratios[point], margin=margin, floor=floors[point])
        if point in ratios
        else LatencyComparison(
            point=point, margin=margin, verdict="incomparable", cause=causes[point]
        )
        for point in points
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
        doubt=ratio.doubt,
    )


def incomparable(stored: BenchmarkRecord, now: BenchmarkRecord) -> str:
    """Say what timings of two machines differ by; nothing if they are of one."""
    if stored.fingerprint == now.fingerprint:
        return ""
    told = "; ".join(
        f"{name}: then {then}, now {today}"
        for name, (then, today) in _named_differences(stored, now)
    )
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
