"""What is different about a cell besides its answers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from clipeval.records import CellChange, CellOutcomes
from clipeval.records.comparisons import ChangedPart


def cell_changes(base: CellOutcomes, candidate: CellOutcomes) -> tuple[CellChange, ...]:
    """List what two versions of a cell differ in, by their fingerprints.

    Names tell nothing: a template may keep its id and get another text, or two may change ids.
    """
    then, now = base.model, candidate.model
    fingerprints: tuple[tuple[ChangedPart, object, object, str], ...] = (
        ("weights", then.weights_sha256, now.weights_sha256, ""),
        ("model config", then.config_sha256, now.config_sha256, ""),
        ("tokenizer", then.tokenizer_sha256, now.tokenizer_sha256, ""),
        ("class names", _names(base), _names(candidate), _renamed_class(base, candidate)),
        (
            "prompts",
            base.prompts_sha256,
            candidate.prompts_sha256,
            _other_prompt(base.prompts, candidate.prompts),
        ),
    )
    return tuple(
        CellChange(what=what, example=example)
        for what, before, after, example in fingerprints
        if before != after
    )


def _names(cell: CellOutcomes) -> dict[str, str]:
    return dict(zip(cell.class_keys, cell.class_names, strict=True))


def _renamed_class(base: CellOutcomes, candidate: CellOutcomes) -> str:
    then, now = _names(base), _names(candidate)
    return next(
        (f"{then[key]!r} -> {now[key]!r}" for key in sorted(then) if then[key] != now[key]), ""
    )


def _other_prompt(
    then: Mapping[str, Sequence[str]] | None, now: Mapping[str, Sequence[str]] | None
) -> str:
    """Return the first prompt that differs; empty where one side, being a baseline, has hashes alone."""
    if then is None or now is None:
        return ""
    for key in sorted(then):
        before, after = then[key], now.get(key, ())
        for old, new in zip(before, after, strict=False):
            if old != new:
                return f"{old!r} -> {new!r}"
        if len(before) != len(after):
            return f"{len(before)} -> {len(after)} for class '{key}'"
    return ""
