"""baselines/<suite>.json: an accepted run, small enough to commit."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
from pydantic import TypeAdapter

from clipeval.errors import StoreError
from clipeval.records import (
    CONTENT_DIGITS,
    Baseline,
    BaselineCell,
    CellOutcomes,
    EmbeddingSketch,
    Environment,
    MetricValue,
    ModelIdentity,
)
from clipeval.store.atomic import write_bytes
from clipeval.store.packing import (
    packed,
    packed_bits,
    packed_indices,
    unpacked,
    unpacked_bits,
    unpacked_indices,
)
from clipeval.store.run_json import dump_record, load_json, read_text, validated

BASELINE_VERSION = 1
ACCEPT_AGAIN = "accept a run again: clipeval baseline accept RUN"


@dataclass(frozen=True, slots=True, kw_only=True)
class _StoredImages:
    """The images of a data set, shared by its cells."""

    n_images: int
    class_keys: tuple[str, ...]
    class_names: tuple[str, ...]
    sample_ids_sha256: str
    labels_sha256: str
    sample_ids: str
    """JSON array of texts, packed."""
    contents: str
    """The first 8 hex digits of each image's SHA-256, as bytes, packed."""
    labels: str
    """int32, packed."""
    groups: str | None = None
    """int32, packed: the number of each image's group, 0 for an image without one; None if no image has
    one. Their names are not kept."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _StoredCell:
    id: str
    dataset: str
    images: str
    """Key of `images`."""
    template: str
    prompts_sha256: str
    device: str
    precision: str
    model: ModelIdentity
    metrics: Mapping[str, MetricValue]
    n_right: int
    correct: str
    """One bit an image, packed."""
    predicted: str
    """int32 class indices, packed."""
    in_top5: str | None
    """One bit an image, packed."""
    sketch: EmbeddingSketch | None
    backend: str = "torch"


@dataclass(frozen=True, slots=True, kw_only=True)
class _StoredBaseline:
    baseline_version: Literal[1]
    suite: str
    accepted: str
    sha256: str
    """Of this file with an empty `sha256`."""
    environment: Environment
    images: Mapping[str, _StoredImages]
    cells: tuple[_StoredCell, ...]


_STORED = TypeAdapter(_StoredBaseline)


def write_baseline(path: Path, baseline: Baseline) -> None:
    """Write a baseline, whole or not at all.

    Raises:
        StoreError: the file cannot be written.
    """
    images: dict[str, _StoredImages] = {}
    cells = []
    for one in baseline.cells.values():
        stored = _store_images(one.outcomes)
        key = _images_key(stored)
        images[key] = stored
        cells.append(_store_cell(one, key))
    unsigned = _StoredBaseline(
        baseline_version=1,
        suite=baseline.suite,
        accepted=baseline.accepted,
        sha256="",
        environment=baseline.environment,
        images=images,
        cells=tuple(cells),
    )
    signed = replace(unsigned, sha256=_digest(dump_record(unsigned)))
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StoreError(f"cannot make {path.parent}: {error.strerror or error}") from error
    write_bytes(path, dump_record(signed).encode("utf-8"))


def read_baseline(path: Path) -> Baseline:
    """Read a baseline.

    Raises:
        StoreError: missing, cut off, of another version, or changed after it was accepted.
    """
    text = read_text(path)
    loaded = load_json(text, where=str(path))
    _check_version(loaded, where=str(path))
    stored = validated(_STORED, text, where=str(path))
    known = _as_written(load_json(dump_record(stored), where=str(path)), loaded)
    # A key that the records do not know would be dropped, and so has to be looked for.
    if known != loaded or _digest(dump_record({**known, "sha256": ""})) != stored.sha256:
        raise StoreError(
            f"{path}: was changed after it was accepted (its sha256 does not match its content); "
            f"expected the file as clipeval wrote it: restore it, or {ACCEPT_AGAIN}"
        )
    cells = {one.id: _read_cell(one, stored.images, where=str(path)) for one in stored.cells}
    return Baseline(
        source=str(path),
        suite=stored.suite,
        accepted=stored.accepted,
        environment=stored.environment,
        cells=cells,
    )


def is_baseline(path: Path) -> bool:
    """Say whether a file is a baseline, rather than a run.json.

    Raises:
        StoreError: it cannot be read.
    """
    loaded = load_json(read_text(path), where=str(path))
    return isinstance(loaded, dict) and "baseline_version" in loaded


def _check_version(loaded: object, *, where: str) -> None:
    if not isinstance(loaded, dict) or "baseline_version" not in loaded:
        raise StoreError(
            f"{where}: baseline_version is missing; expected a file that `clipeval baseline accept` wrote"
        )
    version = loaded["baseline_version"]
    if version != BASELINE_VERSION:
        newer = isinstance(version, int) and version > BASELINE_VERSION
        hint = (
            "it was written by a newer clipeval; upgrade with `pip install -U clipeval`"
            if newer
            else ACCEPT_AGAIN
        )
        raise StoreError(
            f"{where}: baseline_version is {json.dumps(version)[:20]}, and this clipeval reads "
            f"{BASELINE_VERSION}: {hint}"
        )


def _as_written(known: Any, loaded: Any) -> Any:  # noqa: ANN401 (JSON has no narrower type)
    """Return a record as JSON without the fields that its file, being older, does not have."""
    if isinstance(known, dict):
        return {key: _as_written(known[key], loaded[key]) for key in known if key in loaded}
    if isinstance(known, list):
        return [_as_written(*pair) for pair in zip(known, loaded, strict=True)]
    return known


def _store_images(cell: CellOutcomes) -> _StoredImages:
    ids = json.dumps(list(cell.sample_ids), ensure_ascii=False, separators=(",", ":"))
    keys = [cell.class_keys[label] for label in cell.labels.tolist()]
    return _StoredImages(
        n_images=len(cell.sample_ids),
        class_keys=cell.class_keys,
        class_names=cell.class_names,
        sample_ids_sha256=_digest(ids),
        labels_sha256=_digest(json.dumps(keys, ensure_ascii=False)),
        sample_ids=packed(ids.encode("utf-8")),
        contents=packed(bytes.fromhex("".join(cell.contents))),
        labels=packed_indices(cell.labels),
        groups=_store_groups(cell.groups),
    )


def _images_key(stored: _StoredImages) -> str:
    return _digest(json.dumps(asdict(stored), sort_keys=True))[:16]


def _store_cell(one: BaselineCell, images: str) -> _StoredCell:
    cell = one.outcomes
    correct = cell.predicted == cell.labels
    return _StoredCell(
        id=cell.cell,
        dataset=cell.dataset,
        images=images,
        template=cell.template,
        prompts_sha256=cell.prompts_sha256,
        device=cell.device,
        precision=cell.precision,
        model=cell.model,
        metrics=one.metrics,
        n_right=int(np.count_nonzero(correct)),
        correct=packed_bits(correct),
        predicted=packed_indices(cell.predicted),
        in_top5=None if cell.in_top5 is None else packed_bits(cell.in_top5),
        sketch=cell.sketch,
        backend=cell.backend,
    )


def _read_cell(
    stored: _StoredCell, all_images: Mapping[str, _StoredImages], *, where: str
) -> BaselineCell:
    place = f"{where}: cell '{stored.id}'"
    if stored.images not in all_images:
        raise StoreError(f"{place}: its images '{stored.images}' are missing; {ACCEPT_AGAIN}")
    images = all_images[stored.images]
    n_images, n_classes = images.n_images, len(images.class_keys)
    labels = unpacked_indices(images.labels, n_images=n_images, below=n_classes, where=place)
    predicted = unpacked_indices(stored.predicted, n_images=n_images, below=n_classes, where=place)
    correct = unpacked_bits(stored.correct, n_images=n_images, where=place)
    if not np.array_equal(correct, predicted == labels):
        raise StoreError(f"{place}: correct and predicted contradict each other; {ACCEPT_AGAIN}")
    in_top5 = stored.in_top5
    outcomes = CellOutcomes(
        cell=stored.id,
        dataset=stored.dataset,
        class_keys=images.class_keys,
        class_names=images.class_names,
        model=stored.model,
        template=stored.template,
        prompts_sha256=stored.prompts_sha256,
        device=stored.device,
        precision=stored.precision,
        sample_ids=_read_ids(images, place),
        paths=("",) * n_images,
        groups=_read_groups(images, place),
        contents=_read_contents(images, place),
        labels=labels,
        predicted=predicted,
        in_top5=unpacked_bits(in_top5, n_images=n_images, where=place) if in_top5 else None,
        confidence=None,
        score_gap=None,
        sketch=stored.sketch,
        backend=stored.backend,
    )
    return BaselineCell(outcomes=outcomes, metrics=stored.metrics)


def _read_ids(images: _StoredImages, place: str) -> tuple[str, ...]:
    text = unpacked(images.sample_ids, where=place).decode("utf-8", "backslashreplace")
    ids = load_json(text, where=place)
    if not isinstance(ids, list) or not len(ids) == len(set(map(str, ids))) == images.n_images:
        raise StoreError(f"{place}: sample_ids are not those of {images.n_images:,} images")
    return tuple(map(str, ids))


def _read_contents(images: _StoredImages, place: str) -> tuple[str, ...]:
    digits = unpacked(images.contents, where=place).hex()
    if len(digits) != CONTENT_DIGITS * images.n_images:
        raise StoreError(f"{place}: contents are not those of {images.n_images:,} images")
    starts = range(0, len(digits), CONTENT_DIGITS)
    return tuple(digits[start : start + CONTENT_DIGITS] for start in starts)


def _store_groups(groups: Sequence[str | None]) -> str | None:
    names = dict.fromkeys(group for group in groups if group is not None)
    if not names:
        return None
    numbers: dict[str | None, int] = {name: number for number, name in enumerate(names, start=1)}
    return packed_indices(np.asarray([numbers.get(group, 0) for group in groups], dtype=np.int64))


def _read_groups(images: _StoredImages, place: str) -> tuple[str | None, ...]:
    """Return the number of each image's group in place of its name."""
    n_images = images.n_images
    if images.groups is None:
        return (None,) * n_images
    groups = unpacked_indices(
        images.groups, n_images=n_images, below=n_images + 1, what="groups", where=place
    )
    return tuple(str(number) if number else None for number in groups.tolist())


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
