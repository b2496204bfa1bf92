"""Gates in either of the forms that a suite may write them in, and the specs they become."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from clipeval.config.gate_models import Limits
from clipeval.config.suite_models import SuiteModel
from clipeval.config.yaml_nodes import Document
from clipeval.records import GateSpec


@dataclass(frozen=True, slots=True, kw_only=True)
class Gate:
    """A gate in either of its two forms; an empty list means all."""

    step: str | int
    """Key or index under `gates`."""
    metric: str
    limits: Limits
    classes: tuple[str, ...] | Literal["all"] = ()
    datasets: tuple[str, ...] = ()
    models: tuple[str, ...] = ()
    templates: tuple[str, ...] = ()
    cells: tuple[str, ...] = ()


def gates_of(suite: SuiteModel) -> Iterator[Gate]:
    """Yield the gates of a suite, in the order of the file."""
    if isinstance(suite.gates, dict):
        for metric, limits in suite.gates.items():
            yield Gate(step=metric, metric=metric, limits=limits)
    for index, entry in enumerate(suite.gates if isinstance(suite.gates, list) else ()):
        yield Gate(
            step=index,
            metric=entry.metric,
            limits=entry,
            classes="all" if entry.classes == "all" else tuple(entry.classes or ()),
            datasets=tuple(entry.datasets or ()),
            models=tuple(entry.models or ()),
            templates=tuple(entry.templates or ()),
            cells=tuple(entry.cells or ()),
        )


def gate_specs(suite: SuiteModel, document: Document) -> tuple[GateSpec, ...]:
    """Turn the gates of a checked suite into specs, in the order of the file."""
    return tuple(
        GateSpec(
            metric=gate.metric,
            min=gate.limits.min,
            max=gate.limits.max,
            max_drop=gate.limits.max_drop,
            max_negative_flip_rate=gate.limits.max_negative_flip_rate,
            against=gate.limits.against or "baseline",
            on_inconclusive=gate.limits.on_inconclusive or "warn",
            classes=gate.classes,
            cells=gate.cells,
            where=document.where("gates", gate.step),
            datasets=gate.datasets,
            models=gate.models,
            templates=gate.templates,
        )
        for gate in gates_of(suite)
    )
