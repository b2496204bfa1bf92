"""Cells of several suites, evaluated one by one on somebody else's schedule: pytest's."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from clipeval.api.outcomes import SuiteOutcome
from clipeval.api.suites import known_datasets
from clipeval.config import resolve_dataset, resolve_template
from clipeval.datasets import ImageDataset, open_dataset
from clipeval.engine import Evaluator, ModelSlot, capture_environment
from clipeval.errors import ClipEvalError, ConfigError
from clipeval.models import ClipModel
from clipeval.plan import Cell, build_plan
from clipeval.prompts import check_template, template_id
from clipeval.records import CellError, CellResult, SuiteSpec, TemplateSpec
from clipeval.records.model_names import parse_model
from clipeval.store import default_cache


@dataclass(frozen=True, slots=True)
class _OpenSuite:
    suite: SuiteSpec
    evaluator: Evaluator
    outcome: SuiteOutcome
    cells: dict[str, Cell] = field(default_factory=dict)


@dataclass(slots=True, kw_only=True)
class EvaluationSession:
    """Evaluates cells as they are asked for; one model is in memory, whatever the number of suites."""

    use_cache: bool = True
    download: bool = False
    argv: tuple[str, ...] = ()
    _models: ModelSlot = field(default_factory=ModelSlot, init=False)
    _suites: dict[str, _OpenSuite] = field(default_factory=dict, init=False)

    @property
    def outcomes(self) -> tuple[SuiteOutcome, ...]:
        """What was found out so far, suite by suite."""
        return tuple(opened.outcome for opened in self._suites.values())

    def plan(self, cells: Iterable[tuple[SuiteSpec, Cell]]) -> None:
        """Say what is going to be evaluated: what is missing at the end makes a run partial.

        Raises:
            ConfigError: two suites have one name.
        """
        for suite, cell in cells:
            self._open(suite).outcome.planned[cell.id] = None

    def evaluate(self, suite: SuiteSpec, cell: Cell) -> CellResult:
        """Evaluate a cell; the same cell again is the same result.

        Raises:
            ConfigError: another cell of this suite has the same id.
            ClipEvalError: whatever stands in the way; it is recorded too.
        """
        opened = self._open(suite)
        outcome = opened.outcome
        outcome.planned[cell.id] = None
        if opened.cells.setdefault(cell.id, cell) != cell:
            raise ConfigError(
                f"suite '{suite.name}': two different cells have the id '{cell.id}'; "
                "give the template an id of its own: zero_shot(..., id=...)"
            )
        if cell.id not in outcome.evaluated:
            try:
                outcome.evaluated[cell.id] = opened.evaluator.evaluate(cell)
            except ClipEvalError as error:
                outcome.errors[cell.id] = CellError(id=cell.id, message=str(error))
                raise
            outcome.errors.pop(cell.id, None)
        return outcome.evaluated[cell.id].result

    def model(self, text: str) -> ClipModel:
        """Load a model by its string on the best device there is, or return it if it is loaded.

        Raises:
            ConfigError, ModelError: what stands in the way.
        """
        spec = parse_model(text, base=Path.cwd(), where="clip_model")
        return self._models.load(spec, device="auto", precision="fp32").model

    def dataset(self, text: str, *, start: Path) -> ImageDataset:
        """Open a data set by its key or path.

        Raises:
            ConfigError, DatasetError: what stands in the way.
        """
        spec = resolve_dataset(text, known_datasets(None, start=start), base=start)
        return open_dataset(spec, download=self.download)

    def _open(self, suite: SuiteSpec) -> _OpenSuite:
        known = self._suites.get(suite.name)
        if known is not None and known.suite.path != suite.path:
            raise ConfigError(
                f"{suite.path}: suite '{suite.name}' has the name of {known.suite.path}; "
                "run folders are named after suites: give each its own name"
            )
        if known is None:
            folder = suite.path.parent if suite.path else Path()
            environment = capture_environment(self.argv, folder=folder)
            outcome = SuiteOutcome(
                suite=suite.name,
                environment=environment,
                reference_templates=suite.reference_templates,
            )
            known = _OpenSuite(suite, self._evaluator(suite), outcome)
            self._suites[suite.name] = known
        return known

    def _evaluator(self, suite: SuiteSpec) -> Evaluator:
        return Evaluator(
            batch_size=suite.batch_size,
            gates=suite.gates,
            cache=default_cache() if self.use_cache else None,
            download=self.download,
            models=self._models,
        )


def single_cell(
    *,
    test_file: Path,
    model: str,
    dataset: str,
    template: str | Sequence[str],
    template_id_: str | None = None,
) -> tuple[SuiteSpec, Cell]:
    """Make the one cell that a test asks for, in a suite named after its file.

    Args:
        test_file: relative paths and the catalogue of data sets are looked up from its folder.
        model: a model string.
        dataset: a key of the catalogue, a folder or a table.
        template: one template, `@SET`, or several that make an ensemble.
        template_id_: its id in reports; derived from the text if None.
    Raises:
        ConfigError, PromptError: what is wrong with a value.
    """
    base = test_file.parent
    spec = _template(template, base=base)
    if template_id_ is not None:
        spec = TemplateSpec(
            id=template_id_,
            templates=spec.templates,
            class_prompts=spec.class_prompts,
            origin=spec.origin,
        )
    suite = SuiteSpec(
        name=test_file.stem,
        path=test_file,
        datasets=(resolve_dataset(dataset, known_datasets(None, start=base), base=base),),
        models=(parse_model(model, base=base, where=test_file.name),),
        templates=(spec,),
    )
    return suite, build_plan(suite).cells[0]


def _template(template: str | Sequence[str], *, base: Path) -> TemplateSpec:
    if isinstance(template, str):
        return resolve_template(template, base=base)
    for text in template:
        check_template(text)
    return TemplateSpec(id=template_id(" ".join(template)), templates=tuple(template))
