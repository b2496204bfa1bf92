"""A few images beside the prompts of a few classes, as in CLIP's own figures."""

from __future__ import annotations

from dataclasses import dataclass

from clipeval.records import CellResult
from clipeval.report.views.confusion import N_LEVELS, has_upright_names
from clipeval.report.views.galleries import ThumbnailIndex, image_uri
from clipeval.report.views.numbers import exact


@dataclass(frozen=True, slots=True)
class SimilarityCell:
    """One cosine."""

    text: str
    exact: str
    level: int
    """0 for the least cosine of the figure, N_LEVELS for the largest."""
    is_true: bool
    is_best: bool
    """Largest of its row."""


@dataclass(frozen=True, slots=True)
class SimilarityRow:
    """One image."""

    name: str
    """Its true class."""
    sample_id: str
    image_uri: str | None
    cells: tuple[SimilarityCell, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class SimilarityMap:
    """Images in rows, classes in columns."""

    names: tuple[str, ...]
    prompts: tuple[str, ...]
    """The first prompt of each class, aligned with the names."""
    rows: tuple[SimilarityRow, ...]
    note: str
    has_upright_names: bool


def similarity_map(cell: CellResult, thumbnails: ThumbnailIndex) -> SimilarityMap | None:
    """Show how alike a few images and classes are; None for runs that did not record it, or of one class."""
    sample = cell.similarity
    if sample is None or len(sample.classes) < 2:  # noqa: PLR2004 (nothing to tell apart)
        return None
    names = tuple(cell.dataset.class_names[i] for i in sample.classes)
    values = [cosine for row in sample.cosines for cosine in row]
    least, most = min(values), max(values)
    rows = []
    for position, (sample_id, cosines) in enumerate(
        zip(sample.sample_ids, sample.cosines, strict=True)
    ):
        best = max(cosines)
        cells = tuple(
            SimilarityCell(
                text=f"{round(cosine, 2) + 0.0:.2f}".replace("-", "\N{MINUS SIGN}"),
                exact=exact(cosine),
                level=_level(cosine, least, most),
                is_true=column == position,
                is_best=cosine == best,
            )
            for column, cosine in enumerate(cosines)
        )
        uri = image_uri(thumbnails, cell.dataset.key, sample_id)
        rows.append(SimilarityRow(names[position], sample_id, uri, cells))
    n_classes = len(cell.dataset.class_names)
    chosen = "each class" if len(names) == n_classes else f"{len(names)} of {n_classes:,} classes"
    return SimilarityMap(
        names=names,
        prompts=_first_prompts(cell, sample.classes),
        rows=tuple(rows),
        note=f"The first image of {chosen}; cosines from {least:.3f} to {most:.3f}.".replace(
            "-", "\N{MINUS SIGN}"
        ),
        has_upright_names=has_upright_names(names),
    )


def _level(cosine: float, least: float, most: float) -> int:
    return N_LEVELS if most == least else round(N_LEVELS * (cosine - least) / (most - least))


def _first_prompts(cell: CellResult, classes: tuple[int, ...]) -> tuple[str, ...]:
    starts, at = [], 0
    for n in cell.template.prompts_per_class:
        starts.append(at)
        at += n
    return tuple(cell.template.prompts[starts[i]] for i in classes)
