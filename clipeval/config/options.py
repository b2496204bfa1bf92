"""What the command line may change about a suite."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from clipeval.records import BackendChoice, Decode, Precision


@dataclass(frozen=True, slots=True, kw_only=True)
class Overrides:
    """Command-line values; an empty axis leaves the suite's own."""

    models: tuple[str, ...] = ()
    datasets: tuple[str, ...] = ()
    templates: tuple[str, ...] = ()
    devices: tuple[str, ...] = ()
    precisions: tuple[Precision, ...] = ()
    backend: BackendChoice | None = None
    decode: Decode | None = None
    limit: int | None = None
    batch_size: int | None = None
    margin: float | None = None
    """Takes the place of every max_drop but those of single classes; in [0, 1)."""
    baseline: Path | None = None
    """Baseline file or run folder to compare with."""
    holdout: float | None = None
    """Share of the images on which the best template is confirmed; between 0 and 1."""
    has_latency: bool = True
    """Whether what the suite wants timed is."""
    option_prefix: str = "--"
    """What options begin with, for messages: `--`, or `--clipeval-` under pytest."""

    def option(self, name: str) -> str:
        """Return the option called `name` as the user types it."""
        return f"{self.option_prefix}{name}"

    @property
    def changes_cells(self) -> bool:
        """Whether the cells or their images are others than those of the suite's file."""
        axes = (self.models, self.datasets, self.templates, self.devices, self.precisions)
        return any(axes) or self.limit is not None or bool(self.backend or self.decode)
