"""Timings as test cases: one for each model in each setting, with the limits it is held to."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass

from clipeval.records import LatencyGateResult, RunRecord
from clipeval.records.latency import BenchmarkRecord, StageProfile
from clipeval.records.latency_gates import LatencyPoint, LatencySetting

_QUANTILES = ("median_s", "low_s", "high_s", "p90_s", "p95_s", "p99_s")


@dataclass(frozen=True, slots=True, kw_only=True)
class LatencyCase:
    """The timings of one model in one setting."""

    name: str
    time_s: float
    """Spent in timed calls."""
    properties: tuple[tuple[str, str], ...]
    failures: tuple[str, ...]
    still_open: tuple[str, ...]
    """Limits that the timings could not decide."""


def latency_cases(record: RunRecord, benchmark: BenchmarkRecord | None) -> Iterator[LatencyCase]:
    """Yield the cases of a run, and one for what could not be timed at all.

    Args:
        record: the run, with its limits on latency.
        benchmark: what was timed; None if nothing was.
    """
    latency = record.latency
    if latency is None:
        return
    profiles = () if benchmark is None else benchmark.profiles
    for setting in dict.fromkeys(one.setting for one in profiles):
        own = [one for one in profiles if one.setting == setting]
        gates = [gate for gate in latency.gates if _is_of(gate, setting)]
        yield LatencyCase(
            name=f"latency[{_setting_name(setting)}]",
            time_s=sum(sum(one.samples_s) for one in own),
            properties=tuple(property_ for one in own for property_ in _properties(one)),
            failures=tuple(gate.message for gate in gates if gate.state in ("fail", "error")),
            still_open=tuple(gate.message for gate in gates if gate.state == "inconclusive"),
        )
    if latency.problems:
        yield LatencyCase(
            name="latency", time_s=0.0, properties=(), failures=latency.problems, still_open=()
        )


def _is_of(gate: LatencyGateResult, setting: LatencySetting) -> bool:
    return gate.model == setting.model and gate.point == LatencyPoint.of(gate.point.stage, setting)


def _setting_name(setting: LatencySetting) -> str:
    model = setting.model.replace("/", "-")
    return (
        f"{model}-{setting.device}-{setting.precision}-{setting.backend}-b{setting.batch_size}"
        f"-t{setting.n_threads}"
    )


def _properties(profile: StageProfile) -> Iterator[tuple[str, str]]:
    if profile.summary is None:
        yield f"{profile.stage}.problem", profile.problem
        return
    stated = asdict(profile.summary)
    for name in _QUANTILES:
        if stated[name] is not None:
            yield f"{profile.stage}.{name}", repr(stated[name])
    yield f"{profile.stage}.steady", str(profile.is_steady).lower()
    if profile.drift is not None:
        yield f"{profile.stage}.drift", repr(profile.drift)
