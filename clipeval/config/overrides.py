"""What the command line changes about a suite, and suites made on the command line alone."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import chain, count
from pathlib import Path
from typing import Protocol, TypeVar

from clipeval.config.resolve import resolve_dataset, resolve_template
from clipeval.errors import ConfigError
from clipeval.gate import applies
from clipeval.plan import build_plan
from clipeval.records import (
    DatasetSpec,
    ModelSpec,
    Notice,
    Precision,
    SuiteSpec,
    TemplateSpec,
)
from clipeval.records.model_names import parse_model


@dataclass(frozen=True, slots=True, kw_only=True)
class Overrides:
    """Command-line values; an empty axis leaves the suite's own."""

    models: tuple[str, ...] = ()
    datasets: tuple[str, ...] = ()
    templates: tuple[str, ...] = ()
    devices: tuple[str, ...] = ()
    precisions: tuple[Precision, ...] = ()
    limit: int | None = None
    batch_size: int | None = None


class _Identified(Protocol):
    @property
    def id(self) -> str: ...


_Spec = TypeVar("_Spec", bound=_Identified)


def adhoc_suite(
    overrides: Overrides, catalog: Mapping[str, DatasetSpec], *, base: Path
) -> SuiteSpec:
    """Make a suite from the command line alone.

    Raises:
        ConfigError: a model, a data set or a template is missing; nothing is assumed.
    """
    axes = {
        "--model": overrides.models,
        "--dataset": overrides.datasets,
        "--template": overrides.templates,
    }
    missing = [option for option, values in axes.items() if not values]
    if missing:
        raise ConfigError(
            f"without a suite file, clipeval run needs {', '.join(missing)}; "
            "name a suite (clipeval list suites), or say what to run, for example: "
            "clipeval run --model tiny --dataset digits --template 'a photo of the number {}'"
        )
    empty = SuiteSpec(name="adhoc", path=None, datasets=(), models=(), templates=())
    return override(empty, overrides, catalog, base=base)


def override(
    suite: SuiteSpec, overrides: Overrides, catalog: Mapping[str, DatasetSpec], *, base: Path
) -> SuiteSpec:
    """Replace the axes that the command line names.

    A value that is an id of the suite keeps the suite's definition; any other is a new one.

    Args:
        suite: as loaded.
        overrides: command-line values.
        catalog: data sets that `--dataset` may name.
        base: folder that relative paths are relative to.
    Raises:
        ConfigError: a value that names nothing, or two the same.
    """
    models = _axis(
        overrides.models,
        suite.models,
        lambda text: parse_model(text, base=base, where="--model"),
        option="--model",
    )
    templates = _templates(overrides.templates, suite.templates, base)
    datasets = _datasets(overrides.datasets, suite.datasets, catalog, base)
    if overrides.limit is not None:
        datasets = tuple(replace(dataset, limit=overrides.limit) for dataset in datasets)
    kept = {template.id for template in templates}
    changed = replace(
        suite,
        models=models,
        templates=templates,
        datasets=datasets,
        dataset_templates=_applicable(suite, templates),
        reference_templates={
            key: id_ for key, id_ in suite.reference_templates.items() if id_ in kept
        },
        reference_model=_kept_reference(suite.reference_model, models),
        devices=overrides.devices or suite.devices,
        precisions=overrides.precisions or suite.precisions,
        batch_size=overrides.batch_size or suite.batch_size,
    )
    return replace(changed, notices=(*suite.notices, *_unapplied_gates(changed)))


def _unapplied_gates(suite: SuiteSpec) -> tuple[Notice, ...]:
    """Name the gates that no cell is left for: a run must not pass because nobody looked."""
    cells = build_plan(suite).cells
    return tuple(
        Notice(
            "gate-not-applied",
            f"{gate.where or suite.name}: the gate on {gate.metric} is not decided: it applies to "
            "none of the cells that the command line leaves; drop --model, --dataset or --template, "
            "or name what the gate names",
        )
        for gate in suite.gates
        if not any(
            applies(gate, dataset=cell.dataset.key, model=cell.model.id, template=cell.template.id)
            for cell in cells
        )
    )


def _axis(
    texts: Sequence[str], own: tuple[_Spec, ...], parse: Callable[[str], _Spec], *, option: str
) -> tuple[_Spec, ...]:
    if not texts:
        return own
    by_id = {spec.id: spec for spec in own}
    chosen = tuple(by_id[text] if text in by_id else parse(text) for text in texts)
    _refuse_repeats((spec.id for spec in chosen), option)
    return chosen


def _templates(
    texts: Sequence[str], own: tuple[TemplateSpec, ...], base: Path
) -> tuple[TemplateSpec, ...]:
    """Return the templates that are named; texts whose derived ids are the same get numbers."""
    if not texts:
        return own
    _refuse_repeats(texts, "--template")
    by_id = {spec.id: spec for spec in own}
    chosen: dict[str, TemplateSpec] = {}
    for text in texts:
        spec = by_id[text] if text in by_id else resolve_template(text, base=base)
        if spec.id in chosen and text.startswith(f"{spec.id}="):
            raise ConfigError(f"--template: the id '{spec.id}' is given twice; give each its own")
        numbered = (f"{spec.id}-{number}" for number in count(2))
        free = next(id_ for id_ in chain([spec.id], numbered) if id_ not in chosen)
        chosen[free] = replace(spec, id=free)
    return tuple(chosen.values())


def _datasets(
    texts: Sequence[str],
    own: tuple[DatasetSpec, ...],
    catalog: Mapping[str, DatasetSpec],
    base: Path,
) -> tuple[DatasetSpec, ...]:
    if not texts:
        return own
    by_key = {spec.key: spec for spec in own}
    chosen = tuple(
        by_key[text] if text in by_key else resolve_dataset(text, catalog, base=base)
        for text in texts
    )
    _refuse_repeats((spec.key for spec in chosen), "--dataset")
    return chosen


def _applicable(
    suite: SuiteSpec, templates: Iterable[TemplateSpec]
) -> Mapping[str, tuple[str, ...]]:
    """Let templates of the suite keep to their data sets; new ones apply to all."""
    own = {template.id for template in suite.templates}
    new = tuple(template.id for template in templates if template.id not in own)
    kept = {template.id for template in templates}
    return {
        key: (*(id_ for id_ in ids if id_ in kept), *new)
        for key, ids in suite.dataset_templates.items()
    }


def _kept_reference(reference: str | None, models: Sequence[ModelSpec]) -> str | None:
    return reference if reference in {model.id for model in models} else None


def _refuse_repeats(names: Iterable[str], option: str) -> None:
    seen: set[str] = set()
    for name in names:
        if name in seen:
            raise ConfigError(f"{option}: '{name}' is given twice; give each once")
        seen.add(name)
