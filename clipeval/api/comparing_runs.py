"""Compares two runs, or a run with a baseline, cell by cell."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

from clipeval.api.baseline_files import baseline_of
from clipeval.api.baselines import open_baseline
from clipeval.comparison import compare, environment_changes, match_cells
from clipeval.errors import ComparisonError, ConfigError, ScoringError, did_you_mean
from clipeval.gates import judge_drop, worst
from clipeval.records import Baseline, Comparison, Notice, Verdict
from clipeval.records.comparisons import ComparisonKind
from clipeval.records.run_comparisons import RunComparison, RunSide
from clipeval.records.specs import OnInconclusive

DEFAULT_MARGIN = 0.01
_PERCENT = 100


def compare_runs(
    base: Path,
    candidate: Path,
    *,
    margin: float = DEFAULT_MARGIN,
    on_inconclusive: OnInconclusive = "warn",
) -> RunComparison:
    """Compare the cells of two runs on the same images.

    Cells are matched by id; where each run has a single model or template, that may have another name.

    Args:
        base: a run folder, its run.json, or a baseline file.
        candidate: likewise.
        margin: drop of top-1 that is tolerated, in [0, 1).
        on_inconclusive: what becomes of cells that the images cannot decide.
    Raises:
        ConfigError: the margin is out of range.
        StoreError: a run cannot be read, or is partial.
        ComparisonError: no cell belongs to a cell of the other, or two cannot be paired image by image.
    """
    check_margin(margin)
    return _compare_sides(
        open_baseline(base),
        open_baseline(candidate),
        margin=margin,
        on_inconclusive=on_inconclusive,
        kind="run",
    )


def diff_baseline(run: Path, *, file: Path | None = None) -> RunComparison:
    """Compare a run with the baseline of its suite.

    Args:
        run: a run folder, or its run.json.
        file: the baseline; the nearest baselines/SUITE.json if None.
    Raises:
        ClipEvalError: as compare_runs.
    """
    now = open_baseline(run)
    then = open_baseline(file or baseline_of(now.suite))
    return _compare_sides(then, now, margin=DEFAULT_MARGIN, on_inconclusive="warn", kind="baseline")


def _compare_sides(
    then: Baseline,
    now: Baseline,
    *,
    margin: float,
    on_inconclusive: OnInconclusive,
    kind: ComparisonKind,
) -> RunComparison:
    old = [one.outcomes for one in then.cells.values()]
    new = [one.outcomes for one in now.cells.values()]
    match = match_cells(old, new)
    if not match.pairs:
        raise ComparisonError(_nothing_in_common(then, now))
    comparisons = _compare_all(then, now, match.pairs, kind)
    gates = tuple(
        judge_drop(one, margin=margin, on_inconclusive=on_inconclusive) for one in comparisons
    )
    states: list[Verdict] = [gate.state for gate in gates]
    if match.only_in_base:
        states.append("error")
    notices = [notice for one in comparisons for notice in one.notices]
    if match.ignored:
        notices.append(_said_matching(match.ignored, then, now))
    return RunComparison(
        base=RunSide(source=then.source, suite=then.suite, created=then.accepted),
        candidate=RunSide(source=now.source, suite=now.suite, created=now.accepted),
        margin=margin,
        verdict=worst(states),
        comparisons=comparisons,
        gates=gates,
        only_in_base=match.only_in_base,
        only_in_candidate=match.only_in_candidate,
        environment_changes=environment_changes(then.environment, now.environment),
        notices=tuple(dict.fromkeys(notices)),
    )


def check_margin(margin: float) -> None:
    """Refuse a margin that is no fraction.

    Raises:
        ConfigError: it is not in [0, 1).
    """
    if math.isfinite(margin) and 0 <= margin < 1:
        return
    is_percent = 1 <= margin < _PERCENT
    hint = (
        f" (did you mean {margin / _PERCENT:g}, which is {margin:g} points?)" if is_percent else ""
    )
    raise ConfigError(
        f"--margin: got {margin:g}; expected a fraction of at least 0 and below 1, such as 0.01 for one "
        f"point{hint}"
    )


def _compare_all(
    then: Baseline, now: Baseline, pairs: Sequence[tuple[str, str]], kind: ComparisonKind
) -> tuple[Comparison, ...]:
    comparisons: list[Comparison] = []
    problems: dict[str, None] = {}
    for base, candidate in pairs:
        try:
            comparisons.append(
                compare(then.cells[base].outcomes, now.cells[candidate].outcomes, kind=kind)
            )
        except (ComparisonError, ScoringError) as error:
            problems[str(error)] = None
    if problems:
        raise ComparisonError("\n".join(problems))
    return tuple(comparisons)


def _nothing_in_common(then: Baseline, now: Baseline) -> str:
    first = next(iter(now.cells))
    return (
        f"{then.source} and {now.source} have no cell in common: {', '.join(then.cells)} in the base, "
        f"{', '.join(now.cells)} in the candidate{did_you_mean(first, then.cells)}; expected the same data "
        "sets, models and templates (one model or one template on each side may differ in name)"
    )


def _said_matching(ignored: Sequence[str], then: Baseline, now: Baseline) -> Notice:
    def names(side: Baseline, what: str) -> str:
        cell = next(iter(side.cells.values())).outcomes
        return cell.model.id if what == "model" else cell.template

    pairs = ", ".join(f"{what} {names(then, what)} with {names(now, what)}" for what in ignored)
    return Notice("matched-by-name", f"{then.source} and {now.source}: {pairs} is compared.")
