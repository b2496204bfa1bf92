"""From a suite file to a SuiteSpec."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from clipeval.config.catalog import Catalog, builtin_catalog, find_catalog, load_catalog
from clipeval.config.gate_checks import check_gate_cells, check_gates
from clipeval.config.gate_forms import gate_specs
from clipeval.config.gate_models import GateEntry, Limits
from clipeval.config.latency_checks import check_latency, latency_spec
from clipeval.config.latency_models import LatencyLimits, LatencyModel
from clipeval.config.paths import resolve_path
from clipeval.config.problems import one_line
from clipeval.config.references import check_references, reference_templates
from clipeval.config.source_text import decode, read_bytes
from clipeval.config.suite_models import (
    ModelEntry,
    ReferenceEntry,
    SuiteModel,
    TemplateEntry,
)
from clipeval.config.templates import template_spec
from clipeval.config.validation import Path as Location
from clipeval.config.validation import failed_keys, validate
from clipeval.config.yaml_nodes import Document, parse_yaml
from clipeval.errors import ConfigError, PromptError
from clipeval.records import ModelSpec, SuiteSpec, TemplateSpec
from clipeval.records.model_names import parse_model

_STAND_INS: dict[str, Any] = {
    "suite": "stand-in",
    "datasets": ["stand-in"],
    "models": ["tiny"],
    "templates": {"stand-in": "{}"},
}
"""Take the place of required values that are wrong, so that the rest is still checked."""


def load_suite(path: Path, *, catalog: Path | None = None) -> SuiteSpec:
    """Read a suite and check it against its catalogue.

    Args:
        path: the suite file.
        catalog: its datasets.yaml; if None, the nearest one in the suite's folder or above it.
    Raises:
        ConfigError: either file is unreadable or wrong; every mistake is listed with its place.
    """
    text = decode(read_bytes(path), label=str(path))
    folder = resolve_path(str(path.parent), base=Path.cwd())
    catalog_path = catalog or find_catalog(folder)
    known = load_catalog(_shown(catalog_path)) if catalog_path else builtin_catalog()
    return _Reader(parse_yaml(text, label=str(path)), folder, known).read(path)


def _shown(path: Path) -> Path:
    """Return the path as messages should name it: relative to where the user is, if it is below."""
    here = Path.cwd()
    return path.relative_to(here) if path.is_absolute() and path.is_relative_to(here) else path


@dataclass(frozen=True, slots=True)
class _Reader:
    """One suite file on its way to a spec; problems gather in the document."""

    document: Document
    base: Path
    """Folder that relative paths are relative to."""
    catalog: Catalog

    def read(self, path: Path) -> SuiteSpec:
        values = self.document.root.value
        assert isinstance(values, dict)
        suite = validate(SuiteModel, values, self.document, _model_at)
        failed = failed_keys(SuiteModel, values) if suite is None else frozenset()
        if suite is None:
            sound = {key: value for key, value in values.items() if key not in failed}
            needed = {key: value for key, value in _STAND_INS.items() if key in failed}
            suite = SuiteModel.model_validate({**sound, **needed})
        check_references(suite, self.document, catalog=self.catalog, failed=failed)
        check_gates(suite, self.document, failed=failed)
        if suite.latency is not None:
            check_latency(
                suite.latency,
                self.document,
                models=None if "models" in failed else suite.model_ids(),
                reference_model=suite.reference.model if suite.reference else None,
            )
        models = self._models(suite)
        templates = self._templates(suite)
        self.document.problems.raise_any()
        spec = replace(self._spec(suite), path=path.absolute(), models=models, templates=templates)
        check_gate_cells(suite, self.document, spec)
        self.document.problems.raise_any()
        return spec

    def _spec(self, suite: SuiteModel) -> SuiteSpec:
        """Return the spec of a checked suite, without models and templates."""
        return SuiteSpec(
            name=suite.suite,
            path=None,
            datasets=tuple(self.catalog[key] for key in suite.datasets),
            models=(),
            templates=(),
            dataset_templates=_dataset_templates(suite),
            reference_templates=reference_templates(suite),
            reference_model=suite.reference.model if suite.reference else None,
            devices=tuple(suite.devices),
            precisions=tuple(suite.precisions),
            backend=suite.backend,
            decode=suite.decode,
            batch_size=suite.batch_size,
            gates=gate_specs(suite, self.document),
            latency=latency_spec(suite.latency, self.document) if suite.latency else None,
            description=suite.description or "",
        )

    def _models(self, suite: SuiteModel) -> tuple[ModelSpec, ...]:
        specs: list[ModelSpec] = []
        for index, value in enumerate(suite.models):
            where = self.document.where("models", index)
            try:
                spec = _model_spec(value, base=self.base, where=where)
                specs.append(replace(spec, decode=suite.decode))
            except ConfigError as error:
                place = self.document.mark("models", index)
                self.document.problems.add(place, one_line(str(error)))
        return tuple(specs)

    def _templates(self, suite: SuiteModel) -> tuple[TemplateSpec, ...]:
        specs: list[TemplateSpec] = []
        for template_id, value in suite.templates.items():
            where = self.document.where("templates", template_id)
            try:
                specs.append(template_spec(template_id, value, base=self.base, where=where))
            except (ConfigError, PromptError) as error:
                place = self.document.mark("templates", template_id, "class_prompts_file")
                self.document.problems.add(place, one_line(str(error)))
        return tuple(specs)


def _model_spec(value: str | ModelEntry, *, base: Path, where: str) -> ModelSpec:
    if isinstance(value, str):
        return replace(parse_model(value, base=base), where=where)
    if value.checkpoint is not None:
        return ModelSpec(
            id=value.id,
            kind="checkpoint",
            name=value.name,
            checkpoint=resolve_path(value.checkpoint, base=base),
            quick_gelu=value.quick_gelu,
            where=where,
        )
    tag = "random" if value.random else value.pretrained
    spec = parse_model(f"{value.name}/{tag}" if tag else value.name, base=base, id=value.id)
    return replace(spec, quick_gelu=value.quick_gelu, where=where)


def _dataset_templates(suite: SuiteModel) -> Mapping[str, tuple[str, ...]]:
    """Return data set -> ids of its templates, for data sets that do not take all of them."""
    return {
        key: applying
        for key in suite.datasets
        if len(applying := suite.templates_for(key)) < len(suite.templates)
    }


def _model_at(path: Location) -> type[BaseModel] | None:
    """Return the model of the mapping at `path`."""
    match path:
        case ():
            model: type[BaseModel] | None = SuiteModel
        case ("models", _):
            model = ModelEntry
        case ("templates", _):
            model = TemplateEntry
        case ("reference",):
            model = ReferenceEntry
        case ("latency",):
            model = LatencyModel
        case ("latency", "gates", _):
            model = LatencyLimits
        case ("gates", step):
            model = GateEntry if isinstance(step, int) else Limits
        case _:
            model = None
    return model
