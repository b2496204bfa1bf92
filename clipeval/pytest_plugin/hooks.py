"""The hooks: options, collection, order, run folders, summary."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from clipeval import api
from clipeval.errors import ClipEvalError
from clipeval.pytest_plugin.outcome import summary_lines
from clipeval.pytest_plugin.state import STATE, PluginState, is_worker, out_folder, session_of
from clipeval.pytest_plugin.suite_items import CellItem, SuiteFile, is_suite

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
        "--clipeval-download", action="store_true", help="fetch data sets that are not there"
    )


def pytest_configure(config: pytest.Config) -> None:
    """Register the marks, so that --strict-markers accepts them."""
    config.stash[STATE] = PluginState()
    for marker in MARKERS:
        config.addinivalue_line("markers", marker)
    if config.pluginmanager.hasplugin("xdist") and not is_worker(config):
        config.pluginmanager.register(_FromWorkers(), "clipeval-from-workers")


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

    Raises:
        UsageError: a run folder cannot be written.
    """
    config = session.config
    chosen = [item for item in session.items if isinstance(item, CellItem)]
    if not chosen or config.option.collectonly:
        return
    evaluation = session_of(config)
    try:
        evaluation.plan((item.suite, item.cell) for item in chosen)
        if not is_worker(config):
            api.check_folders(
                evaluation.outcomes, out_folder(config), base=config.invocation_params.dir
            )
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
    state.problems += [run.problem for run in state.finished if run.problem]
    if state.problems and session.exitstatus == pytest.ExitCode.OK:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


class _FromWorkers:
    """On the controller: takes over what workers found out."""

    @pytest.hookimpl(optionalhook=True)
    def pytest_testnodedown(self, node: Any) -> None:  # noqa: ANN401 (xdist is not typed)
        state = node.config.stash[STATE]
        for exported in getattr(node, "workeroutput", {}).get(RUNS, []):
            try:
                state.from_workers.append(api.import_outcome(exported))
            except ClipEvalError as error:
                state.problems.append(f"results of worker {node.gateway.id} are lost: {error}")


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
    for problem in state.problems:
        terminalreporter.write_line(f"error: {problem}", red=True)
