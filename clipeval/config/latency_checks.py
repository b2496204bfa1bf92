"""What a suite's `latency` asks for, and what its limits say about the rest of the suite."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from clipeval.config.latency_models import LatencyLimits, LatencyModel
from clipeval.config.validation import unknown_name
from clipeval.config.yaml_nodes import Document
from clipeval.records import LatencyGateSpec, LatencySpec


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
