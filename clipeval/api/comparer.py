"""What a suite's cells are compared with, and each pair of them compared once."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from clipeval.api.baselines import open_baseline
from clipeval.comparison import compare, find_counterpart
from clipeval.config import compares_with_baseline
from clipeval.plan import Plan
from clipeval.records import Baseline, CellOutcomes, Comparison, SuiteSpec
from clipeval.records.comparisons import ComparisonKind

MAX_FLIPS = 100
"""Newly right and newly wrong images that run.json lists for each comparison; all are in the table."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ComparisonRequest:
    """What a suite wants its cells to be compared with; plain values, so that processes can hand it on."""

    reference_templates: Mapping[str, str] = field(default_factory=dict)
    """Data-set key -> template id."""
    reference_model: str | None = None
    baseline: str | None = None
    """Path, as it is shown."""
    folder: str = ""
    """That it is relative to, whatever the current folder is by the time it is read again."""
    has_baseline_gates: bool = False
    """Cells that the baseline has and the suite does not are a failure then."""
    any_model: bool = False
    """The baseline's model may have another name."""
    suite_cells: tuple[str, ...] | None = None
    """Ids of all cells that the suite has; None if the command line replaced them."""
    holdout: float | None = None

    @classmethod
    def of(cls, plan: Plan, baseline: Baseline | None) -> ComparisonRequest:
        """Read it off a suite and the baseline that it has."""
        suite = plan.suite
        return cls(
            reference_templates=dict(suite.reference_templates),
            reference_model=suite.reference_model,
            baseline=baseline.source if baseline else None,
            folder=str(Path.cwd()),
            has_baseline_gates=compares_with_baseline(suite.gates),
            any_model=allows_other_model(suite),
            suite_cells=tuple(cell.id for cell in plan.cells) if suite.is_whole else None,
            holdout=suite.holdout,
        )


def allows_other_model(suite: SuiteSpec) -> bool:
    """Say whether a baseline of a model with another name will do: the command line named one model."""
    return not suite.is_whole and len(suite.models) == 1


@dataclass(slots=True)
class Comparer:
    """Compares the cells of one suite, each pair once: for gates, and at the end for the record."""

    request: ComparisonRequest = field(default_factory=ComparisonRequest)
    baseline: Baseline | None = None
    """The one of the request; None if there is none, or another process opened it."""
    _compared: dict[tuple[ComparisonKind, str, str], Comparison] = field(default_factory=dict)
    """By kind, base cell and candidate cell."""

    def compare(
        self, base: CellOutcomes, candidate: CellOutcomes, *, kind: ComparisonKind
    ) -> Comparison:
        """Compare two cells, or return what comparing them has come to; at most MAX_FLIPS are listed.

        Raises:
            ComparisonError, ScoringError: as clipeval.comparison.compare.
        """
        key = (kind, base.cell, candidate.cell)
        if key not in self._compared:
            self._compared[key] = listing_at_most(compare(base, candidate, kind=kind), MAX_FLIPS)
        return self._compared[key]

    def open_baseline(self) -> None:
        """Read the baseline that another process has opened.

        Raises:
            StoreError: it is gone or broken by now.
        """
        if self.baseline is None and self.request.baseline is not None:
            path = Path(self.request.folder, self.request.baseline)
            self.baseline = replace(open_baseline(path), source=self.request.baseline)

    def baseline_cells(self) -> list[CellOutcomes]:
        """Return the cells of the baseline; none if there is no baseline."""
        return [one.outcomes for one in self.baseline.cells.values()] if self.baseline else []

    def is_in_suite(self, cell: str) -> bool:
        """Say whether the suite still has a cell of the baseline, run or not; unknown counts as yes."""
        return self.request.suite_cells is None or cell in self.request.suite_cells

    def in_baseline(self, cell: CellOutcomes) -> CellOutcomes | None:
        """Return what a cell was in the baseline."""
        return find_counterpart(self.baseline_cells(), cell, any_model=self.request.any_model)


def listing_at_most(comparison: Comparison, n_flips: int) -> Comparison:
    """Return a comparison that names fewer images; its counts stay those of all."""
    return replace(
        comparison,
        newly_right=comparison.newly_right[:n_flips],
        newly_wrong=comparison.newly_wrong[:n_flips],
    )
