"""The hooks: options, collection, order, run folders, summary."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from clipeval import api
from clipeval.pytest_plugin.outcome import summary_lines
from clipeval.pytest_plugin.state import STATE, PluginState, is_worker, out_folder, session_of
from clipeval.pytest_plugin.suite_items import CellItem, SuiteFile, is_suite

RUNS = "clipeval_runs"


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
    config.addinivalue_line("markers", "clipeval: a cell of an evaluation suite.")
    config.addinivalue_line(
        "markers", "clip(model=..., dataset=...): what clip_model, clip_dataset and zero_shot use."
    )
    # xdist registers its mark too; without xdist the items carry it all the same.
    config.addinivalue_line("markers", "xdist_group(name): run together under --dist loadgroup.")
    if config.pluginmanager.hasplugin("xdist") and not is_worker(config):
        config.pluginmanager.register(_FromWorkers(), "clipeval-from-workers")


def pytest_collect_file(file_path: Path, parent: pytest.Collector) -> SuiteFile | None:
    """Collect YAML files that are suites."""
    if is_suite(file_path):
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
    return item.cell.model, item.cell.device, item.cell.precision


def pytest_collection_finish(session: pytest.Session) -> None:
    """Tell the evaluation session what is going to run, now that -k and -m have chosen."""
    chosen = [item for item in session.items if isinstance(item, CellItem)]
    if chosen and not session.config.option.collectonly:
        session_of(session.config).plan((item.suite, item.cell) for item in chosen)


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Write run folders; an xdist worker leaves that to its controller."""
    config = session.config
    state = config.stash[STATE]
    own = state.session.outcomes if state.session else ()
    if is_worker(config):
        worker = config.workerinput["workerid"]  # type: ignore[attr-defined]
        config.workeroutput[RUNS] = api.export_outcomes(own, name=worker)  # type: ignore[attr-defined]
    elif own or state.from_workers:
        outcomes = api.merge_outcomes([*own, *state.from_workers])
        state.finished = api.finish_outcomes(outcomes, out_folder(config))


class _FromWorkers:
    """On the controller: takes over what workers found out."""

    @pytest.hookimpl(optionalhook=True)
    def pytest_testnodedown(self, node: Any) -> None:  # noqa: ANN401 (xdist is not typed)
        exported = getattr(node, "workeroutput", {}).get(RUNS, [])
        state = node.config.stash[STATE]
        state.from_workers += [api.import_outcome(one) for one in exported]


def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, config: pytest.Config
) -> None:
    """Say what was measured and where the run folders are."""
    finished = config.stash[STATE].finished
    if not finished:
        return
    terminalreporter.section("clipeval")
    for run in finished:
        for line in summary_lines(run.record, run.folder):
            terminalreporter.write_line(line)
