"""JSON Schemas (draft 2020-12) of suites and catalogues, for editors and `clipeval schema`."""

from __future__ import annotations

from pydantic import BaseModel
from pydantic.json_schema import GenerateJsonSchema

from clipeval.config.catalog_models import CatalogModel
from clipeval.config.suite_models import SuiteModel


def suite_schema() -> dict[str, object]:
    """Return the JSON Schema of a suite file."""
    return _schema(SuiteModel, title="clipeval suite")


def catalog_schema() -> dict[str, object]:
    """Return the JSON Schema of datasets.yaml."""
    return _schema(CatalogModel, title="clipeval data sets")


def _schema(model: type[BaseModel], *, title: str) -> dict[str, object]:
    generated = _tidy(model.model_json_schema(mode="validation"))
    assert isinstance(generated, dict)
    return {"$schema": GenerateJsonSchema.schema_dialect, **generated, "title": title}


def _tidy(value: object) -> object:
    """Say in the schema what the models refuse and pydantic leaves out.

    A key without a value is refused, so editors must not offer null as a default; a name that does
    not match the pattern is refused, so there are no additional properties beside the pattern's.
    """
    if isinstance(value, list):
        return [_tidy(inner) for inner in value]
    if not isinstance(value, dict):
        return value
    tidy = {
        key: _tidy(inner)
        for key, inner in value.items()
        if not (key == "default" and inner is None)
    }
    if "patternProperties" in tidy:
        tidy.setdefault("additionalProperties", False)
    return tidy
