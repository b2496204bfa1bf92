"""Accuracy beside latency: the models of a profile, evaluated on data sets."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from clipeval.api.bench_request import BenchRequest
from clipeval.api.running import run
from clipeval.api.suites import Overrides, load_suites
from clipeval.api.tradeoffs import tradeoffs
from clipeval.progress import Progress
from clipeval.records import CellResult, SuiteSpec
from clipeval.records.latency import BenchmarkRecord


@dataclass(frozen=True, slots=True, kw_only=True)
class Accuracies:
    """How often models are right."""

    suite: SuiteSpec
    cells: tuple[CellResult, ...]

    def beside(self, record: BenchmarkRecord) -> BenchmarkRecord:
        """Set them against what the same models take."""
        return replace(record, tradeoffs=tradeoffs(self.suite, self.cells, record.profiles))


def measure_accuracy(
    request: BenchRequest,
    *,
    datasets: Sequence[str],
    template: str,
    limit: int | None = None,
    progress: Progress | None = None,
) -> Accuracies:
    """Evaluate the models of a profile, as they are profiled.

    Args:
        request: names models (strings), devices, precisions and the backend.
        datasets: keys of the catalogue, folders or tables.
        template: a template or a named set.
        limit: at most so many images of each data set.
        progress: told how far it is.
    Raises:
        ClipEvalError: whatever stands in the way.
    """
    overrides = Overrides(
        models=tuple(str(model) for model in request.models),
        datasets=tuple(datasets),
        templates=(template,),
        devices=request.devices,
        precisions=request.precisions,
        backend=request.backend,
        limit=limit,
    )
    (suite,) = load_suites((), overrides=overrides)
    with tempfile.TemporaryDirectory(prefix="clipeval-accuracy-") as folder:
        record = run(suite, Path(folder) / "run", progress=progress)
    return Accuracies(suite=suite, cells=record.cells)
