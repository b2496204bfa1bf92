"""Which samples of a data set are kept, and what its classes are called."""

from __future__ import annotations

import hashlib
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

from clipeval.errors import DatasetError, did_you_mean
from clipeval.records import ClassLabel, DatasetSpec, Notice, Sample

V = TypeVar("V")

_MAX_NAMED = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """What is left after subset and caps."""

    classes: tuple[ClassLabel, ...]
    samples: tuple[Sample, ...]
    """(N,) relabelled, in the order of the source."""
    positions: tuple[int, ...]
    """(N,) where each sample was before."""


def apply_selection(
    classes: Sequence[ClassLabel],
    samples: Sequence[Sample],
    *,
    keep: Sequence[int] | None = None,
    per_class: int | None = None,
    limit: int | None = None,
    seed: int = 0,
) -> Selection:
    """Keep some classes, and some samples of each.

    Which samples is decided by the rank of sha256(seed:sample_id), so that it depends neither on
    the order of listing nor on the machine. `limit` goes round the classes, one sample each in
    turn, so that classes stay balanced as far as they can; limit k + 1 keeps what limit k keeps.

    Args:
        classes: all classes of the source.
        samples: all samples of the source; their order is kept.
        keep: indices of the classes to keep, in their new order; None keeps all.
        per_class: at most so many samples of each class.
        limit: at most so many samples in all.
        seed: another seed makes another choice.
    """
    order = range(len(classes)) if keep is None else keep
    new_label = {old: new for new, old in enumerate(order)}
    ranked: dict[int, list[tuple[str, int]]] = defaultdict(list)
    for position, sample in enumerate(samples):
        if sample.label in new_label:
            ranked[sample.label].append((_rank(seed, sample.sample_id), position))
    rounds = [
        (turn, rank, position)
        for members in ranked.values()
        for turn, (rank, position) in enumerate(sorted(members)[:per_class])
    ]
    positions = sorted(position for _, _, position in sorted(rounds)[:limit])
    kept = (samples[position] for position in positions)
    return Selection(
        classes=tuple(classes[old] for old in order),
        samples=tuple(replace(sample, label=new_label[sample.label]) for sample in kept),
        positions=tuple(positions),
    )


def _rank(seed: int, sample_id: str) -> str:
    return hashlib.sha256(f"{seed}:{sample_id}".encode()).hexdigest()


def check_classes(spec: DatasetSpec, classes: Sequence[ClassLabel]) -> None:
    """Refuse class options that do not fit the classes of the source.

    Raises:
        DatasetError: all classes that are unknown or ambiguous, one per line; or named twice.
    """
    options = {
        "classes": spec.classes or (),
        "class_names": spec.class_names,
        "aliases": spec.aliases,
    }
    problems: list[str] = []
    for option, given in options.items():
        for wanted in given:
            try:
                _class_index(spec, wanted, classes, option=option)
            except DatasetError as error:
                problems.append(str(error))
    if problems:
        raise DatasetError("\n".join(problems))
    resolve_classes(spec, classes)


def resolve_classes(spec: DatasetSpec, classes: Sequence[ClassLabel]) -> list[int] | None:
    """Return the indices of `spec.classes`, or None if all classes are wanted.

    Raises:
        DatasetError: a class is unknown, ambiguous, or named twice.
    """
    if spec.classes is None:
        return None
    indices = [_class_index(spec, wanted, classes, option="classes") for wanted in spec.classes]
    twice = [classes[index].key for index, n in Counter(indices).items() if n > 1]
    if twice:
        raise DatasetError(
            f"{spec_place(spec)}: `classes` names {listed(twice)} more than once; remove the copies"
        )
    return indices


def named_classes(spec: DatasetSpec, classes: Sequence[ClassLabel]) -> tuple[ClassLabel, ...]:
    """Return the classes with the names and aliases that the spec gives them.

    Raises:
        DatasetError: `class_names` or `aliases` speaks of a class that is not there.
    """
    display = _by_index(spec, spec.class_names, classes, option="class_names")
    aliases = _by_index(spec, spec.aliases, classes, option="aliases")
    return tuple(
        replace(
            label,
            names=(display.get(index, label.names[0]), *label.names[1:], *aliases.get(index, ())),
        )
        for index, label in enumerate(classes)
    )


def _by_index(
    spec: DatasetSpec, given: Mapping[str, V], classes: Sequence[ClassLabel], *, option: str
) -> dict[int, V]:
    return {
        _class_index(spec, wanted, classes, option=option): value for wanted, value in given.items()
    }


def _class_index(
    spec: DatasetSpec, wanted: str, classes: Sequence[ClassLabel], *, option: str
) -> int:
    """Find a class by its key, or else by its display name if only one class has that name."""
    for index, label in enumerate(classes):
        if label.key == wanted:
            return index
    named = [index for index, label in enumerate(classes) if label.names[0] == wanted]
    if len(named) == 1:
        return named[0]
    if named:
        keys = listed([classes[index].key for index in named])
        raise DatasetError(
            f"{spec_place(spec)}: class '{wanted}' in `{option}` is the name of several classes; "
            f"use one of the keys: {keys}"
        )
    known = [label.key for label in classes] + [label.names[0] for label in classes]
    raise DatasetError(
        f"{spec_place(spec)}: unknown class '{wanted}' in `{option}`{did_you_mean(wanted, known)}; "
        f"available: {listed([label.key for label in classes])}"
    )


def selection_notices(
    spec: DatasetSpec, selection: Selection, *, wanted: int | None
) -> Iterable[Notice]:
    """Yield what the user should know about caps that could not be met.

    Args:
        spec: names the data set.
        selection: what is left.
        wanted: images per class that were asked for.
    """
    counts = Counter(sample.label for sample in selection.samples)
    empty = [label.key for index, label in enumerate(selection.classes) if counts[index] == 0]
    if empty:
        yield Notice(
            "class-without-images",
            f"{spec_place(spec)}: {len(empty)} of {len(selection.classes)} classes have no image "
            f"in this selection but stay candidates: {listed(empty)}.",
        )
    short = [
        f"{label.key} ({counts[index]})"
        for index, label in enumerate(selection.classes)
        if wanted is not None and spec.limit is None and 0 < counts[index] < wanted
    ]
    if short:
        yield Notice(
            "fewer-than-per-class",
            f"{spec_place(spec)}: `per_class: {wanted}` is more than these classes have: "
            f"{listed(short)}.",
        )


def spec_place(spec: DatasetSpec) -> str:
    """Return how messages name a data set: `datasets.yaml:14:1: data set 'pets'`."""
    return f"{spec.where}: data set '{spec.key}'" if spec.where else f"data set '{spec.key}'"


def listed(values: Sequence[str]) -> str:
    """Return the first few values in quotation marks, and how many more there are."""
    shown = ", ".join(f"'{value}'" for value in values[:_MAX_NAMED])
    more = len(values) - _MAX_NAMED
    return f"{shown} and {more} more" if more > 0 else shown
