"""Two runs, cell by cell."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from clipeval.records.comparisons import Comparison
from clipeval.records.results import GateResult, Predictions, Thumbnail
from clipeval.records.samples import Notice
from clipeval.records.verdicts import Verdict


@dataclass(frozen=True, slots=True, kw_only=True)
class RunSide:
    """One of the two runs."""

    source: str
    suite: str
    created: str
    """When the run began, or the baseline was accepted: UTC, ISO 8601."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunComparison:
    """Two runs, cell by cell."""

    base: RunSide
    candidate: RunSide
    margin: float
    verdict: Verdict
    comparisons: tuple[Comparison, ...]
    gates: tuple[GateResult, ...]
    """Whether top-1 dropped by no more than the margin, aligned with comparisons."""
    only_in_base: tuple[str, ...]
    """Cells that the candidate does not have; they make the verdict `error`."""
    only_in_candidate: tuple[str, ...]
    environment_changes: tuple[str, ...]
    notices: tuple[Notice, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class RunImages:
    """What a run folder has of single images; nothing of it where the run is a baseline file."""

    class_names: Mapping[str, tuple[str, ...]]
    """Of each cell, by its id: what the indices of its predictions mean."""
    predictions: Mapping[str, Predictions]
    """By cell id."""
    thumbnails: tuple[Thumbnail, ...]
