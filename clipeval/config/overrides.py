"""What the command line changes about a suite, and suites made on the command line alone."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import chain, count
from pathlib import Path

from clipeval.config.comparison_options import with_comparison_options
from clipeval.config.options import Overrides
from clipeval.config.resolve import resolve_dataset, resolve_template
from clipeval.errors import ConfigError
from clipeval.plan import build_plan, not_applied, unjudged_gates
from clipeval.records import (
    DatasetSpec,
    ModelSpec,
    Notice,
    SuiteSpec,
    TemplateSpec,
)
from clipeval.records.model_names import parse_model
from clipeval.records.stated_gates import GATE_NOT_APPLIED


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
    """Replace the axes that the command line names, and set what it says about comparisons.

    A value that is an id of the suite keeps the suite's definition; any other is a new one. A gate
    against a reference stays where the reference does not: deciding it is then an error.

    Args:
        suite: as loaded.
        overrides: command-line values.
        catalog: data sets that `--dataset` may name.
        base: folder that relative paths are relative to.
    Raises:
        ConfigError: a value that names nothing, two the same, or a number out of range.
    """
    models = _models(overrides, suite.models, base)
    decode = overrides.decode or suite.decode
    models = tuple(replace(model, decode=decode) for model in models)
    templates = _templates(overrides, suite.templates, base)
    datasets = _datasets(overrides, suite.datasets, catalog, base)
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
        backend=overrides.backend or suite.backend,
        decode=decode,
        batch_size=overrides.batch_size or suite.batch_size,
        latency=suite.latency if overrides.has_latency else None,
        is_whole=suite.is_whole and not overrides.changes_cells,
    )
    changed = with_comparison_options(changed, overrides, base=base)
    said = [*_unapplied_gates(changed, overrides)]
    if suite.latency is not None and not overrides.has_latency:
        # With limits among it, the run has to say that these judged nothing.
        code = GATE_NOT_APPLIED if suite.latency.gates else "latency-left-out"
        said.append(Notice(code, f"what suite '{suite.name}' wants timed was left out"))
    return replace(changed, notices=(*changed.notices, *said))


def _unapplied_gates(suite: SuiteSpec, overrides: Overrides) -> Iterator[Notice]:
    """Name the gates that no cell is left for."""
    axes = [overrides.option(name) for name in ("model", "dataset", "template")]
    settings = [overrides.option(name) for name in ("device", "precision", "backend")]
    plan = build_plan(suite)
    for gate in unjudged_gates(plan, plan.cells):
        # Ids of cells change with devices, precisions and the backend.
        *first, last = [*axes, *settings] if gate.cells else axes
        yield not_applied(
            suite,
            gate,
            "it judges none of the cells that the command line leaves; drop "
            f"{', '.join(first)} or {last}, or name what the gate names",
        )


def _models(overrides: Overrides, own: tuple[ModelSpec, ...], base: Path) -> tuple[ModelSpec, ...]:
    texts, option = overrides.models, overrides.option("model")
    if not texts:
        return own
    by_id = {spec.id: spec for spec in own}
    chosen = tuple(
        by_id[text] if text in by_id else parse_model(text, base=base, where=option)
        for text in texts
    )
    _refuse_repeats((spec.id for spec in chosen), option)
    return chosen


def _templates(
    overrides: Overrides, own: tuple[TemplateSpec, ...], base: Path
) -> tuple[TemplateSpec, ...]:
    """Return the templates that are named; texts whose derived ids are the same get numbers."""
    texts, option = overrides.templates, overrides.option("template")
    if not texts:
        return own
    _refuse_repeats(texts, option)
    by_id = {spec.id: spec for spec in own}
    chosen: dict[str, TemplateSpec] = {}
    for text in texts:
        spec = by_id[text] if text in by_id else resolve_template(text, base=base, where=option)
        if spec.id in chosen and text.startswith(f"{spec.id}="):
            raise ConfigError(f"{option}: the id '{spec.id}' is given twice; give each its own")
        numbered = (f"{spec.id}-{number}" for number in count(2))
        free = next(id_ for id_ in chain([spec.id], numbered) if id_ not in chosen)
        chosen[free] = replace(spec, id=free)
    return tuple(chosen.values())


def _datasets(
    overrides: Overrides,
    own: tuple[DatasetSpec, ...],
    catalog: Mapping[str, DatasetSpec],
    base: Path,
) -> tuple[DatasetSpec, ...]:
    texts, option = overrides.datasets, overrides.option("dataset")
    by_key = {spec.key: spec for spec in own}
    chosen = (
        own
        if not texts
        else tuple(
            by_key[text]
            if text in by_key
            else resolve_dataset(text, catalog, base=base, where=option)
            for text in texts
        )
    )
    _refuse_repeats((spec.key for spec in chosen), option)
    if overrides.limit is None:
        return chosen
    return tuple(replace(dataset, limit=overrides.limit) for dataset in chosen)


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
