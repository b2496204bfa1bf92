"""The order of verdicts, and what an inconclusive one comes to."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import TypeVar

from clipeval.records import GateResult, GateSpec, LatencyGateResult, LatencyGateSpec, Verdict
from clipeval.records.stated_gates import FROM_BEST

Result = TypeVar("Result", GateResult, LatencyGateResult)


def worst(states: Iterable[Verdict]) -> Verdict:
    """Return the worst of the states: error, fail, inconclusive, pass; pass if there are none."""
    return max(states, key=FROM_BEST.index, default="pass")


def enforced(result: Result, gate: GateSpec | LatencyGateSpec) -> Result:
    """Turn an inconclusive result into a failure where the gate asks for certainty."""
    if result.state != "inconclusive" or gate.on_inconclusive == "warn":
        return result
    return replace(
        result, state="fail", message=f"{result.message}; on_inconclusive is fail, so this fails"
    )
