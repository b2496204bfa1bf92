"""What is shipped loads, and the committed schemas are those that the code makes."""

from __future__ import annotations

import json
from pathlib import Path

import jsonschema
import pytest
import yaml

from clipeval.config import catalog_schema, load_catalog, load_suite, suite_schema

ROOT = Path(__file__).parents[2]
SUITES = sorted((ROOT / "suites").glob("*.yaml"))
CATALOGS = [ROOT / "datasets.yaml", ROOT / "clipeval" / "config" / "builtin.yaml"]


def validator(schema: dict[str, object]) -> jsonschema.Draft202012Validator:
    jsonschema.Draft202012Validator.check_schema(schema)
    return jsonschema.Draft202012Validator(schema)


def read(path: Path) -> object:
    return yaml.safe_load(path.read_text(encoding="utf-8"))


def test_the_three_suites_of_the_handbook_are_shipped() -> None:
    assert {"quickstart", "food101", "clip-walkthrough"} <= {path.stem for path in SUITES}


@pytest.mark.parametrize("path", SUITES, ids=lambda path: path.stem)
def test_shipped_suites_load_and_match_the_schema(path: Path) -> None:
    assert load_suite(path).name == path.stem
    validator(suite_schema()).validate(read(path))


@pytest.mark.parametrize("path", CATALOGS, ids=lambda path: path.stem)
def test_shipped_catalogues_load_and_match_the_schema(path: Path) -> None:
    assert "ink-colour" in load_catalog(path)
    validator(catalog_schema()).validate(read(path))


@pytest.mark.parametrize("path", [*SUITES, *CATALOGS], ids=lambda path: path.stem)
def test_editors_find_the_schema_from_the_first_line(path: Path) -> None:
    first = path.read_text(encoding="utf-8").splitlines()[0]
    prefix = "# yaml-language-server: $schema="
    assert first.startswith(prefix)
    assert (path.parent / first.removeprefix(prefix)).is_file()


def test_the_walkthrough_asks_the_seven_prompts_of_the_original_post() -> None:
    (template,) = load_suite(ROOT / "suites" / "clip-walkthrough.yaml").templates
    assert template.class_prompts is not None
    assert [prompt for prompts in template.class_prompts.values() for prompt in prompts] == [
        "a photo of ramen",
        "a photo of pizza",
        "a photo of fried chicken",
        "a photo of bibimbap",
        "a photo of kimchi stew",
        "a plate of sushi",
        "a photo of cola",
    ]


@pytest.mark.parametrize(
    ("name", "schema"), [("suite", suite_schema()), ("datasets", catalog_schema())]
)
def test_committed_schemas_are_current(name: str, schema: dict[str, object]) -> None:
    committed = ROOT / "docs" / "schemas" / f"{name}.schema.json"
    assert json.loads(committed.read_text(encoding="utf-8")) == schema, (
        f"run: clipeval schema {name} > docs/schemas/{name}.schema.json"
    )


@pytest.mark.parametrize(
    "change",
    [
        {"templatse": {}},
        {"suite": "My Suite"},
        {"batch_size": None},
        {"precisions": ["f16"]},
        {"gates": {"topl": {"min": 0.5}}},
        {"gates": {"top1": {"mni": 0.5}}},
        {"gates": {"top1": {"max_drop": 1}}},
        {"gates": {"top1": {"max_drop": 0.1, "against": "basline"}}},
        {"gates": {"recall": {"min": 0.5}}},
        {"gates": [{"metric": "recall", "min": 0.5, "classes": "pizza"}]},
        {"gates": [{"metric": "recall", "min": 0.5, "classes": []}]},
        {"gates": [{"metric": "top1", "min": 0.5, "cells": []}]},
        {"templates": {"a b": "{}"}},
        {"models": [{"id": "a"}]},
    ],
)
def test_the_schema_refuses_what_the_loader_refuses(change: dict[str, object]) -> None:
    suite = read(ROOT / "suites" / "quickstart.yaml")
    assert isinstance(suite, dict)
    assert not validator(suite_schema()).is_valid(suite | change)


def test_the_catalogue_schema_refuses_a_typo() -> None:
    schema = validator(catalog_schema())
    assert schema.is_valid({"a": {"source": "folder", "path": "p"}})
    assert not schema.is_valid({"a": {"source": "folder", "pth": "p"}})
    assert not schema.is_valid({"a": {"source": "foldr", "path": "p"}})


def test_every_key_has_help_for_editors() -> None:
    for schema in (suite_schema(), catalog_schema()):
        definitions = schema["$defs"]
        assert isinstance(definitions, dict)
        for definition in [schema, *definitions.values()]:
            for key, value in definition.get("properties", {}).items():
                assert value.get("description"), key


def documented(start: str) -> str:
    """Return the indented example of docs/configuration.md that begins with `start`."""
    lines = (ROOT / "docs" / "configuration.md").read_text(encoding="utf-8").splitlines()
    first = next(i for i, line in enumerate(lines) if line.startswith(f"    {start}"))
    length = next(i for i, line in enumerate(lines[first:]) if not line.startswith("    "))
    return "\n".join(line[4:] for line in lines[first : first + length]) + "\n"


def test_the_examples_of_the_documentation_load(project: Path) -> None:
    Path("datasets.yaml").write_text(documented("my-photos: {"), encoding="utf-8")
    Path("cupl.json").write_text('{"ramen": ["noodles"]}', encoding="utf-8")
    Path("mine.yaml").write_text(documented("suite: mine"), encoding="utf-8")
    suite = load_suite(Path("mine.yaml"))
    assert [dataset.key for dataset in suite.datasets] == ["my-photos", "ink-colour"]
    assert len(suite.models) == 5
    assert len(suite.templates) == 6


def test_the_gates_of_the_documentation_load_and_match_the_schema(project: Path) -> None:
    Path("datasets.yaml").write_text(documented("my-photos: {"), encoding="utf-8")
    text = (
        "suite: s\ndatasets: [my-photos]\nmodels: [tiny, RN50/random]\n"
        'templates: {photo: "a photo of {}", plate: "a plate of {}"}\n'
        + documented("reference: {template: photo, model: tiny}")
    )
    Path("s.yaml").write_text(text, encoding="utf-8")
    gates = load_suite(Path("s.yaml")).gates
    assert [gate.metric for gate in gates] == ["top1", "macro_f1", "recall", "recall", "top1"]
    validator(suite_schema()).validate(read(Path("s.yaml")))


def test_every_key_of_a_gate_is_documented() -> None:
    page = (ROOT / "docs" / "configuration.md").read_text(encoding="utf-8")
    definitions = suite_schema()["$defs"]
    assert isinstance(definitions, dict)
    keys = definitions["GateEntry"]["properties"]
    assert [key for key in keys if f"`{key}`" not in page] == []
