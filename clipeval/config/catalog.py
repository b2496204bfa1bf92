"""The catalogue: which data sets a suite may name."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache, partial
from pathlib import Path

from clipeval.config.catalog_models import (
    ENTRIES,
    CatalogModel,
    DatasetEntry,
    DigitsEntry,
    Entry,
    FolderEntry,
    TableEntry,
)
from clipeval.config.paths import default_data_root, resolve_path
from clipeval.config.problems import one_line, quote
from clipeval.config.source_text import decode, read_bytes
from clipeval.config.validation import Path as Location
from clipeval.config.validation import allowed_text, validate
from clipeval.config.yaml_nodes import Document, parse_yaml
from clipeval.errors import ConfigError, did_you_mean
from clipeval.records import (
    DatasetSpec,
    DigitsSource,
    FolderSource,
    Source,
    TableSource,
    TorchvisionSource,
)

CATALOG_NAME = "datasets.yaml"
_BUILTIN = Path(__file__).parent / "builtin.yaml"

Catalog = Mapping[str, DatasetSpec]


@cache
def builtin_catalog() -> Catalog:
    """Return the data sets that are known without any file."""
    text = _BUILTIN.read_text(encoding="utf-8")
    return _parse(text, label=_BUILTIN.name, base=_BUILTIN.parent)


def load_catalog(path: Path) -> Catalog:
    """Read a datasets.yaml; its entries add to the built-in ones, or replace those of the same key.

    Raises:
        ConfigError: the file cannot be read, or is wrong; every mistake is listed with its place.
    """
    text = decode(read_bytes(path), label=str(path))
    own = _parse(text, label=str(path), base=resolve_path(str(path.parent), base=Path.cwd()))
    return {**builtin_catalog(), **own}


def find_catalog(start: Path) -> Path | None:
    """Return the nearest datasets.yaml in `start` or a folder above it.

    The search ends at a folder that holds `.git` (a project's root), or at the file system's root.
    """
    for folder in (start, *start.absolute().parents):
        if (folder / CATALOG_NAME).is_file():
            return folder / CATALOG_NAME
        if (folder / ".git").exists():
            return None
    return None


def _parse(text: str, *, label: str, base: Path) -> dict[str, DatasetSpec]:
    document = parse_yaml(text, label=label)
    model = validate(CatalogModel, document.root.value, document, partial(_model_at, document))
    specs: dict[str, DatasetSpec] = {}
    for key, entry in model.root.items() if model else ():
        _check_classes(key, entry, document)
        try:
            specs[key] = _dataset_spec(key, entry, base=base, where=document.where(key))
        except ConfigError as error:
            place = document.mark(key, "root" if getattr(entry, "root", None) else "path")
            document.problems.add(place, one_line(str(error)))
    document.problems.raise_any()
    return specs


def _model_at(document: Document, path: Location) -> type[DatasetEntry] | None:
    """Return the model of the entry at `path`, by its source."""
    node = document.root.children.get(path[0]) if len(path) == 1 else None
    values = node.value if node else None
    source = values.get("source") if isinstance(values, dict) else None
    return ENTRIES.get(source) if isinstance(source, str) else None


def _check_classes(key: str, entry: DatasetEntry, document: Document) -> None:
    """Report repeated classes, and names or aliases of classes that are not kept."""
    classes = entry.classes
    if classes is None:
        return
    for index, name in enumerate(classes):
        if (first := classes.index(name)) < index:
            document.problems.add(
                document.mark(key, "classes", index),
                f"class {quote(name)} is already item {first + 1}; expected each class once",
            )
    for option in ("class_names", "aliases"):
        for name in getattr(entry, option):
            if name not in classes:
                document.problems.add(
                    document.key_mark(key, option, name),
                    f"{quote(name)} is not one of the classes kept; expected one of "
                    f"{allowed_text(classes[:20])}{did_you_mean(name, classes)}",
                )


def _dataset_spec(key: str, entry: Entry, *, base: Path, where: str) -> DatasetSpec:
    return DatasetSpec(
        key=key,
        source=_source(entry, base=base),
        where=where,
        classes=tuple(entry.classes) if entry.classes is not None else None,
        per_class=entry.per_class,
        limit=entry.limit,
        seed=entry.seed,
        class_names=dict(entry.class_names),
        aliases={name: tuple(more) for name, more in entry.aliases.items()},
        on_error=entry.on_error,
    )


def _source(entry: Entry, *, base: Path) -> Source:
    if isinstance(entry, DigitsEntry):
        return DigitsSource(split=entry.split, question=entry.question)
    if isinstance(entry, FolderEntry):
        return FolderSource(resolve_path(entry.path, base=base))
    root = resolve_path(entry.root, base=base) if entry.root is not None else None
    if isinstance(entry, TableEntry):
        table = resolve_path(entry.path, base=base)
        return TableSource(table=table, root=root or table.parent)
    return TorchvisionSource(
        name=entry.name,
        split=entry.split,
        root=root or default_data_root(),
        download=entry.download,
    )
