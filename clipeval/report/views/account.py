"""What the numbers rest on: models, data sets, environment and the command."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import PurePath
from typing import TypeVar

from clipeval.records import (
    DatasetRecord,
    Environment,
    ImageFailure,
    ModelRecord,
    Notice,
    RunRecord,
)
from clipeval.report import format as fmt
from clipeval.wording import count

MAX_FAILURES = 50
Kept = TypeVar("Kept", ModelRecord, DatasetRecord)
Fact = tuple[str, str]
"""A label and what is true of it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelView:
    """One model as it was loaded."""

    id: str
    has_random_weights: bool
    facts: tuple[Fact, ...]
    fingerprints: tuple[Fact, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class DatasetView:
    """One data set as it was scored."""

    key: str
    account: str
    facts: tuple[Fact, ...]
    failures: tuple[ImageFailure, ...]
    n_more_failures: int
    notices: tuple[Notice, ...]


def model_views(record: RunRecord) -> tuple[ModelView, ...]:
    """Describe every model once."""
    return tuple(_model(one) for one in _distinct(cell.model for cell in record.cells))


def dataset_views(record: RunRecord) -> tuple[DatasetView, ...]:
    """Account for every data set once."""
    sizes: dict[str, list[int]] = {}
    for cell in record.cells:
        sizes.setdefault(cell.dataset.key, [one.n for one in cell.per_class])
    datasets = _distinct(cell.dataset for cell in record.cells)
    return tuple(_dataset(one, sizes[one.key]) for one in datasets)


def environment_facts(environment: Environment) -> tuple[Fact, ...]:
    """Describe the machine and the software."""
    facts = [
        ("clipeval", environment.clipeval),
        ("Python", environment.python),
        ("Platform", environment.platform),
        ("Processor", environment.cpu),
        (
            "Cores",
            f"{environment.n_cores}, torch used {count(environment.n_threads, 'thread')}",
        ),
        ("Memory", _memory(environment.memory_bytes)),
        ("GPUs", ", ".join(environment.gpus) or "none"),
        ("Git commit", _commit(environment)),
        *environment.packages.items(),
    ]
    return tuple((label, value) for label, value in facts if value)


def _memory(n_bytes: int | None) -> str:
    return "" if n_bytes is None else fmt.size(n_bytes)


def command(argv: tuple[str, ...]) -> str:
    """Return the command of the run, quoted for a shell, without the folder the program lies in."""
    if not argv:
        return ""
    return shlex.join([PurePath(argv[0].replace("\\", "/")).name or argv[0], *argv[1:]])


def _distinct(found: Iterable[Kept]) -> list[Kept]:
    """Drop repeats by equality, in order; records hold mappings and so cannot be hashed."""
    kept: list[Kept] = []
    for one in found:
        if one not in kept:
            kept.append(one)
    return kept


def _commit(environment: Environment) -> str:
    if environment.git_commit is None:
        return ""
    state = ", with uncommitted changes" if environment.git_dirty else ""
    return environment.git_commit + state


def _model(model: ModelRecord) -> ModelView:
    height, width = model.image_size
    facts = [
        ("Spec", model.spec),
        ("Architecture", model.name),
        ("Pretrained", model.pretrained or ""),
        ("Weights", "random" if model.random_weights else "loaded"),
        ("Activation", "QuickGELU" if model.quick_gelu else "GELU"),
        ("Parameters", count(model.n_parameters)),
        ("Embedding", count(model.embed_dim, "dimension")),
        ("Image size", f"{height} by {width} pixels"),
        ("Context", count(model.context_length, "token")),
        ("Logit scale", f"{model.logit_scale:.4g}"),
        *((f"Preprocessing: {key}", _plain(value)) for key, value in model.preprocessing.items()),
    ]
    return ModelView(
        id=model.id,
        has_random_weights=model.random_weights,
        facts=tuple((label, value) for label, value in facts if value),
        fingerprints=(
            ("weights", model.weights_sha256),
            ("config", model.config_sha256),
            ("preprocessing", model.preprocessing_sha256),
            ("tokenizer", model.tokenizer_sha256),
        ),
    )


def _plain(value: str | float | tuple[int, ...] | tuple[float, ...]) -> str:
    if isinstance(value, tuple | list):
        return ", ".join(str(one) for one in value)
    return str(value)


def _dataset(dataset: DatasetRecord, class_sizes: Sequence[int]) -> DatasetView:
    facts = [
        ("Source", dataset.source),
        ("Classes", count(len(dataset.class_names))),
        ("Images of a class", _span(class_sizes)),
        ("Samples SHA-256", dataset.samples_sha256),
    ]
    return DatasetView(
        key=dataset.key,
        account=f"{count(dataset.n_expected)} expected = {count(dataset.n_images)} scored "
        f"+ {count(dataset.n_failed)} failed",
        facts=tuple((label, value) for label, value in facts if value),
        failures=dataset.failures[:MAX_FAILURES],
        n_more_failures=max(0, len(dataset.failures) - MAX_FAILURES),
        notices=dataset.notices,
    )


def _span(sizes: Sequence[int]) -> str:
    """Say how few and how many images classes have: `20`, `3 to 41`; empty where nobody counted."""
    return " to ".join(count(n) for n in dict.fromkeys((min(sizes), max(sizes)))) if sizes else ""
