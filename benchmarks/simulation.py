"""What the simulations share: rows of tables, and claims that allow for Monte-Carlo error."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

Claim = Literal["holds", "FAILS", "none"]
NOMINAL_SHARE = 0.05
CLAIMED_SHARE = 0.06
N_ERRORS = 3
"""Monte-Carlo standard errors that a claim allows for."""


@dataclass(frozen=True, slots=True)
class Row:
    """One line of a table, and what becomes of the claim about it."""

    cells: tuple[str, ...]
    claim: Claim


def error_of(share: float, runs: int) -> float:
    """Return the Monte-Carlo standard error of a share."""
    return math.sqrt(max(share * (1 - share), 1 / runs) / runs)


def is_at_most(share: float, limit: float, runs: int) -> bool:
    """Return whether a share keeps a limit, but for Monte-Carlo error."""
    return share - N_ERRORS * error_of(limit, runs) <= limit


def is_at_least(share: float, limit: float, runs: int) -> bool:
    """Return whether a share reaches a limit, but for Monte-Carlo error."""
    return share + N_ERRORS * error_of(limit, runs) >= limit


def markdown(columns: Sequence[str], rows: Iterable[Row]) -> Iterable[str]:
    """Write the lines of a table."""
    yield f"| {' | '.join(columns)} |"
    yield f"|{'---|' * len(columns)}"
    for row in rows:
        yield f"| {' | '.join((*row.cells, row.claim))} |"


def claim_of(*, holds: bool, is_claimed: bool = True) -> Claim:
    """Say what becomes of a claim."""
    if not is_claimed:
        return "none"
    return "holds" if holds else "FAILS"


def percent(share: float, runs: int) -> str:
    """Write a share and its Monte-Carlo standard error."""
    return f"{share:.2%} +-{error_of(share, runs):.2%}"


def false_share(share: float, runs: int) -> str:
    """Write a share of false verdicts, marked where it is above the nominal one."""
    return percent(share, runs) + ("" if is_at_most(share, NOMINAL_SHARE, runs) else " !")
