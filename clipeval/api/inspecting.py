"""What is there, as far as it can be said without torch: data sets, templates, caches, schemas."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from clipeval.api.suites import known_datasets
from clipeval.config import catalog_schema, suite_schema
from clipeval.datasets import DatasetStatus, dataset_status
from clipeval.prompts import named_set, named_set_source, named_sets
from clipeval.store import Memory, benchmark_schema, default_cache, run_schema


@dataclass(frozen=True, slots=True)
class NamedTemplates:
    """A named set of templates."""

    name: str
    templates: tuple[str, ...]
    source: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CacheSize:
    """How full the cache of embeddings is."""

    root: str
    n_packs: int
    """Files."""
    n_entries: int
    """In all files: embeddings of images and of prompts, and what tokenizers made of prompts."""
    size_bytes: int
    max_bytes: int


def list_datasets(catalog: Path | None = None) -> tuple[DatasetStatus, ...]:
    """Say of every known data set whether it is there, and how large its download is.

    Raises:
        ConfigError: the catalogue is wrong.
    """
    known = known_datasets(catalog, start=Path.cwd())
    return tuple(dataset_status(spec) for spec in known.values())


def list_templates() -> tuple[NamedTemplates, ...]:
    """Return the named sets of templates."""
    return tuple(
        NamedTemplates(name, named_set(name), named_set_source(name)) for name in named_sets()
    )


def cache_info() -> CacheSize:
    """Measure the cache of embeddings."""
    cache = default_cache()
    entries = cache.entries()
    return CacheSize(
        root=str(cache.root),
        n_packs=len(entries),
        n_entries=cache.count_entries(),
        size_bytes=sum(entry.size_bytes for entry in entries),
        max_bytes=cache.max_bytes,
    )


def cache_clear() -> int:
    """Empty the cache of embeddings, and forget what is known of models; return the bytes freed."""
    cache = default_cache()
    return cache.clear() + Memory(cache.root).clear()


def schema(name: Literal["suite", "datasets", "run", "benchmark"]) -> dict[str, object]:
    """Return the JSON Schema of a kind of file."""
    schemas = {
        "suite": suite_schema,
        "datasets": catalog_schema,
        "run": run_schema,
        "benchmark": benchmark_schema,
    }
    return schemas[name]()
