"""Limits on latency: what a stage takes, and how much longer than something else."""

from __future__ import annotations

from dataclasses import dataclass

from clipeval.gates.states import enforced
from clipeval.records.latency import StageProfile
from clipeval.records.latency_gates import LatencyGateKind, LatencyGateResult, LatencyPoint
from clipeval.records.specs import LatencyGateSpec
from clipeval.records.verdicts import Verdict
from clipeval.stats import Ratio, ratio_verdict

MS_PER_S = 1e3
FAR = 2.0
"""A limit so many times what the slowest call took is kept, whether timings became steady or not."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MeasuredRatio:
    """How much longer a stage takes than what it is compared with, and this machine's noise."""

    ratio: Ratio
    noise_floor: float
    against: str
    """Id of the model, or the file, that is compared with."""


def applies_to(gate: LatencyGateSpec, profile: StageProfile) -> bool:
    """Say whether a gate limits a profile."""
    setting = profile.setting
    return (
        gate.stage == profile.stage
        and (not gate.models or setting.model in gate.models)
        and (not gate.batch_sizes or setting.batch_size in gate.batch_sizes)
    )


def decide_limits(gate: LatencyGateSpec, profile: StageProfile) -> tuple[LatencyGateResult, ...]:
    """Decide the limits of a gate that need nothing to compare with: max_ms and min_per_s.

    The interval of the median decides. Timings that never became steady, or drift, pass only where the limit
    is FAR times what the slowest call took.
    """
    results = []
    if gate.max_ms is not None:
        results.append(_decided(gate, profile, "max_ms", gate.max_ms))
    if gate.min_per_s is not None:
        results.append(_decided(gate, profile, "min_per_s", gate.min_per_s))
    return tuple(results)


def decide_slowdown(
    gate: LatencyGateSpec, profile: StageProfile, measured: MeasuredRatio
) -> LatencyGateResult:
    """Decide max_slowdown. A limit below the noise of this machine is refused: an error that names it."""
    limit = _slowdown_of(gate)
    ratio = measured.ratio
    if measured.noise_floor > limit:
        return undecided_slowdown(
            gate,
            profile,
            f"{limit:.1%} is below this machine's noise floor of {measured.noise_floor:.1%}: raise it, time "
            "more blocks, or use a quieter machine (see clipeval doctor)",
            against=measured.against,
            noise_floor=measured.noise_floor,
        )
    state: Verdict = ratio_verdict(ratio, margin=limit)
    doubt = f"; {ratio.doubt}" if ratio.doubt else ""
    value, low, high = (end - 1 for end in (ratio.value, ratio.low, ratio.high))
    message = (
        f"{_what(profile)} takes {value:+.1%} [{low:+.1%}, {high:+.1%}] longer than {measured.against}; "
        f"at most {limit:+.1%}{doubt}"
    )
    return enforced(
        LatencyGateResult(
            model=profile.setting.model,
            point=_point(profile),
            kind="max_slowdown",
            limit=limit,
            value=value,
            low=low,
            high=high,
            state=state,
            message=message,
            against=measured.against,
            noise_floor=measured.noise_floor,
        ),
        gate,
    )


def undecided_slowdown(
    gate: LatencyGateSpec,
    profile: StageProfile,
    cause: str,
    *,
    against: str | None = None,
    noise_floor: float | None = None,
) -> LatencyGateResult:
    """Say why there is nothing to decide max_slowdown with: an error, never pass or fail."""
    return LatencyGateResult(
        model=profile.setting.model,
        point=_point(profile),
        kind="max_slowdown",
        limit=_slowdown_of(gate),
        state="error",
        message=f"{_what(profile)}: {cause}",
        against=against,
        noise_floor=noise_floor,
    )


def _slowdown_of(gate: LatencyGateSpec) -> float:
    assert gate.max_slowdown is not None
    return gate.max_slowdown


def _decided(
    gate: LatencyGateSpec, profile: StageProfile, kind: LatencyGateKind, limit: float
) -> LatencyGateResult:
    summary = profile.summary
    if summary is None or summary.low_s is None or summary.high_s is None:
        cause = profile.problem or "too few calls for an interval of the median"
        return LatencyGateResult(
            model=profile.setting.model,
            point=_point(profile),
            kind=kind,
            limit=limit,
            state="error",
            message=f"{_what(profile)}: {cause}",
        )
    if kind == "max_ms":
        value, low, high = (
            MS_PER_S * end for end in (summary.median_s, summary.low_s, summary.high_s)
        )
        keeps, breaks = high <= limit, low > limit
        is_far = FAR * MS_PER_S * max(profile.samples_s) <= limit
        said = f"takes {_said(value)} ms [{_said(low)}, {_said(high)}]; at most {limit:,g} ms"
    else:
        size = profile.setting.batch_size
        value, low, high = (size / end for end in (summary.median_s, summary.high_s, summary.low_s))
        keeps, breaks = low >= limit, high < limit
        is_far = size / max(profile.samples_s) >= FAR * limit
        said = f"does {_said(value)} a second [{_said(low)}, {_said(high)}]; at least {limit:,g}"
    state: Verdict = "pass" if keeps else "fail" if breaks else "inconclusive"
    message = f"{_what(profile)} {said}"
    state, message = _unless_in_doubt(profile, state, message, is_far=is_far)
    return enforced(
        LatencyGateResult(
            model=profile.setting.model,
            point=_point(profile),
            kind=kind,
            limit=limit,
            value=value,
            low=low,
            high=high,
            state=state,
            message=message,
        ),
        gate,
    )


def _unless_in_doubt(
    profile: StageProfile, state: Verdict, message: str, *, is_far: bool
) -> tuple[Verdict, str]:
    """Let no timing pass that never became steady, or drifted; beyond the limit it fails all the same.

    Where the limit is far from what every call took, it passes, and the message says both.
    """
    doubts = [] if profile.is_steady else ["its timings never became steady"]
    if profile.drift is not None:
        doubts.append(f"its timings drift by {profile.drift:+.0%}")
    if state != "pass" or not doubts:
        return state, message
    if is_far:
        return (
            state,
            f"{message}; {' and '.join(doubts)}, but the limit is {FAR:g} times the slowest call",
        )
    return "inconclusive", f"{message}; but {' and '.join(doubts)}"


def _said(value: float) -> str:
    """Show three digits, or all before the point: 41.2, 1,233."""
    return f"{value:,.0f}" if value >= MS_PER_S else f"{value:.3g}"


def _point(profile: StageProfile) -> LatencyPoint:
    return LatencyPoint.of(profile.stage, profile.setting)


def _what(profile: StageProfile) -> str:
    return f"{profile.setting.model}, {_point(profile)}"
