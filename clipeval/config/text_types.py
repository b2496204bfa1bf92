"""Texts that suites are made of, and what is checked of each: names, models, templates, prompts."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, Discriminator, Field, Tag

from clipeval import prompts
from clipeval.config.problems import one_line, quote
from clipeval.config.validation import NAME_PATTERN, TEXT_PATTERN, problem
from clipeval.errors import ConfigError, PromptError, did_you_mean
from clipeval.records.model_names import parse_model

MAX_PROMPTS = 2_000
"""Prompts in one ensemble or for one class."""


def _check_template(text: str) -> str:
    if text.startswith("@"):
        raise problem(
            f"named set {quote(text)} inside a list; expected templates: "
            "a named set stands alone, as the template's whole value"
        )
    try:
        prompts.check_template(text)
    except PromptError as error:
        raise problem(one_line(str(error))) from None
    return text


def _check_template_or_set(text: str) -> str:
    if not text.startswith("@"):
        return _check_template(text)
    names = prompts.named_sets()
    if text[1:] not in names:
        allowed = [f"@{name}" for name in names]
        raise problem(
            f"unknown named set {quote(text)}; expected one of {', '.join(allowed)}"
            + did_you_mean(text, allowed)
        )
    return text


def _check_model_name(text: str) -> str:
    try:
        parse_model(text, base=Path())
    except ConfigError as error:
        raise problem(one_line(str(error)) + did_you_mean(text, ["tiny"])) from None
    return text


def kind_of(value: object) -> str | None:
    """Tell the forms of a value apart: text, list or mapping."""
    if isinstance(value, str):
        return "<text>"
    if isinstance(value, list):
        return "<list>"
    return "<mapping>" if isinstance(value, dict) else None


def refuse_unquoted_placeholder(value: object) -> object:
    """Explain a template whose braces YAML has taken for a mapping."""
    # `bare: {}` without quotes is YAML for an empty mapping, and `{c}` for {c: nothing}.
    if isinstance(value, dict) and (not value or (set(value) == {"c"} and value["c"] is None)):
        text = "{c}" if value else "{}"
        raise problem(
            f'got {text} without quotes, which is a mapping; expected text: write "{text}"'
        )
    return value


Name = Annotated[str, Field(pattern=NAME_PATTERN, max_length=80)]
Text = Annotated[str, Field(min_length=1, pattern=TEXT_PATTERN)]
ModelName = Annotated[str, Field(min_length=1), AfterValidator(_check_model_name)]
EnsembleItem = Annotated[str, Field(min_length=1), AfterValidator(_check_template)]
TemplateText = Annotated[str, Field(min_length=1), AfterValidator(_check_template_or_set)]
Ensemble = Annotated[list[EnsembleItem], Field(min_length=1, max_length=MAX_PROMPTS)]
ClassPrompts = Annotated[
    dict[Text, Annotated[list[Text], Field(min_length=1, max_length=MAX_PROMPTS)]],
    Field(min_length=1),
]
DatasetKeys = Annotated[list[Name], Field(min_length=1, json_schema_extra={"uniqueItems": True})]
Prompts = Annotated[
    Annotated[TemplateText, Tag("<text>")] | Annotated[Ensemble, Tag("<list>")],
    Discriminator(
        kind_of,
        custom_error_type="wrong_kind",
        custom_error_message='expected text with one {}, a named set such as "@openai-imagenet", '
        "or a list of texts",
    ),
]
