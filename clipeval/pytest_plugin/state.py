"""What one pytest process keeps between items."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from clipeval import api

if TYPE_CHECKING:
    from clipeval.api import EvaluationSession, FinishedRun, SuiteOutcome


@dataclass(slots=True)
class PluginState:
    """Sessions and results of this process; nothing of it needs torch until a cell is evaluated."""

    session: EvaluationSession | None = None
    suite_paths: dict[str, Path] = field(default_factory=dict)
    """Which file a suite's name was read from."""
    suite_ids: dict[str, str] = field(default_factory=dict)
    """Node id of a suite's file, by the suite's name; on an xdist controller too, which collects nothing."""
    from_workers: list[SuiteOutcome] = field(default_factory=list)
    finished: tuple[FinishedRun, ...] = ()
    problems: list[str] = field(default_factory=list)
    """Why the session fails although each of its tests may have passed."""
    notes: list[str] = field(default_factory=list)
    """What else the summary has to say."""


STATE: pytest.StashKey[PluginState] = pytest.StashKey()


def session_of(config: pytest.Config) -> EvaluationSession:
    """Return the process's evaluation session, opened on first use."""
    state = config.stash[STATE]
    if state.session is None:
        state.session = api.EvaluationSession(
            use_cache=not config.getoption("--clipeval-no-cache"),
            download=config.getoption("--clipeval-download"),
            argv=_command(config),
        )
    return state.session


def out_folder(config: pytest.Config) -> Path | None:
    """Return the folder that --clipeval-out names."""
    out = config.getoption("--clipeval-out")
    return Path(out) if out else None


def overrides_of(config: pytest.Config) -> api.Overrides:
    """Return what the options change about every suite."""
    baseline = config.getoption("--clipeval-baseline")
    return api.Overrides(
        baseline=Path(baseline) if baseline else None,
        margin=config.getoption("--clipeval-margin"),
        holdout=config.getoption("--clipeval-holdout"),
        option_prefix="--clipeval-",
    )


def is_worker(config: pytest.Config) -> bool:
    """Tell whether this is an xdist worker, whose controller writes the run folders."""
    return hasattr(config, "workerinput")


def _command(config: pytest.Config) -> tuple[str, ...]:
    """Return the command as it was typed; a worker has its controller's."""
    if is_worker(config):
        _, *arguments = config.workerinput["mainargv"]  # type: ignore[attr-defined]
    else:
        arguments = [str(one) for one in config.invocation_params.args]
    return ("pytest", *arguments)
