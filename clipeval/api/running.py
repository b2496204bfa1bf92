"""Run a suite into a run folder."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import TypeVar

from clipeval.api.baselines import open_baselines
from clipeval.api.holdouts import check_holdouts
from clipeval.api.judging import Judge, is_reference
from clipeval.api.recording import finish_folder, planned_record
from clipeval.api.suite_latency import (
    StoredLatency,
    SuiteLatency,
    measure_latency,
    stored_latency,
)
from clipeval.api.suites import duplicate_template_notices
from clipeval.api.torch_boundary import (
    caches,
    check_model,
    check_precision,
    machine_facts,
    model_slot,
)
from clipeval.backends import check_backend, encoder_precision
from clipeval.engine import Evaluator, capture_environment
from clipeval.errors import (
    BackendError,
    ClipEvalError,
    DatasetError,
    DeviceError,
    ModelError,
    PromptError,
    without_traceback,
)
from clipeval.plan import Cell, Plan, build_plan, evaluation_order
from clipeval.progress import Progress, SilentProgress
from clipeval.records import (
    Baseline,
    CellError,
    EvaluatedCell,
    LatencyOutcome,
    RunRecord,
    SuiteSpec,
)
from clipeval.store import RunFolder

_Checked = TypeVar("_Checked")


def run(
    suite: SuiteSpec,
    folder: Path,
    *,
    baselines: Mapping[str, Baseline] | None = None,
    use_cache: bool = True,
    download: bool = False,
    progress: Progress | None = None,
    argv: Sequence[str] | None = None,
) -> RunRecord:
    """Evaluate every cell of a suite and write its run folder.

    What can be found wrong before the first image is encoded is, and as long as no cell has been scored
    nothing is written. A cell that fails later is recorded, the others go on, and the verdict is `error`.

    Args:
        suite: what to run.
        folder: the run folder; an earlier run in it is replaced once the first cell is scored.
        baselines: as open_baselines returned them for this folder; opened now if None.
        use_cache: read and write cached embeddings.
        download: fetch data sets that are not there.
        progress: told how far the work is.
        argv: the command to record; this process's if None.
    Raises:
        ClipEvalError: nothing could be evaluated, the baseline is not there, not whole or another
            suite's, the holdout cannot be made, or the folder cannot be written.
        KeyboardInterrupt: after the cells finished so far were written as a partial run.
    """
    plan = build_plan(suite)
    RunFolder.check(folder)
    if baselines is None:
        baselines = open_baselines([suite], [folder])
    judge = Judge.of(plan, baselines.get(suite.name))
    cache, memory = caches(use_cache=use_cache)
    evaluator = Evaluator(
        models=model_slot(memory),
        batch_size=suite.batch_size,
        cache=cache,
        download=download,
        progress=progress or SilentProgress(),
    )
    machine = machine_facts(memory)  # before a model is loaded: torch is then as it starts
    _open_everything(plan, evaluator)
    command = tuple(argv if argv is not None else sys.argv)
    environment = capture_environment(
        command, folder=suite.path.parent if suite.path else Path(), machine=machine
    )
    record = planned_record(
        suite.name,
        [cell.id for cell in plan.cells],
        environment,
        reference_templates=suite.reference_templates,
    )
    notices = (*suite.notices, *duplicate_template_notices(suite))
    record = replace(record, notices=notices)
    loop = _CellLoop(evaluator, judge, stored_latency(suite) if suite.latency else None)
    return loop.run(folder, record)


def _open_everything(plan: Plan, evaluator: Evaluator) -> None:
    """Meet the errors that cost nothing first: models by name, data sets, wording, the first model."""
    of_setting = {
        (cell.model.id, cell.device, encoder_precision(cell.precision)): cell for cell in plan.cells
    }
    unknown = [
        cell
        for cell in of_setting.values()
        if not evaluator.models.remembers(
            cell.model, device=cell.device, precision=encoder_precision(cell.precision)
        )
    ]
    _refuse_all(_check_backend, plan.cells, BackendError)
    _refuse_all(_check_precision, unknown, DeviceError)
    _refuse_all(check_model, {cell.model.id: cell.model for cell in unknown}.values(), ModelError)
    _refuse_all(evaluator.dataset, plan.suite.datasets, DatasetError)
    check_holdouts([(plan.suite, cell) for cell in plan.cells], open_=evaluator.dataset)
    _refuse_all(evaluator.check_prompts, plan.cells, PromptError)
    first = evaluation_order(plan)[0]
    opening = evaluator.first_model(first)
    found = opening.description.device
    for cell in plan.cells:
        if cell.device == first.device:  # `auto` is resolved now
            check_backend(cell.backend, device=found, precision=cell.precision)
    setting = (first.model, first.device, first.precision)
    of_first = [cell for cell in plan.cells if (cell.model, cell.device, cell.precision) == setting]
    _refuse_all(partial(evaluator.check_tokens, by=opening), of_first, PromptError)


def _check_backend(cell: Cell) -> None:
    check_backend(cell.backend, device=cell.device, precision=cell.precision)


def _check_precision(cell: Cell) -> None:
    check_precision(cell.device, encoder_precision(cell.precision))


def _refuse_all(
    check: Callable[[_Checked], object], values: Iterable[_Checked], kind: type[ClipEvalError]
) -> None:
    """Check every value, then raise all problems as one error."""
    problems: dict[str, None] = {}
    for value in values:
        try:
            check(value)
        except kind as error:
            problems[str(error)] = None
    if problems:
        raise kind("\n".join(problems))


@dataclass(slots=True)
class _CellLoop:
    """Evaluates and judges cell after cell, each as soon as what it is compared with is there."""

    evaluator: Evaluator
    judge: Judge
    stored: StoredLatency | None
    """Accepted timings."""
    _references: dict[str, EvaluatedCell | ClipEvalError] = field(default_factory=dict)
    _errors: list[CellError] = field(default_factory=list)
    _kinds: list[type[ClipEvalError]] = field(default_factory=list)

    def run(self, folder: Path, record: RunRecord) -> RunRecord:
        opened: RunFolder | None = None
        with ExitStack() as stack:
            try:
                for cell in evaluation_order(self.judge.plan):
                    evaluated = self._evaluate(cell)
                    if evaluated is None:
                        continue
                    if opened is None:
                        opened = stack.enter_context(RunFolder.begin(folder, record))
                    opened.add_cell(evaluated.result, evaluated.predictions, evaluated.thumbnails)
            except KeyboardInterrupt:
                if opened is not None:
                    finish_folder(opened, record, self._errors, self.judge.comparer)
                raise
            if opened is None:
                # Cells of one data set or model fail alike: say each cause once.
                messages = dict.fromkeys(error.message for error in self._errors)
                raise self._kinds[0]("\n".join(messages))
            latency = self._latency(opened, record)
            return finish_folder(opened, record, self._errors, self.judge.comparer, latency)

    def _latency(self, opened: RunFolder, record: RunRecord) -> SuiteLatency | None:
        self.evaluator.models.release()
        try:
            return measure_latency(
                self.judge.plan.suite,
                opened.cells,
                self.stored,
                argv=record.environment.argv,
                progress=self.evaluator.progress,
            )
        except KeyboardInterrupt:  # the cells are all there
            interrupted = LatencyOutcome(problems=("interrupted while models were timed",))
            latency = SuiteLatency(outcome=interrupted, record=None)
            finish_folder(opened, record, self._errors, self.judge.comparer, latency)
            raise

    def _evaluate(self, cell: Cell) -> EvaluatedCell | None:
        try:
            measured = self.evaluator.evaluate(cell)
        except ClipEvalError as error:
            self._keep(cell, without_traceback(error))
            self._kinds.append(type(error))
            self._errors.append(CellError(id=cell.id, message=str(error)))
            return None
        self._keep(cell, measured)
        judged = self.judge.judge(cell, measured, self._reference)
        flipped = self.judge.images_that_flipped(cell, judged, self._known)
        return self.evaluator.with_thumbnails(judged, flipped)

    def _keep(self, cell: Cell, outcome: EvaluatedCell | ClipEvalError) -> None:
        if is_reference(self.judge.plan, cell):
            self._references[cell.id] = outcome

    def _known(self, cell: Cell) -> EvaluatedCell | None:
        """Return a reference that was evaluated before; None if it was not, or could not be."""
        outcome = self._references.get(cell.id)
        return outcome if isinstance(outcome, EvaluatedCell) else None

    def _reference(self, cell: Cell) -> EvaluatedCell:
        """Return a cell that was evaluated before those that are compared with it."""
        outcome = self._references[cell.id]
        if isinstance(outcome, ClipEvalError):
            raise outcome
        return outcome
