"""Template sets that come with clipeval, named `@openai-imagenet` and the like in suites.

Each is one JSON file in template_sets/: where the templates are from, the torchvision data sets
that they were written for, and the templates in the order of their source.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

from clipeval.errors import PromptError, did_you_mean

_FOLDER = files("clipeval.prompts") / "template_sets"


@dataclass(frozen=True, slots=True)
class _NamedSet:
    source: str
    torchvision: tuple[str, ...]
    templates: tuple[str, ...]


@cache
def named_sets() -> tuple[str, ...]:
    """Return the names of all sets, without `@`, sorted."""
    names = (entry.name for entry in _FOLDER.iterdir())
    return tuple(sorted(name.removesuffix(".json") for name in names if name.endswith(".json")))


def named_set(name: str) -> tuple[str, ...]:
    """Return the templates of a set in the order of its source.

    Args:
        name: with or without `@`.
    Raises:
        PromptError: there is no such set.
    """
    return _load(_known(name)).templates


def named_set_source(name: str) -> str:
    """Return where the templates of a set are from: repository, file, licence.

    Raises:
        PromptError: there is no such set.
    """
    return _load(_known(name)).source


def named_set_for_torchvision(dataset: str) -> str | None:
    """Return the name of the set that was published for a torchvision class, or None."""
    return next((name for name in named_sets() if dataset in _load(name).torchvision), None)


def _known(name: str) -> str:
    bare = name.removeprefix("@")
    if bare in named_sets():
        return bare
    available = ", ".join(f"@{known}" for known in named_sets())
    near = did_you_mean(f"@{bare}", [f"@{known}" for known in named_sets()])
    raise PromptError(f"unknown template set '@{bare}'{near}; available: {available}")


@cache
def _load(name: str) -> _NamedSet:
    content = json.loads((_FOLDER / f"{name}.json").read_text(encoding="utf-8"))
    return _NamedSet(
        source=content["source"],
        torchvision=tuple(content["torchvision"]),
        templates=tuple(content["templates"]),
    )
