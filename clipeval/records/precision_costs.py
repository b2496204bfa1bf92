"""What precisions and backends change, in a sentence."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from clipeval import records
from clipeval.wording import count

if TYPE_CHECKING:  # for annotations alone: `clipeval run --help` does without
    from clipeval.records import CellResult


def cost_sentence(cell: CellResult) -> str:
    """Say what a cell's precision and backend change; nothing where they are fp32 on torch."""
    cost = cell.cost
    if cost is None:
        return ""
    return (
        f"{setting_name(cell)} beside {_reference_name(cell)}, on {count(cost.n_images, 'image')}: "
        f"cosine similarity {_cosine(cost.cosine_mean)} on average, {_cosine(cost.cosine_min)} at least; "
        f"{count(cost.n_flips, 'prediction')} changed"
    )


def cost_lines(cells: Sequence[CellResult], *, quote: Callable[[str], str]) -> tuple[str, ...]:
    """Say it once for each model, data set, device, precision and backend: the cell that changed most."""
    worst: dict[tuple[str, ...], CellResult] = {}
    for cell in cells:
        if cell.cost is None:
            continue
        key = (cell.model.id, cell.dataset.key, cell.device, cell.precision, cell.backend)
        known = worst.get(key)
        if known is None or known.cost is None or cell.cost.n_flips > known.cost.n_flips:
            worst[key] = cell
    return tuple(f"{quote(cell.id)}: {cost_sentence(cell)}." for cell in worst.values())


def setting_name(cell: CellResult) -> str:
    """Return `int8 by onnxruntime`, `bf16` where torch ran it, `fp32 with decode 'fast'`."""
    decode = cell.model.preprocessing.get("decode")
    return (
        cell.precision
        + ("" if cell.backend == records.DEFAULT_BACKEND else f" by {cell.backend}")
        + ("" if decode is None else f" with decode '{decode}'")
    )


def _reference_name(cell: CellResult) -> str:
    exact = ", decode 'exact'" if "decode" in cell.model.preprocessing else ""
    return f"fp32 by torch{exact}"


def _cosine(value: float) -> str:
    """Show a cosine with so many digits that it is 1 only where that is as good as exact."""
    return f"{min(value, 1.0):.6f}"
