"""Inconclusive gates in few words: how many there are of a kind, and what would settle them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from clipeval.records import CellResult, GateResult
from clipeval.records.stated_gates import stated_gates
from clipeval.report.gate_text import interval_text, limit_name, value_text
from clipeval.wording import count


def open_gate_lines(cells: Iterable[CellResult], *, quote: Callable[[str], str]) -> tuple[str, ...]:
    """Say each inconclusive gate in one line: a limit on classes once, with the number of classes.

    Args:
        cells: of a run.
        quote: makes a name from outside safe where the text goes.
    """
    return tuple(
        f"{quote(cell.id)}: {limit_name(still_open[0], quote=quote)}, {_account(still_open)}"
        for cell in cells
        for gate in stated_gates(cell.gates)
        if (still_open := [one for one in gate.results if one.state == "inconclusive"])
    )


def _account(still_open: Sequence[GateResult]) -> str:
    first = still_open[0]
    needs = [one.n_to_settle for one in still_open if one.n_to_settle is not None]
    least = count(min(needs), "image") if needs else ""
    if first.class_name is None:
        subject = " ".join(part for part in (value_text(first), interval_text(first)) if part)
        need = f"about {least} would settle it"
    else:
        subject = count(len(still_open), "class", "classes")
        images_of = "predicted as a class" if first.metric == "precision" else "of a class"
        need = f"smallest need about {least} {images_of}"
    if not needs:
        return f"{subject}: too close to the limit to tell"
    return f"{subject}: too few images to tell ({need})"
