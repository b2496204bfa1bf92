"""How cells are gathered, named and linked to on the page."""

from __future__ import annotations

from collections.abc import Iterable
from urllib.parse import urlencode

from clipeval.records import DEFAULT_BACKEND, CellResult
from clipeval.report.format import visible


def datasets_of(cells: Iterable[CellResult]) -> dict[str, list[CellResult]]:
    """Gather cells by data-set key, both in the order of the run."""
    gathered: dict[str, list[CellResult]] = {}
    for cell in cells:
        gathered.setdefault(cell.dataset.key, []).append(cell)
    return gathered


def setting_of(cell: CellResult) -> str:
    """Name what a cell ran on: `tiny on cpu in fp32`, `tiny on cpu in int8 by onnxruntime`."""
    by = "" if cell.backend == DEFAULT_BACKEND else f" by {cell.backend}"
    return f"{cell.model.id} on {cell.device} in {cell.precision}{by}"


def cell_anchor(position: int) -> str:
    """Return the id of a cell's section; positions, because names may hold anything."""
    return f"cell-{position + 1}"


def anchors_of(cells: Iterable[CellResult]) -> dict[str, str]:
    """Return the id of every cell's section, by cell id."""
    return {cell.id: cell_anchor(i) for i, cell in enumerate(cells)}


def pair_link(cell: CellResult, anchor: str, *, true: str, predicted: str) -> str:
    """Return the address of a cell's images of one class that were taken for another."""
    shown = {
        "class": true,
        "predicted": predicted,
        "template": cell.template.id,
        "model": cell.model.id,
        "dataset": cell.dataset.key,
    }
    return "#" + urlencode(
        {key: visible(value) for key, value in shown.items()} | {"at": f"{anchor}-images"}
    )


def comparison_anchor(position: int) -> str:
    """Return the id of a comparison's rows; positions, because names may hold anything."""
    return f"comparison-{position + 1}"
