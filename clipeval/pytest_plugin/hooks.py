"""The hooks: options, collection, order, run folders, summary."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from clipeval import api
from clipeval.errors import ClipEvalError
from clipeval.pytest_plugin.outcome import INCONCLUSIVE, problems_of, summary_lines
from clipeval.pytest_plugin.state import (
    STATE,
    PluginState,
    is_worker,
    out_folder,
    overrides_of,
    session_of,
)
from clipeval.pytest_plugin.suite_items import CellItem, SuiteFile, is_suite

if TYPE_CHECKING:
    from clipeval.records import SuiteSpec

RUNS = "clipeval_runs"
MARKERS = (
    "clipeval: a cell of an evaluation suite.",
    "clip(model=..., dataset=..., suite=...): what zero_shot evaluates, and for which run folder.",
)


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the options of clipeval."""
    group = parser.getgroup("clipeval", "evaluation suites for CLIP models")
    group.addoption(
        "--clipeval-out",
        metavar="DIR",
        help="run folder; with several suites, DIR/SUITE. Default: reports/SUITE",
    )
    group.addoption(
        "--clipeval-no-cache",
        action="store_true",
        help="neither read nor write cached embeddings",
    )
    group.addoption(
        "--clipeval-baseline",
        metavar="PATH",
        help="baseline file, folder of baselines, or run folder to compare with; "
        "default: baselines/SUITE.json if it is there",
    )
    group.addoption(
        "--clipeval-margin",
        metavar="M",
        type=float,
        help="tolerated drop instead of the suites' max_drop: 0.01 is one point",
    )
    group.addoption(
        "--clipeval-holdout",
        metavar="FRACTION",
        type=float,
        help="rank templates without this share of the images, and confirm the best on it",
    )
    group.addoption(
        "--clipeval-download", action="store_true", help="fetch data sets that are not there"
    )


def pytest_configure(config: pytest.Config) -> None:
    """Register the marks, so that --strict-markers accepts them."""
    config.stash[STATE] = PluginState()
    for marker in MARKERS:
        config.addinivalue_line("markers", marker)
    if config.pluginmanager.hasplugin("xdist") and not is_worker(config):
        config.pluginmanager.register(_FromWorkers(), "clipeval-from-workers")


def pytest_sessionstart(session: pytest.Session) -> None:
    """Refuse an impossible --clipeval-out before xdist starts its workers.

    Raises:
        UsageError: it cannot hold run folders.
    """
    if out_folder(session.config) is not None and not is_worker(session.config):
        _check_folders(session.config, [])


def pytest_collect_file(file_path: Path, parent: pytest.Collector) -> SuiteFile | None:
    """Collect YAML files that are suites."""
    if is_suite(file_path, is_named=parent.session.isinitpath(file_path)):
        suite_file: SuiteFile = SuiteFile.from_parent(parent, path=file_path)
        return suite_file
    return None


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Bring cells of one model together, so that it is loaded once; other items stay in place."""
    places = [i for i, item in enumerate(items) if isinstance(item, CellItem)]
    cells = [items[i] for i in places]
    first_seen: dict[object, int] = {}
    for item in cells:
        first_seen.setdefault(_loading_key(item), len(first_seen))
    cells.sort(key=lambda item: first_seen[_loading_key(item)])
    for place, item in zip(places, cells, strict=True):
        items[place] = item


def _loading_key(item: pytest.Item) -> object:
    assert isinstance(item, CellItem)
    return replace(item.cell.model, where=""), item.cell.device, item.cell.precision


def pytest_collection_finish(session: pytest.Session) -> None:
    """Tell the evaluation session what is going to run, now that -k and -m have chosen.

    An xdist worker leaves the run folders to its controller.

    Raises:
        UsageError: suites clash, or a run folder cannot be written.
    """
    config = session.config
    chosen = [item for item in session.items if isinstance(item, CellItem)]
    if not chosen or config.option.collectonly:
        return
    # First of all: the session imports torch, which takes longer than to find a baseline broken.
    _check_baselines(config, tuple({item.suite.name: item.suite for item in chosen}.values()))
    evaluation = session_of(config)
    try:
        evaluation.plan((item.suite, item.cell) for item in chosen)
    except ClipEvalError as error:
        raise pytest.UsageError(str(error)) from error
    if not is_worker(config):
        _check_folders(config, [outcome.suite for outcome in evaluation.outcomes])


def _check_folders(config: pytest.Config, suites: Sequence[str]) -> None:
    try:
        api.check_folders(suites, out_folder(config), base=config.invocation_params.dir)
    except ClipEvalError as error:
        raise pytest.UsageError(str(error)) from error


def _check_baselines(config: pytest.Config, suites: Sequence[SuiteSpec]) -> None:
    folders = api.run_folders([suite.name for suite in suites], out_folder(config))
    try:
        api.check_baselines(suites, [config.invocation_params.dir / one for one in folders])
    except ClipEvalError as error:
        raise pytest.UsageError(str(error)) from error


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Write run folders; an xdist worker leaves that to its controller."""
    config = session.config
    state = config.stash[STATE]
    own = state.session.outcomes if state.session else ()
    if is_worker(config):
        config.workeroutput[RUNS] = api.export_outcomes(own)  # type: ignore[attr-defined]
        return
    if not own and not state.from_workers:
        return
    state.finished = api.finish_outcomes(
        api.merge_outcomes([*own, *state.from_workers]),
        out_folder(config),
        base=config.invocation_params.dir,
    )
    state.problems += [problem for run in state.finished for problem in problems_of(run)]
    for run in state.finished:
        if (notice := api.add_to_step_summary(run.record)) is not None:
            state.notes.append(f"note {notice.code}: {notice.message}")
    if state.problems and session.exitstatus == pytest.ExitCode.OK:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_report_teststatus(
    report: pytest.CollectReport | pytest.TestReport,
) -> tuple[str, str, tuple[str, dict[str, bool]]] | None:
    """Show a cell whose gates the images cannot decide as inconclusive: passed, but not shown to be fine."""
    if not isinstance(report, pytest.TestReport) or report.when != "call" or not report.passed:
        return None
    # What other plugins keep there may have any shape, and a list where xdist sent it.
    if not any(isinstance(p, tuple | list) and INCONCLUSIVE in p for p in report.user_properties):
        return None
    return "inconclusive", "?", ("INCONCLUSIVE", {"yellow": True})


class _FromWorkers:
    """On the controller, which collects nothing itself: what workers will do, and what they found."""

    def __init__(self) -> None:
        self._is_checked = False

    @pytest.hookimpl(optionalhook=True)
    def pytest_xdist_node_collection_finished(self, node: Any, ids: Sequence[str]) -> None:  # noqa: ANN401 (xdist is not typed)
        """Check the run folders of the suites that were collected, before any cell is given out."""
        if self._is_checked:
            return
        self._is_checked = True
        collected = dict.fromkeys(node.config.rootpath / id_.partition("::")[0] for id_ in ids)
        files = [file for file in collected if is_suite(file)]
        if not files:
            return
        try:
            suites = api.load_suites(files, overrides=overrides_of(node.config))
        except ClipEvalError as error:
            raise pytest.UsageError(str(error)) from error
        _check_folders(node.config, [suite.name for suite in suites])
        _check_baselines(node.config, suites)

    @pytest.hookimpl(optionalhook=True)
    def pytest_testnodedown(self, node: Any) -> None:  # noqa: ANN401 (xdist is not typed)
        state = node.config.stash[STATE]
        for exported in getattr(node, "workeroutput", {}).get(RUNS, []):
            try:
                state.from_workers.append(api.import_outcome(exported))
            except ClipEvalError as error:
                state.problems.append(
                    f"results of worker {node.gateway.id} are missing: {error}; "
                    f"what can be read of them is in {exported['folder']}"
                )


def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, config: pytest.Config
) -> None:
    """Say what was measured and where the run folders are."""
    state = config.stash[STATE]
    if not state.finished and not state.problems:
        return
    terminalreporter.section("clipeval")
    for run in state.finished:
        for line in summary_lines(run, base=config.invocation_params.dir):
            terminalreporter.write_line(line)
    for note in state.notes:
        terminalreporter.write_line(note)
    for problem in state.problems:
        terminalreporter.write_line(f"error: {problem}", red=True)
