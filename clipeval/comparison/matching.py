"""Which cell of one run belongs to which cell of another."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from clipeval.records import CellOutcomes


@dataclass(frozen=True, slots=True, kw_only=True)
class CellMatch:
    """Pairs of cell ids (base, candidate), and what is left over."""

    pairs: tuple[tuple[str, str], ...]
    only_in_base: tuple[str, ...]
    only_in_candidate: tuple[str, ...]
    ignored: tuple[str, ...] = ()
    """`model` or `template`: what the names of the matched cells were allowed to differ in."""


def match_cells(base: Sequence[CellOutcomes], candidate: Sequence[CellOutcomes]) -> CellMatch:
    """Match cells by id; where each side has a single model or template, that may differ in name.

    Two versions of a model have two names, and so may two wordings: with one on each side there is no
    doubt which belongs to which.
    """
    ignored = tuple(
        what
        for what, mine, other in (
            ("model", {one.model.id for one in base}, {one.model.id for one in candidate}),
            ("template", {one.template for one in base}, {one.template for one in candidate}),
        )
        if len(mine) == len(other) == 1 and mine != other
    )
    by_key = {_key(one, ignored): one.cell for one in base}
    pairs = tuple(
        (by_key[key], one.cell) for one in candidate if (key := _key(one, ignored)) in by_key
    )
    matched_base = {pair[0] for pair in pairs}
    matched_candidate = {pair[1] for pair in pairs}
    return CellMatch(
        pairs=pairs,
        only_in_base=tuple(one.cell for one in base if one.cell not in matched_base),
        only_in_candidate=tuple(one.cell for one in candidate if one.cell not in matched_candidate),
        ignored=ignored if pairs else (),
    )


def find_counterpart(
    base: Sequence[CellOutcomes], candidate: CellOutcomes, *, any_model: bool
) -> CellOutcomes | None:
    """Return the cell of `base` that a cell is to be held against.

    Args:
        base: cells of a baseline.
        candidate: the cell.
        any_model: let the model have another name, if the baseline has only one.
    """
    has_one_model = len({one.model.id for one in base}) == 1
    ignored = ("model",) if any_model and has_one_model else ()
    wanted = _key(candidate, ignored)
    return next((one for one in base if _key(one, ignored) == wanted), None)


def find_renamed(base: Sequence[CellOutcomes], candidate: CellOutcomes) -> CellOutcomes | None:
    """Return the cell of `base` that asks the same of the same images and model under another id."""
    return next(
        (
            one
            for one in base
            if one.cell != candidate.cell
            and one.prompts_sha256 == candidate.prompts_sha256
            and one.precision == candidate.precision
            and one.model.weights_sha256 == candidate.model.weights_sha256
            and set(one.sample_ids) == set(candidate.sample_ids)
        ),
        None,
    )


def _key(one: CellOutcomes, ignored: Sequence[str]) -> tuple[str, str, str, str]:
    known = f"{one.dataset}/{one.model.id}/{one.template}"
    setting = one.cell.removeprefix(known) if one.cell.startswith(known) else one.cell
    return (
        one.dataset,
        "" if "model" in ignored else one.model.id,
        "" if "template" in ignored else one.template,
        setting,
    )
