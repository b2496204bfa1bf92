"""The JSON Schemas of run.json and benchmark.json, made from the records."""

from __future__ import annotations

import ast
import inspect
from typing import Any

from pydantic import TypeAdapter

from clipeval.records import comparisons, latency, latency_gates, results, samples
from clipeval.store.benchmark_json import BENCHMARK
from clipeval.store.run_json import RUN

DIALECT = "https://json-schema.org/draft/2020-12/schema"


def run_schema() -> dict[str, object]:
    """Return the JSON Schema (2020-12) of run.json, described by the docstrings of the records."""
    return _schema(RUN, title="clipeval run.json", root="RunRecord")


def benchmark_schema() -> dict[str, object]:
    """Return the JSON Schema (2020-12) of benchmark.json, described by the docstrings of the records."""
    return _schema(BENCHMARK, title="clipeval benchmark.json", root="BenchmarkRecord")


def _schema(adapter: TypeAdapter[Any], *, title: str, root: str) -> dict[str, object]:
    generated: dict[str, Any] = adapter.json_schema()
    definitions = generated.pop("$defs")
    described = _attribute_docstrings()
    for name, definition in [*definitions.items(), (root, generated)]:
        for field, schema in definition["properties"].items():
            # Pydantic's titles are the field names once more, in capitals.
            schema.pop("title", None)
            if text := described.get((name, field)):
                schema["description"] = text
    generated |= {"title": title, "$schema": DIALECT, "$defs": definitions}
    order = ("$schema", "title", "description", "type", "required", "properties", "$defs")
    return {key: generated[key] for key in order}


def _attribute_docstrings() -> dict[tuple[str, str], str]:
    """Return the string below each field of the records, by class and field."""
    found: dict[tuple[str, str], str] = {}
    for module in (comparisons, latency, latency_gates, results, samples):
        for node in ast.walk(ast.parse(inspect.getsource(module))):
            if isinstance(node, ast.ClassDef):
                found |= {(node.name, field): text for field, text in _fields_of(node)}
    return found


def _fields_of(node: ast.ClassDef) -> list[tuple[str, str]]:
    return [
        (before.target.id, inspect.cleandoc(after.value.value).replace("\n", " "))
        for before, after in zip(node.body, node.body[1:], strict=False)
        if isinstance(before, ast.AnnAssign)
        and isinstance(before.target, ast.Name)
        and isinstance(after, ast.Expr)
        and isinstance(after.value, ast.Constant)
        and isinstance(after.value.value, str)
    ]
