"""The confusion matrix as a heat map, whole or, for many classes, its worst block."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from clipeval.records import CellResult
from clipeval.report import format as fmt
from clipeval.wording import count

MAX_WHOLE = 60
"""Classes up to which the whole matrix is shown; beyond, nobody reads it and browsers suffer."""
MAX_BLOCK = 20
"""Classes in the block that stands for a larger matrix."""
N_LEVELS = 10
"""Steps of the colour scale above empty."""
_SHORT_NAME = 7
_FEW_CLASSES = 12


@dataclass(frozen=True, slots=True)
class HeatCell:
    """One count."""

    text: str
    """Empty for zero."""
    level: int
    """0 for zero, else 1 to N_LEVELS by the square root of the share of the row."""
    is_diagonal: bool
    title: str


@dataclass(frozen=True, slots=True)
class HeatRow:
    """All images of one class, by what they were taken for."""

    name: str
    n: str
    cells: tuple[HeatCell, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class HeatMap:
    """A square part of the confusion matrix."""

    names: tuple[str, ...]
    rows: tuple[HeatRow, ...]
    note: str
    """What was left out; empty if nothing was."""
    is_dense: bool
    """Whether cells are small, so that many columns fit."""
    has_upright_names: bool
    """Whether column names are written from bottom to top to save width."""


def heat_map(cell: CellResult) -> HeatMap | None:
    """Show the matrix of a cell; None for one class, or more classes than fit and not one mistake."""
    names = cell.dataset.class_names
    if len(names) == 1:
        return None
    confusion = np.asarray(cell.confusion, dtype=np.int64).reshape(len(names), len(names))
    if len(names) <= MAX_WHOLE:
        return _map(names, confusion, range(len(names)), note="")
    chosen = worst_classes(confusion)
    if not chosen:
        return None
    note = (
        f"{count(len(names))} classes are too many to read in one matrix. "
        f"This is the block of the {len(chosen)} classes in the most confused pairs."
    )
    return _map(names, confusion, chosen, note=note)


def worst_classes(confusion: npt.NDArray[np.int64]) -> tuple[int, ...]:
    """Return the classes of the most confused pairs, at most MAX_BLOCK, in class order.

    Args:
        confusion: (C, C) counts; rows are truth, columns prediction.
    """
    mistakes = confusion.copy()
    np.fill_diagonal(mistakes, 0)
    n_classes = len(mistakes)
    chosen: set[int] = set()
    for flat in np.argsort(-mistakes, axis=None, kind="stable").tolist():
        pair = set(divmod(flat, n_classes))
        if mistakes.flat[flat] == 0:
            break
        if len(chosen | pair) <= MAX_BLOCK:
            chosen |= pair
    return tuple(sorted(chosen))


def level(share: float) -> int:
    """Place a share of a row on the colour scale: 1% -> 1, 4% -> 2, 25% -> 5, 100% -> 10.

    The square root keeps the few mistakes of a good model visible beside its diagonal.
    """
    return 0 if share <= 0 else max(1, round(N_LEVELS * math.sqrt(share)))


def has_upright_names(names: Sequence[str]) -> bool:
    """Say whether names at the head of columns are written from bottom to top to save width."""
    return len(names) > _FEW_CLASSES or any(len(name) > _SHORT_NAME for name in names)


def _map(
    names: Sequence[str], confusion: npt.NDArray[np.int64], chosen: Sequence[int], *, note: str
) -> HeatMap:
    shown = tuple(names[i] for i in chosen)
    is_dense = len(shown) > _FEW_CLASSES
    return HeatMap(
        names=shown,
        rows=tuple(_row(names, confusion[i], i, chosen) for i in chosen),
        note=note,
        is_dense=is_dense,
        has_upright_names=has_upright_names(shown),
    )


def _row(
    names: Sequence[str], counts: npt.NDArray[np.int64], true: int, chosen: Sequence[int]
) -> HeatRow:
    n_images = int(counts.sum())
    cells = []
    for predicted in chosen:
        n = int(counts[predicted])
        title = ""
        if n:
            share = f"{count(n)} of {count(n_images)} ({fmt.percent(n / n_images)})"
            title = f"{names[true]} taken for {names[predicted]}: {share}"
        shade = level(n / n_images) if n else 0
        cells.append(HeatCell(count(n) if n else "", shade, true == predicted, title))
    return HeatRow(names[true], count(n_images), tuple(cells))
