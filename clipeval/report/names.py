"""What cells are called where pytest's way of naming is expected."""

from __future__ import annotations

from clipeval.plan import item_name_of
from clipeval.records import CellResult


def result_item_name(cell: CellResult) -> str:
    """Return `digits[tiny-photo]` for a cell with a result."""
    known = f"{cell.dataset.key}/{cell.model.id}/{cell.template.id}"
    if not cell.id.startswith(known):
        return item_name_of(cell.id)
    setting = cell.id.removeprefix(known).replace("@", "-", 1)
    return f"{cell.dataset.key}[{cell.model.id}-{cell.template.id}{setting}]"
