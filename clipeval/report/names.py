"""What cells are called where pytest's way of naming is expected."""

from __future__ import annotations

import re

from clipeval.records import CellResult

_SETTING = re.compile(r"@(?P<setting>[a-z]+(?::\d+)?-(?:fp32|bf16|fp16))$")


def result_item_name(cell: CellResult) -> str:
    """Return `digits[tiny-photo]` for a cell with a result."""
    known = f"{cell.dataset.key}/{cell.model.id}/{cell.template.id}"
    if not cell.id.startswith(known):
        return item_name(cell.id)
    setting = cell.id.removeprefix(known).replace("@", "-", 1)
    return f"{cell.dataset.key}[{cell.model.id}-{cell.template.id}{setting}]"


def item_name(cell_id: str) -> str:
    """Return `digits[tiny-photo]` for `digits/tiny/photo`: all that a cell that did not run has.

    A model id may hold slashes (`ViT-B-32/openai`); data-set keys and template ids do not. An id of
    another form is kept as it is.
    """
    dataset, _, rest = cell_id.partition("/")
    model, slash, template = rest.rpartition("/")
    if not slash:
        return cell_id
    named = _SETTING.sub(r"-\g<setting>", template)
    return f"{dataset}[{model}-{named}]"
