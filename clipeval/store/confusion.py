"""confusion/<cell>.csv: a confusion matrix for a spreadsheet."""

from __future__ import annotations

import csv
import io

from clipeval.records import CellResult
from clipeval.store.names import encodable

FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r", "\n")
"""What makes a spreadsheet read a cell as a formula.

Source: OWASP, "CSV Injection".
"""


def confusion_csv(cell: CellResult) -> bytes:
    """Return a confusion matrix in UTF-8: class names in the first row and column, truth down.

    A name that a spreadsheet would run as a formula gets an apostrophe in front.
    """
    names = [_inert(encodable(name)) for name in cell.dataset.class_names]
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["true \\ predicted", *names])
    for name, row in zip(names, cell.confusion, strict=True):
        writer.writerow([name, *row])
    return text.getvalue().encode("utf-8")


def _inert(name: str) -> str:
    return f"'{name}" if name.startswith(FORMULA_STARTS) else name
