"""The schema of run.json fits what is written, and the copy in docs/ is current."""

from __future__ import annotations

import json
from pathlib import Path

import jsonschema
import pytest

from clipeval.store import dump_run, run_schema

COPY = Path(__file__).parents[2] / "docs" / "schemas" / "run.schema.json"


@pytest.fixture(scope="module")
def validator():
    jsonschema.Draft202012Validator.check_schema(run_schema())
    return jsonschema.Draft202012Validator(run_schema())


def test_a_dumped_run_is_valid(validator, made_run):
    validator.validate(json.loads(dump_run(made_run.record)))


@pytest.mark.parametrize(
    ("field", "value"), [("schema_version", 2), ("status", "done"), ("cells", {}), ("suite", None)]
)
def test_wrong_values_are_invalid(validator, made_run, field, value):
    loaded = json.loads(dump_run(made_run.record)) | {field: value}
    assert [list(error.path) for error in validator.iter_errors(loaded)] == [[field]]


def test_fields_carry_the_docstrings_of_the_records():
    schema = run_schema()
    assert schema["properties"]["created"]["description"] == "UTC, ISO 8601."
    confusion = schema["$defs"]["CellResult"]["properties"]["confusion"]
    assert confusion["description"] == "Rows are truth, columns prediction."


def test_the_copy_in_docs_is_current():
    assert json.loads(COPY.read_text(encoding="utf-8")) == run_schema(), (
        f"write the output of `clipeval schema run` to {COPY.name}"
    )
