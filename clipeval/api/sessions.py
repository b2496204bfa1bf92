"""Cells of several suites, evaluated one by one on somebody else's schedule: pytest's."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, cast

from clipeval.api.baselines import suite_baseline
from clipeval.api.judging import Judge
from clipeval.api.meanings import Meanings
from clipeval.api.outcomes import SuiteOutcome
from clipeval.api.suite_latency import (
    SuiteLatency,
    limits_not_applied,
    measure_latency,
    stored_latency,
)
from clipeval.api.suites import known_datasets
from clipeval.api.torch_boundary import caches, machine_facts, model_slot
from clipeval.config import resolve_dataset
from clipeval.datasets import ImageDataset, open_dataset
from clipeval.engine import Evaluator, ModelSlot, capture_environment
from clipeval.errors import ClipEvalError, ConfigError
from clipeval.plan import Cell, build_plan, not_applied, unjudged_gates
from clipeval.records import (
    Baseline,
    CellError,
    CellResult,
    EvaluatedCell,
    LatencyOutcome,
    SuiteSpec,
)
from clipeval.records.model_names import parse_model
from clipeval.store import EmbeddingCache, Memory

if TYPE_CHECKING:
    from clipeval.models import ClipModel


@dataclass(slots=True)
class _OpenSuite:
    evaluator: Evaluator
    outcome: SuiteOutcome
    meanings: Meanings
    judge: Judge | None = None
    """Decides the gates of the suite's own cells; None as long as only guests have asked for it."""
    owner: Path | None = None
    """The file that the suite is of; None as long as only guests have asked for it."""
    planned: set[str] = field(default_factory=set)
    """Ids of the cells that the suite itself has, whose gates are decided."""

    def say_unjudged(self, cells: list[Cell]) -> None:
        """Tell of the gates that judge none of the cells that were chosen."""
        if self.judge is None:
            return
        plan = self.judge.plan
        why = "it judges none of the cells that were chosen"
        said = [not_applied(plan.suite, gate, why) for gate in unjudged_gates(plan, cells)]
        self.outcome.notices = (*self.outcome.notices, *said)


@dataclass(slots=True, kw_only=True)
class EvaluationSession:
    """Evaluates cells as they are asked for; one model is in memory, whatever the number of suites."""

    use_cache: bool = True
    download: bool = False
    argv: tuple[str, ...] = ()
    _cache: EmbeddingCache | None = field(init=False)
    _memory: Memory | None = field(init=False)
    _models: ModelSlot = field(init=False)
    _suites: dict[str, _OpenSuite] = field(default_factory=dict, init=False)
    _datasets: dict[tuple[str, Path], ImageDataset] = field(default_factory=dict, init=False)
    _baselines: dict[str, Baseline] = field(default_factory=dict, init=False)
    """That were opened before; by suite."""

    def __post_init__(self) -> None:
        """Open the caches; no model yet."""
        self._cache, self._memory = caches(use_cache=self.use_cache)
        self._models = model_slot(self._memory)

    @property
    def outcomes(self) -> tuple[SuiteOutcome, ...]:
        """What was found out so far, suite by suite."""
        return tuple(opened.outcome for opened in self._suites.values())

    def plan(
        self,
        cells: Iterable[tuple[SuiteSpec, Cell]],
        *,
        baselines: Mapping[str, Baseline] | None = None,
    ) -> None:
        """Say what is going to be evaluated: what is missing at the end makes a run partial.

        Args:
            cells: of any suites.
            baselines: as open_baselines returned them for these suites; opened now if None.
        Raises:
            ConfigError: two suites have one name.
            StoreError: as suite_baseline.
        """
        self._baselines.update(baselines or {})
        chosen: dict[str, list[Cell]] = {}
        for suite, cell in cells:
            opened = self._open(suite, is_guest=False)
            opened.meanings.claim(cell)
            opened.planned.add(cell.id)
            opened.outcome.planned[cell.id] = None
            chosen.setdefault(suite.name, []).append(cell)
        for name, of_suite in chosen.items():
            self._suites[name].say_unjudged(of_suite)

    def evaluate(
        self, suite: SuiteSpec, cell: Cell, *, is_guest: bool = False, place: int = 0
    ) -> CellResult:
        """Evaluate a cell; the same cell again is the same result.

        Args:
            suite: whose run folder the cell goes into.
            cell: what to evaluate. Gates are decided for planned cells alone: others are judged by
                the test that asked for them.
            is_guest: the cell joins a suite that another file may be.
            place: where the test that asks for it stands among all; cells that are not planned are
                recorded in this order, whichever process evaluates them.
        Raises:
            ConfigError: something else in this suite has the same name.
            ClipEvalError: whatever stands in the way; it is recorded too.
        """
        opened = self._open(suite, is_guest=is_guest)
        opened.meanings.claim(cell)
        outcome = opened.outcome
        outcome.planned[cell.id] = None
        if cell.id not in opened.planned:
            outcome.asked_at.setdefault(cell.id, place)
        if is_guest and cell.id not in opened.planned:
            outcome.guests[cell.id] = None
        if cell.id not in outcome.evaluated:
            try:
                outcome.evaluated[cell.id] = self._evaluate(suite, opened, cell)
            except ClipEvalError as error:
                outcome.errors[cell.id] = CellError(id=cell.id, message=str(error))
                raise
            outcome.errors.pop(cell.id, None)
        return outcome.evaluated[cell.id].result

    def measure_latency(self, suite: SuiteSpec) -> LatencyOutcome:
        """Time a suite's models as its cells ran them so far, and decide its limits; the run records it.

        Args:
            suite: that has something timed, and of which a cell was evaluated.
        Raises:
            StoreError: the accepted timings cannot be read.
        """
        opened = self._open(suite, is_guest=False)
        outcome = opened.outcome
        try:
            stored = stored_latency(suite)
            self._evaluate_a_cell_of_each_setup(suite, opened)
            self._models.release()
            cells = [one.result for one in outcome.evaluated.values()]
            latency = measure_latency(suite, cells, stored, argv=self.argv)
        except ClipEvalError as error:
            problem = LatencyOutcome(problems=(str(error),))
            outcome.latency = SuiteLatency(outcome=problem, record=None)
            raise
        assert latency is not None
        outcome.latency = latency
        return latency.outcome

    def leave_out_latency(self, suite: SuiteSpec, why: str) -> None:
        """Have the run say that limits on latency judged nothing in it."""
        outcome = self._open(suite, is_guest=False).outcome
        outcome.notices = (*outcome.notices, *limits_not_applied(suite, why))

    def _evaluate_a_cell_of_each_setup(self, suite: SuiteSpec, opened: _OpenSuite) -> None:
        """Evaluate what says how to run each model, where -k or --lf has left nothing that does."""
        evaluated = {
            (one.result.model.id, one.result.precision) for one in opened.outcome.evaluated.values()
        }
        for cell in build_plan(suite).cells:
            if (cell.model.id, cell.precision) not in evaluated:
                result = self.evaluate(suite, cell)
                evaluated.add((result.model.id, result.precision))

    def model(self, text: str, *, start: Path) -> ClipModel:
        """Load a model by its string on the best device there is, or return it if it is loaded.

        Args:
            text: a model string.
            start: folder that a relative local-dir path is relative to.
        Raises:
            ConfigError, ModelError: what stands in the way.
        """
        spec = parse_model(text, base=start, where="clip_model")
        loaded = self._models.get(spec, device="auto", precision="fp32").encoder().model
        return cast("ClipModel", loaded)

    def dataset(self, text: str, *, start: Path) -> ImageDataset:
        """Open a data set by its key or path, or return it if it is open.

        Args:
            text: a key of the catalogue, a folder or a table.
            start: where the catalogue and relative paths are looked up from.
        Raises:
            ConfigError, DatasetError: what stands in the way.
        """
        if (text, start) not in self._datasets:
            spec = resolve_dataset(text, known_datasets(None, start=start), base=start)
            self._datasets[text, start] = open_dataset(spec, download=self.download)
        return self._datasets[text, start]

    def _evaluate(self, suite: SuiteSpec, opened: _OpenSuite, cell: Cell) -> EvaluatedCell:
        # A data set that is not there is found out before a model is fetched for it.
        opened.evaluator.dataset(cell.dataset)
        measured = opened.evaluator.evaluate(cell)
        if cell.id not in opened.planned or opened.judge is None:
            return measured

        def reference(other: Cell) -> EvaluatedCell:
            """Evaluate what the cell is compared with; it joins the run."""
            self.evaluate(suite, other)
            return opened.outcome.evaluated[other.id]

        judged = opened.judge.judge(cell, measured, reference)
        flipped = opened.judge.images_that_flipped(
            cell, judged, lambda other: opened.outcome.evaluated.get(other.id)
        )
        return opened.evaluator.with_thumbnails(judged, flipped)

    def _open(self, suite: SuiteSpec, *, is_guest: bool) -> _OpenSuite:
        opened = self._suites.get(suite.name)
        if opened is None:
            folder = suite.path.parent if suite.path else Path()
            outcome = SuiteOutcome(
                suite=suite.name,
                environment=capture_environment(
                    self.argv, folder=folder, machine=machine_facts(self._memory)
                ),
            )
            opened = _OpenSuite(self._evaluator(suite), outcome, Meanings(suite.name))
            self._suites[suite.name] = opened
        if is_guest:
            return opened
        if opened.owner not in {None, suite.path}:
            raise ConfigError(
                f"{suite.path}: suite '{suite.name}' has the name of {opened.owner}; run folders "
                "are named after suites: give each its own name, a Python file by "
                'pytestmark = pytest.mark.clip(suite="...")'
            )
        if opened.judge is None:
            baseline = self._baselines.get(suite.name) or suite_baseline(suite)
            opened.judge = Judge.of(build_plan(suite), baseline)
            opened.outcome.comparer = opened.judge.comparer
            opened.outcome.notices = suite.notices
        opened.owner = suite.path
        return opened

    def _evaluator(self, suite: SuiteSpec) -> Evaluator:
        return Evaluator(
            batch_size=suite.batch_size,
            cache=self._cache,
            download=self.download,
            models=self._models,
        )
