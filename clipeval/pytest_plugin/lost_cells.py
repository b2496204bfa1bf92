"""Cells that the baseline has and the suite lost, as failed tests: there is no item that could fail."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Literal

import pytest

from clipeval.plan import item_name_of
from clipeval.pytest_plugin.outcome import one_line, place_properties

if TYPE_CHECKING:
    from clipeval.api import FinishedRun

NOT_TOLD = ("terminalreporter", "lfplugin", "stepwiseplugin")
"""The terminal would print progress after the end; the others would look for the test next time."""


def report_lost_cells(
    config: pytest.Config, runs: Sequence[FinishedRun], suite_ids: Mapping[str, str]
) -> bool:
    """Report each lost cell as a failed test, to junit and whatever else listens.

    Args:
        config: of a process that reports; no xdist worker.
        runs: with their verdicts.
        suite_ids: node ids of suite files, by the suite's name.
    Returns:
        Whether there was one.
    """
    plugins = config.pluginmanager
    left_out = [one for name in NOT_TOLD if (one := plugins.get_plugin(name)) is not None]
    tell = plugins.subset_hook_caller("pytest_runtest_logreport", remove_plugins=left_out)
    terminal = plugins.get_plugin("terminalreporter")
    found = [
        report
        for run in runs
        for cell, why in _lost_cells(run)
        for report in _reports(run.record.suite, cell, why, suite_ids)
    ]
    for report in found:
        tell(report=report)
        if terminal is not None and report.failed:
            terminal.stats.setdefault("failed", []).append(report)
    return bool(found)


def _lost_cells(run: FinishedRun) -> Iterator[tuple[str, str]]:
    """Yield the cells that a run fails for, and why."""
    use = run.record.baseline
    if use is None or not use.is_gated:
        return
    suite = f"suite '{run.record.suite}'"
    for cell in use.missing_cells:
        why = (
            f"{suite}: the baseline {use.source} has the cell '{cell}', and the suite no longer does; "
            "put it back, or accept a run without it: clipeval baseline accept RUN"
        )
        yield cell, why
    for then, now in use.renamed_cells:
        why = (
            f"{suite}: '{now}' is called '{then}' in the baseline {use.source}; "
            "rename it back, or accept a run: clipeval baseline accept RUN"
        )
        yield then, why


def _reports(
    suite: str, cell: str, why: str, suite_ids: Mapping[str, str]
) -> Iterator[pytest.TestReport]:
    """Yield the reports that a test makes which fails; junit closes a case with the last one."""
    file, name = suite_ids.get(suite, suite), one_line(item_name_of(cell))

    def report(
        when: Literal["call", "teardown"], outcome: Literal["failed", "passed"], text: str | None
    ) -> pytest.TestReport:
        return pytest.TestReport(
            nodeid=f"{file}::{name}",
            location=(file, None, name),
            keywords={},
            outcome=outcome,
            longrepr=text,
            when=when,
            user_properties=place_properties(suite, cell),
        )

    yield report("call", "failed", one_line(why))
    yield report("teardown", "passed", None)
