"""Data sets and templates as the command line names them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

from clipeval import prompts
from clipeval.config.catalog_models import TABLE_SUFFIXES
from clipeval.config.paths import resolve_path
from clipeval.config.problems import quote
from clipeval.config.templates import template_from_file, template_spec
from clipeval.config.validation import NAME_PATTERN, allowed_text
from clipeval.errors import ConfigError, PromptError, did_you_mean
from clipeval.records import DatasetSpec, FolderSource, TableSource, TemplateSpec

_WITH_ID = re.compile(rf"({NAME_PATTERN[1:-1]})=(.+)", re.DOTALL)


def resolve_dataset(
    text: str, catalog: Mapping[str, DatasetSpec], *, base: Path, where: str = "--dataset"
) -> DatasetSpec:
    """Return the data set that a value of the command line or of a test names.

    Args:
        text: a key of the catalogue, a folder with one folder per class, or a .csv or .parquet
            file.
        catalog: known data sets.
        base: folder that a relative path is relative to.
        where: option or file that names it, put in front of errors.
    Raises:
        ConfigError: it is none of these.
    """
    if text in catalog:
        return catalog[text]
    path = resolve_path(text, base=base) if text.strip() else None
    if path is not None and path.is_dir():
        return DatasetSpec(key=_key_of(path.name), source=FolderSource(path), where=where)
    if path is not None and path.is_file():
        if path.suffix.lower() not in TABLE_SUFFIXES:
            raise ConfigError(
                f"{where}: {quote(text)} is a file; expected a folder of images, "
                "or a table that ends in .csv or .parquet"
            )
        source = TableSource(table=path, root=path.parent)
        return DatasetSpec(key=_key_of(path.stem), source=source, where=where)
    raise ConfigError(
        f"{where}: {quote(text)} names no data set{did_you_mean(text, catalog)}; expected one of "
        f"{allowed_text(catalog)}, an existing folder, or an existing .csv or .parquet file"
    )


def resolve_template(text: str, *, base: Path, where: str = "--template") -> TemplateSpec:
    """Return the template that a value of the command line or of a test names.

    Args:
        text: `ID=VALUE` or VALUE, where VALUE is a text with one `{}`, a named set
            (`@openai-imagenet`) or a .json file of prompts per class. Without an id, one is made
            of the value.
        base: folder that a relative file is relative to.
        where: option or file that names it, put in front of errors.
    Raises:
        ConfigError: the text has no place for the class name, or the set or file cannot be used.
    """
    match = _WITH_ID.fullmatch(text)
    template_id, value = (match[1], match[2]) if match else (None, text)
    try:
        if value.startswith("@"):
            return template_spec(template_id or value[1:], value, base=base, where=where)
        if value.lower().endswith(".json") and "{" not in value:
            stem = prompts.template_id(Path(value).stem)
            return template_from_file(template_id or stem, value, base=base, where=where)
        prompts.check_template(value)
        spec_id = template_id or prompts.template_id(value)
        return template_spec(spec_id, value, base=base, where=where)
    except (PromptError, ConfigError) as error:
        raise ConfigError(f"{where} {quote(text)}: {error}") from error


def _key_of(name: str) -> str:
    """Make a data-set key of a file or folder name."""
    return re.sub(r"[^a-z0-9._-]+", "-", name.lower()).strip("-._") or "images"
