"""`clipeval list models|datasets|templates|suites`."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer
from rich import box
from rich.table import Table

from clipeval import api
from clipeval.cli.console import out, plain

EXAMPLES = """\
Examples:\n
  clipeval list models ViT-B-32\n
  clipeval list datasets\n
  clipeval list templates food
"""
_UNITS = ("B", "kB", "MB", "GB", "TB")


class Listed(StrEnum):
    """What can be listed."""

    models = "models"
    datasets = "datasets"
    templates = "templates"
    suites = "suites"


def list_(
    what: Annotated[Listed, typer.Argument(help="What to list.")],
    pattern: Annotated[
        str | None, typer.Argument(help="Only names that contain this, in any case.")
    ] = None,
    *,
    datasets: Annotated[
        Path | None, typer.Option("--datasets", metavar="FILE", help="Catalogue of data sets.")
    ] = None,
) -> None:
    """List what can be run: models, data sets (and which need a download), templates, suites."""
    tables = {
        Listed.models: lambda: _models(pattern),
        Listed.datasets: lambda: _datasets(pattern, datasets),
        Listed.templates: lambda: _templates(pattern),
        Listed.suites: lambda: _suites(pattern),
    }
    out.print(tables[what]())


def _table(*columns: str) -> Table:
    table = Table(box=box.SIMPLE_HEAD)
    for column in columns:
        table.add_column(column, overflow="fold")
    return table


def _matches(pattern: str | None, name: str) -> bool:
    return pattern is None or pattern.casefold() in name.casefold()


def _models(pattern: str | None) -> Table:
    table = _table("model", "activation")
    for entry in api.list_models(pattern):
        table.add_row(plain(entry.spec), "QuickGELU" if entry.quick_gelu else "GELU")
    return table


def _datasets(pattern: str | None, catalog: Path | None) -> Table:
    table = _table("data set", "source", "there", "images", "download", "where")
    for status in api.list_datasets(catalog):
        if _matches(pattern, status.key):
            size = _size(status.download_bytes) if status.download_bytes else "-"
            images = f"{status.n_images:,}" if status.n_images is not None else "?"
            table.add_row(
                plain(status.key),
                plain(status.source),
                "[green]yes[/]" if status.present else "[yellow]no[/]",
                images,
                "-" if status.present else size,
                plain(status.note or status.root),
            )
    return table


def _templates(pattern: str | None) -> Table:
    table = _table("named set", "templates", "first", "source")
    for entry in api.list_templates():
        if _matches(pattern, entry.name):
            table.add_row(
                f"@{plain(entry.name)}",
                str(len(entry.templates)),
                plain(entry.templates[0]),
                plain(entry.source),
            )
    return table


def _suites(pattern: str | None) -> Table:
    table = _table("suite", "file", "cells", "data sets", "models")
    for entry in api.list_suites():
        if _matches(pattern, entry.suite):
            table.add_row(
                plain(entry.suite),
                plain(entry.path),
                str(len(entry.cells)),
                plain(", ".join(entry.datasets)),
                plain(", ".join(entry.models)),
            )
    return table


def _size(n_bytes: int) -> str:
    size = float(n_bytes)
    for unit in _UNITS:
        if size < 1000 or unit == _UNITS[-1]:  # noqa: PLR2004 (SI steps)
            return f"{size:.0f} {unit}"
        size /= 1000
    raise AssertionError
