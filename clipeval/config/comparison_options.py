"""What the command line says about comparisons: the baseline, the margin, the share held out."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from clipeval.config.gate_models import percent_hint, tolerance_problem
from clipeval.config.options import Overrides
from clipeval.config.paths import resolve_path
from clipeval.errors import ConfigError
from clipeval.records import GateSpec, Notice, SuiteSpec

DEFAULT_MARGIN = 0.01
"""Drop of top-1 that is tolerated where a baseline is named and nothing says how much."""


def with_comparison_options(suite: SuiteSpec, overrides: Overrides, *, base: Path) -> SuiteSpec:
    """Return the suite with the baseline, the margin and the holdout of the command line.

    A margin takes the place of every max_drop but those of single classes. A baseline that is named is
    compared with: where no gate does so, one on top1 is added.

    Args:
        suite: as it is without them.
        overrides: command-line values.
        base: folder that a relative baseline is relative to.
    Raises:
        ConfigError: a margin or a holdout that is no fraction, or an unusable path.
    """
    margin = _margin(overrides)
    suite = replace(
        suite,
        baseline=_baseline(overrides, base) or suite.baseline,
        holdout=_holdout(overrides) or suite.holdout,
    )
    if margin is not None:
        return replace(suite, gates=_with_margin(suite, margin, overrides.option("margin")))
    if suite.baseline is None or compares_with_baseline(suite.gates):
        return suite
    added = _drop_gate(DEFAULT_MARGIN, where=overrides.option("baseline"))
    notice = Notice(
        "default-margin",
        f"{added.where}: no gate of suite '{suite.name}' compares with the baseline, so top1 may "
        f"drop by at most {DEFAULT_MARGIN:g}; set another margin with {overrides.option('margin')}, "
        "or in the suite: gates: {top1: {max_drop: 0.02}}",
    )
    return replace(suite, gates=(*suite.gates, added), notices=(*suite.notices, notice))


def compares_with_baseline(gates: tuple[GateSpec, ...]) -> bool:
    """Say whether any gate is decided against the baseline."""
    return any(
        gate.against == "baseline"
        and (gate.max_drop is not None or gate.max_negative_flip_rate is not None)
        for gate in gates
    )


def _with_margin(suite: SuiteSpec, margin: float, option: str) -> tuple[GateSpec, ...]:
    has_drop = any(_is_drop_of_cell(gate) for gate in suite.gates)
    gates = tuple(
        replace(gate, max_drop=margin) if _is_drop_of_cell(gate) else gate for gate in suite.gates
    )
    # Drops against the reference alone would leave a baseline that was named without a gate.
    is_idle = suite.baseline is not None and not compares_with_baseline(suite.gates)
    if has_drop and not is_idle:
        return gates
    return (*gates, _drop_gate(margin, where=option))


def _is_drop_of_cell(gate: GateSpec) -> bool:
    """Single classes keep their margin: they have fewer images, and need a wider one."""
    return gate.max_drop is not None and not gate.classes


def _drop_gate(margin: float, *, where: str) -> GateSpec:
    return GateSpec(metric="top1", max_drop=margin, against="baseline", where=where)


def _margin(overrides: Overrides) -> float | None:
    margin = overrides.margin
    if margin is not None and (found := tolerance_problem(margin)):
        raise ConfigError(f"{overrides.option('margin')}: {found}")
    return margin


def _holdout(overrides: Overrides) -> float | None:
    holdout = overrides.holdout
    if holdout is not None and not 0 < holdout < 1:
        hint = percent_hint(holdout) if 1 < holdout < 100 else ""  # noqa: PLR2004 (percent)
        raise ConfigError(
            f"{overrides.option('holdout')}: got the number {holdout:g}; "
            f"expected a fraction between 0 and 1{hint}"
        )
    return holdout


def _baseline(overrides: Overrides, base: Path) -> Path | None:
    if overrides.baseline is None:
        return None
    try:
        return resolve_path(str(overrides.baseline), base=base)
    except ConfigError as error:
        raise ConfigError(f"{overrides.option('baseline')}: {error}") from error
