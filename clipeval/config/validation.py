"""From pydantic's errors to located messages."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping
from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError
from pydantic_core import ErrorDetails, PydanticCustomError

from clipeval.config.problems import describe, quote
from clipeval.config.yaml_nodes import Document
from clipeval.errors import did_you_mean

Path = tuple[str | int, ...]
ModelAt = Callable[[Path], type[BaseModel] | None]
"""Which model describes the mapping at a path of the document."""
M = TypeVar("M", bound=BaseModel)

TEXT_PATTERN = r"\S"
NAME_PATTERN = r"^[A-Za-z0-9][A-Za-z0-9._-]*$"
SLUG_PATTERN = r"^[a-z0-9][a-z0-9._-]*$"
MODEL_ID_PATTERN = r"^[A-Za-z0-9][A-Za-z0-9._/:@+-]*$"
DEVICE_PATTERN = r"^(auto|cpu|mps|cuda(:[0-9]{1,3})?)$"

_PATTERN_HELP = {
    TEXT_PATTERN: "more than blanks",
    NAME_PATTERN: "letters, digits, '.', '_' and '-', beginning with a letter or digit",
    SLUG_PATTERN: "lower-case letters, digits, '.', '_' and '-', beginning with a letter or digit",
    MODEL_ID_PATTERN: "letters, digits and any of . _ / : @ + -, beginning with a letter or digit",
    DEVICE_PATTERN: "auto, cpu, cuda, cuda:N or mps",
}
_DEVICES = ("auto", "cpu", "cuda", "cuda:0", "mps")

_ABOUT_KEYS = frozenset({"extra_forbidden", "missing", "union_tag_not_found"})
"""Errors that are shown at the key; others at the value."""

NOT_YET = {
    "webdataset": "the source webdataset is not available in this version",
}
"""Sources that the design names and a later version brings."""


class StrictModel(BaseModel):
    """A mapping whose keys are all known and whose values are never converted."""

    model_config = ConfigDict(
        extra="forbid", strict=True, frozen=True, use_attribute_docstrings=True
    )


def problem(message: str) -> PydanticCustomError:
    """Return an error for a validator to raise; `message` is shown as it is."""
    return PydanticCustomError("clipeval", "{message}", {"message": message})


def allowed_text(allowed: Collection[str]) -> str:
    """Return the allowed names as a readable list."""
    return ", ".join(allowed) if allowed else "(none)"


def unknown_name(name: str, known: Collection[str], what: str) -> str:
    """Return the message for a name that is not among those known."""
    return (
        f"unknown {what} {quote(name)}; expected one of {allowed_text(known)}"
        f"{did_you_mean(name, known)}"
    )


def validate(
    model_type: type[M], values: object, document: Document, model_at: ModelAt
) -> M | None:
    """Validate plain values; add every error to the document's problems, located.

    Args:
        model_type: the model of the whole file.
        values: the document's root value.
        document: gives places, takes problems.
        model_at: names the model of an inner mapping, for the allowed keys.
    Returns:
        The validated model, or None if there were errors.
    """
    try:
        return model_type.model_validate(values)
    except ValidationError as error:
        for details in error.errors(include_url=False):
            # `| None` is only how a key that was left out looks inside; nobody can write it.
            if details["type"] != "none_required":
                _report(details, document, model_at)
        return None


def failed_keys(model_type: type[BaseModel], values: object) -> frozenset[str]:
    """Return the top-level keys whose values are invalid, missing or unknown."""
    try:
        model_type.model_validate(values)
    except ValidationError as error:
        return frozenset(str(details["loc"][0]) for details in error.errors() if details["loc"])
    return frozenset()


def _report(details: ErrorDetails, document: Document, model_at: ModelAt) -> None:
    path = _path_in(document, details["loc"])
    about_key = details["type"] in _ABOUT_KEYS or details["loc"][-1:] == ("[key]",)
    mark = document.key_mark(*path) if about_key else document.mark(*path)
    document.problems.add(mark, _message(details, path, model_at))


def _path_in(document: Document, loc: tuple[str | int, ...]) -> Path:
    """Keep the steps that exist in the document; pydantic adds tags of unions and missing keys."""
    node = document.root
    path: list[str | int] = []
    for step in loc:
        child = node.children.get(step)
        if child is not None:
            path.append(step)
            node = child
    return tuple(path)


def _message(details: ErrorDetails, path: Path, model_at: ModelAt) -> str:
    context: Mapping[str, Any] = details.get("ctx", {})
    match details["type"]:
        case "clipeval":
            message = details["msg"]
        case "extra_forbidden":
            message = _unknown_key(path, model_at)
        case "wrong_kind":
            message = f"got {describe(details['input'])}; {details['msg']}"
        case "missing":
            message = _missing_key(str(details["loc"][-1]), model_at(path))
        case "union_tag_not_found":
            message = f"missing key {context['discriminator']}; expected it to say which kind"
        case "union_tag_invalid":
            message = _unknown_source(str(context["tag"]), str(context["expected_tags"]))
        case "literal_error":
            message = _not_one_of(details["input"], str(context["expected"]))
        case _:
            message = f"got {describe(details['input'])}; expected {_expected(details, context)}"
    return message


def _missing_key(key: str, model: type[BaseModel] | None) -> str:
    fields = model.model_fields if model else {}
    needed = [name for name, field in fields.items() if field.is_required()]
    return f"missing key {quote(key)}; expected at least {allowed_text(needed or [key])}"


def _unknown_key(path: Path, model_at: ModelAt) -> str:
    key = str(path[-1])
    model = model_at(path[:-1])
    allowed = list(model.model_fields) if model else []
    return f"unknown key {quote(key)}; expected one of {allowed_text(allowed)}" + did_you_mean(
        key, allowed
    )


def _not_one_of(value: object, expected: str) -> str:
    allowed = re.findall(r"'([^']*)'", expected)
    text = f"got {describe(value)}; expected {'true' if expected == 'True' else expected}"
    return text + (did_you_mean(value, allowed) if isinstance(value, str) else "")


def _unknown_source(tag: str, expected: str) -> str:
    if tag in NOT_YET:
        return NOT_YET[tag]
    allowed = re.findall(r"'([^']*)'", expected)
    return f"unknown source {quote(tag)}; expected one of {allowed_text(allowed)}" + did_you_mean(
        tag, allowed
    )


def _expected(details: ErrorDetails, context: Mapping[str, Any]) -> str:
    kind, value = details["type"], details["input"]
    if kind == "string_type":
        return "text: write it in quotes" if isinstance(value, int | float) else "text"
    if kind == "string_pattern_mismatch":
        pattern = str(context["pattern"])
        near = did_you_mean(str(value), _DEVICES) if pattern == DEVICE_PATTERN else ""
        return _PATTERN_HELP.get(pattern, pattern) + near
    if kind in {"list_type", "tuple_type"}:
        written = f": write [{value}]" if isinstance(value, str) and len(value) < 40 else ""  # noqa: PLR2004
        return f"a list{written}"
    fixed = {
        "bool_type": "true or false",
        "int_type": "a whole number",
        "float_type": "a number",
        "dict_type": "a mapping of keys to values",
        "model_type": "a mapping of keys to values",
        "finite_number": "a finite number",
        "string_too_short": "some text",
        "string_too_long": f"at most {context.get('max_length')} characters",
        "too_short": f"at least {context.get('min_length')} in it",
        "too_long": f"at most {context.get('max_length')} in it",
        "greater_than_equal": f"at least {context.get('ge')}",
        "greater_than": f"more than {context.get('gt', 0):g}",
        "less_than": f"less than {context.get('lt', 0):g}",
        "less_than_equal": f"at most {context.get('le')}",
        "int_parsing_size": "a smaller number",
    }
    return fixed.get(kind) or details["msg"][:1].lower() + details["msg"][1:]
