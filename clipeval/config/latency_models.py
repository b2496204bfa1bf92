"""The shape of a suite's `latency`. Field docstrings become the help that editors show."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, model_validator
from pydantic.json_schema import SkipJsonSchema

from clipeval.config.text_types import Text
from clipeval.config.validation import StrictModel, problem
from clipeval.records import LatencySpec
from clipeval.records.specs import CallStage, LatencyAgainst, OnInconclusive, StageName

_LIMITS = ("max_ms", "min_per_s", "max_slowdown")
_UNIQUE = {"uniqueItems": True}
Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
BatchSize = Annotated[int, Field(ge=1, le=65_536)]
ThreadCount = Annotated[int, Field(ge=1, le=1024)]


class LatencyLimits(StrictModel):
    """Limits on the median of one stage; at least one of max_ms, min_per_s and max_slowdown."""

    max_ms: Positive | SkipJsonSchema[None] = None
    """Milliseconds that one call may take."""
    min_per_s: Positive | SkipJsonSchema[None] = None
    """Images, or prompts, a second."""
    max_slowdown: (
        Annotated[float, Field(gt=0, lt=10, allow_inf_nan=False)] | SkipJsonSchema[None]
    ) = None
    """Share by which it may take longer than `against`: 0.10 is ten per cent."""
    against: LatencyAgainst | SkipJsonSchema[None] = None
    """What max_slowdown compares with: the accepted baseline (if left out), or the reference model."""
    batch_sizes: (
        Annotated[list[BatchSize], Field(min_length=1, json_schema_extra=_UNIQUE)]
        | SkipJsonSchema[None]
    ) = None
    """Batch sizes that the limits are for; all if left out."""
    models: Annotated[list[Text], Field(min_length=1)] | SkipJsonSchema[None] = None
    """Ids of the models that the limits are for; all if left out."""
    on_inconclusive: OnInconclusive | SkipJsonSchema[None] = None
    """Where the timings cannot decide: warn (if left out), or fail."""

    @model_validator(mode="after")
    def _limits_make_sense(self) -> LatencyLimits:
        if all(getattr(self, key) is None for key in _LIMITS):
            raise problem(f"a gate without a limit; expected at least one of {', '.join(_LIMITS)}")
        if self.against is not None and self.max_slowdown is None:
            raise problem("against goes with max_slowdown; expected max_slowdown, such as 0.1")
        return self


def _default_stages() -> list[StageName]:
    return list(LatencySpec().stages)


class LatencyModel(StrictModel):
    """What is timed after the cells are scored, for each model, device and precision of the suite."""

    stages: Annotated[list[StageName], Field(min_length=1, json_schema_extra=_UNIQUE)] = Field(
        default_factory=_default_stages
    )
    """Stages to time."""
    batch_sizes: Annotated[list[BatchSize], Field(min_length=1, json_schema_extra=_UNIQUE)] = Field(
        default_factory=lambda: list(LatencySpec().batch_sizes)
    )
    """Images, or prompts, in a call."""
    threads: (
        Annotated[list[ThreadCount], Field(min_length=1, json_schema_extra=_UNIQUE)]
        | SkipJsonSchema[None]
    ) = None
    """Numbers of torch's threads; its own number if left out."""
    samples: Annotated[int, Field(ge=10, le=100_000)] = LatencySpec().n_samples
    """Calls of each stage; p90 needs 64, p95 130, p99 662."""
    blocks: Annotated[int, Field(ge=6, le=1000)] = LatencySpec().n_blocks
    """For max_slowdown: processes in the order A, B, B, A, so often."""
    sweep: BatchSize | SkipJsonSchema[None] = None
    """Also time encode_image at batch sizes 1, 2, 4 ... up to this one."""
    gates: dict[CallStage, LatencyLimits] | SkipJsonSchema[None] = None
    """Stage -> limits."""
