"""What the runs of a folder say over time."""

from __future__ import annotations

from dataclasses import dataclass

from clipeval.records.latency_gates import LatencySetting
from clipeval.records.samples import Notice
from clipeval.records.specs import StageName
from clipeval.records.verdicts import Verdict


@dataclass(frozen=True, slots=True, kw_only=True)
class PastCell:
    """One cell in one run."""

    cell: str
    dataset: str
    top1: float
    low: float | None
    high: float | None
    """95% interval of top-1."""
    n_images: int
    samples_sha256: str
    """Of the images and labels: accuracies on others are not compared."""
    is_regression: bool
    """Worse than the accepted baseline, or a gate on it failed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PastTiming:
    """One stage of one model in one run."""

    stage: StageName
    setting: LatencySetting
    median_s: float
    low_s: float | None
    high_s: float | None
    """95% interval of the median."""
    fingerprint: str
    """Of the machine: timings of different ones are not compared."""
    is_regression: bool
    """A limit on it failed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PastRun:
    """One run folder."""

    folder: str
    """Relative to where the history was gathered."""
    has_report: bool
    created: str
    """UTC, ISO 8601."""
    verdict: Verdict
    is_partial: bool
    git_commit: str | None
    accepted: str | None
    """When the baseline that it was compared with was accepted; None without one."""
    cells: tuple[PastCell, ...]
    timings: tuple[PastTiming, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class SuiteHistory:
    """The runs of one suite, oldest first."""

    suite: str
    runs: tuple[PastRun, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class History:
    """All runs below a folder."""

    suites: tuple[SuiteHistory, ...]
    notices: tuple[Notice, ...] = ()
    """Runs that could not be read."""
