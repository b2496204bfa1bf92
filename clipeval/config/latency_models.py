"""The shape of a suite's `latency`. Field docstrings become the help that editors show."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Annotated

from pydantic import Field, model_validator
from pydantic.json_schema import SkipJsonSchema

from clipeval.config.text_types import Text
from clipeval.config.validation import StrictModel, problem, unknown_name
from clipeval.config.yaml_nodes import Document
from clipeval.records import LatencyGateSpec, LatencySpec
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


def latency_spec(latency: LatencyModel, document: Document) -> LatencySpec:
    """Return what a checked `latency` asks for."""
    return LatencySpec(
        stages=tuple(dict.fromkeys(latency.stages)),
        batch_sizes=tuple(dict.fromkeys(latency.batch_sizes)),
        thread_counts=tuple(dict.fromkeys(latency.threads or ())),
        n_samples=latency.samples,
        n_blocks=latency.blocks,
        sweep_to=latency.sweep,
        gates=tuple(
            LatencyGateSpec(
                stage=stage,
                max_ms=limits.max_ms,
                min_per_s=limits.min_per_s,
                max_slowdown=limits.max_slowdown,
                against=limits.against or "baseline",
                on_inconclusive=limits.on_inconclusive or "warn",
                batch_sizes=tuple(limits.batch_sizes or ()),
                models=tuple(limits.models or ()),
                where=document.where("latency", "gates", stage),
            )
            for stage, limits in (latency.gates or {}).items()
        ),
    )


def check_latency(
    latency: LatencyModel,
    document: Document,
    *,
    models: Collection[str] | None,
    reference_model: str | None,
) -> None:
    """Check what the limits say about the rest of the suite; add every problem, located.

    Args:
        latency: as the suite has it.
        document: gives places, takes problems.
        models: ids of the suite's models; None if they are wrong themselves.
        reference_model: id of the one that others are compared with.
    """
    _report_repeats(latency, document)
    for stage, limits in (latency.gates or {}).items():
        checker = _LimitsChecker(latency, document, ("latency", "gates", stage))
        checker.is_timed(stage, limits)
        if models is not None:
            checker.models(limits, models)
        if limits.against == "reference_model" and reference_model is None:
            checker.add(
                "there is no reference model; expected one under reference: {model: ID}", "against"
            )


def _report_repeats(latency: LatencyModel, document: Document) -> None:
    for key in ("stages", "batch_sizes", "threads"):
        values = getattr(latency, key) or []
        for index, value in enumerate(values):
            if value in values[:index]:
                document.problems.add(
                    document.mark("latency", key, index),
                    f"{value} is given twice; expected it once",
                )


@dataclass(frozen=True, slots=True)
class _LimitsChecker:
    """The limits on one stage."""

    latency: LatencyModel
    document: Document
    at: tuple[str, ...]

    def is_timed(self, stage: str, limits: LatencyLimits) -> None:
        if stage not in self.latency.stages:
            listed = ", ".join(dict.fromkeys(self.latency.stages))
            self.add(f"{stage} is not timed; expected one of the stages: {listed}")
        for index, size in enumerate(limits.batch_sizes or ()):
            if size not in self.latency.batch_sizes:
                listed = ", ".join(map(str, self.latency.batch_sizes))
                self.add(
                    f"batch size {size} is not timed; expected one of {listed}",
                    "batch_sizes",
                    index,
                )

    def models(self, limits: LatencyLimits, known: Collection[str]) -> None:
        for index, model in enumerate(limits.models or ()):
            if model not in known:
                self.add(unknown_name(model, known, "model"), "models", index)

    def add(self, message: str, *below: str | int) -> None:
        path = (*self.at, *below)
        mark = self.document.mark(*path) if below else self.document.key_mark(*path)
        self.document.problems.add(mark, message)
