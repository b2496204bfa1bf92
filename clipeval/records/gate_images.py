"""The images behind a gate that did not pass: some are named, all are counted."""

from __future__ import annotations

from typing import TYPE_CHECKING

from clipeval.wording import count

if TYPE_CHECKING:  # for annotations alone: `--help` does without
    from clipeval.records.results import GateResult

MAX_NAMED = 20
"""Sample ids that a gate result holds."""


def images_account(gate: GateResult) -> str:
    """Say how many images are behind a gate, and how many of them it names: `20 of 45 images`.

    In runs of earlier versions nobody counted those that are not named: `20 images and maybe more`.
    """
    n_named = len(gate.images)
    if gate.n_behind is not None and gate.n_behind > n_named:
        return f"{count(n_named)} of {count(gate.n_behind, 'image')}"
    more = " and maybe more" if gate.n_behind is None and n_named == MAX_NAMED else ""
    return count(n_named, "image") + more
