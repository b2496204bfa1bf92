"""The hooks: options, collection, order, run folders, summary."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from clipeval import api
from clipeval.errors import ClipEvalError
from clipeval.pytest_plugin.junit import add_comparisons
from clipeval.pytest_plugin.lost_cells import report_lost_cells
from clipeval.pytest_plugin.outcome import INCONCLUSIVE, problems_of, summary_lines
from clipeval.pytest_plugin.state import (
    STATE,
    PluginState,
    is_worker,
    out_folder,
    overrides_of,
    session_of,
)
from clipeval.pytest_plugin.suite_items import CellItem, LatencyItem, SuiteFile, is_suite
from clipeval.wording import count

if TYPE_CHECKING:
    from clipeval.records import Baseline, SuiteSpec

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
        config.pluginmanager.register(_FromWorkers(config.rootpath), "clipeval-from-workers")


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
    # Timing comes last of all: as each suite ran its cells, and with nothing else in memory.
    items.sort(key=lambda item: isinstance(item, LatencyItem))


def _loading_key(item: pytest.Item) -> object:
    assert isinstance(item, CellItem)
    return (
        replace(item.cell.model, where=""),
        item.cell.device,
        item.cell.precision,
        item.cell.backend,
    )


def pytest_collection_finish(session: pytest.Session) -> None:
    """Tell the evaluation session what is going to run, now that -k and -m have chosen.

    An xdist worker leaves the run folders to its controller.

    Raises:
        UsageError: suites clash, a run folder cannot be written, or what was asked for cannot be done.
    """
    config = session.config
    chosen = [item for item in session.items if isinstance(item, CellItem)]
    if config.option.collectonly or not (chosen or _timed(session)):
        return
    cells = [(item.suite, item.cell) for item in chosen]
    suites = {suite.name: suite for suite in [*(s for s, _ in cells), *_timed(session)]}
    with _usage_errors():
        # First of all: the session imports torch, which takes longer than to find a baseline broken.
        baselines = _opened_baselines(config, suites.values())
        if not is_worker(config):  # whose controller has asked before giving out cells
            api.check_holdouts(cells)
        evaluation = session_of(config)
        evaluation.plan(cells, baselines=baselines)
        timed = {suite.name for suite in _timed(session)}
        for suite in suites.values():
            if suite.name not in timed:
                evaluation.leave_out_latency(suite, "the item `latency` was not chosen")
    if not is_worker(config):
        _check_folders(config, [outcome.suite for outcome in evaluation.outcomes])


def _timed(session: pytest.Session) -> list[SuiteSpec]:
    """Return the suites whose latency is going to be measured."""
    return [item.suite for item in session.items if isinstance(item, LatencyItem)]


@contextmanager
def _usage_errors() -> Iterator[None]:
    """Let pytest end with one message and exit code 4 where it cannot begin."""
    try:
        yield
    except ClipEvalError as error:
        raise pytest.UsageError(str(error)) from error


def _check_folders(config: pytest.Config, suites: Sequence[str]) -> None:
    with _usage_errors():
        api.check_folders(suites, out_folder(config), base=config.invocation_params.dir)


def _opened_baselines(
    config: pytest.Config, suites: Collection[SuiteSpec]
) -> Mapping[str, Baseline]:
    folders = api.run_folders([suite.name for suite in suites], out_folder(config))
    return api.open_baselines(suites, [config.invocation_params.dir / one for one in folders])


@pytest.hookimpl(wrapper=True)
def pytest_sessionfinish(session: pytest.Session) -> Iterator[None]:
    """Write run folders before other plugins finish, among them junit, and add to its file after them."""
    _finish(session)
    yield
    config = session.config
    state = config.stash[STATE]
    junit = config.getoption("xmlpath", None)
    if junit and state.finished:
        # As pytest reads it; tests may have changed the current folder.
        name = Path(os.path.expandvars(junit)).expanduser()
        problem = add_comparisons(config.invocation_params.dir / name, state.finished)
        state.notes += [f"note junit: {problem}"] if problem else []


def _finish(session: pytest.Session) -> None:
    """Write run folders and report lost cells; an xdist worker leaves that to its controller."""
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
    has_lost_cells = report_lost_cells(config, state.finished, state.suite_ids)
    for run in state.finished:
        if (notice := api.add_to_step_summary(run.record)) is not None:
            state.notes.append(f"note {notice.code}: {notice.message}")
    if (state.problems or has_lost_cells) and session.exitstatus == pytest.ExitCode.OK:
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

    def __init__(self, rootpath: Path) -> None:
        self._rootpath = rootpath
        self._is_checked = False
        self._n_uncollected = 0
        """Suite files that could not be collected."""
        self._baselines: Mapping[str, Baseline] = {}

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        """Count suite files that workers could not collect; xdist hands on each error once."""
        is_own = is_suite(self._rootpath / report.nodeid, is_named=True)
        self._n_uncollected += report.failed and is_own

    @pytest.hookimpl(optionalhook=True)
    def pytest_xdist_node_collection_finished(self, node: Any, ids: Sequence[str]) -> None:  # noqa: ANN401 (xdist is not typed)
        """Check the suites that were collected, before any cell is given out.

        Raises:
            UsageError: as pytest_collection_finish.
            Interrupted: a suite cannot be collected; a run without workers ends here too, with exit code 2.
        """
        if self._is_checked:
            return
        self._is_checked = True
        if self._n_uncollected and not node.config.option.continue_on_collection_errors:
            errors = count(self._n_uncollected, "error")
            raise pytest.Session.Interrupted(f"{errors} during collection")
        names: dict[Path, set[str]] = {}
        for id_ in ids:
            file, _, name = id_.partition("::")
            # `--dist loadgroup` puts `@GROUP` behind the name.
            names.setdefault(node.config.rootpath / file, set()).add(name.rpartition("]")[0] + "]")
        files = [file for file in names if is_suite(file)]
        if not files:
            return
        with _usage_errors():
            suites = api.load_suites(files, overrides=overrides_of(node.config))
            for suite, path in zip(suites, files, strict=True):
                suite_id = os.path.relpath(path, node.config.rootpath).replace(os.sep, "/")
                node.config.stash[STATE].suite_ids[suite.name] = suite_id
            _check_folders(node.config, [suite.name for suite in suites])
            self._baselines = _opened_baselines(node.config, suites)
            api.check_holdouts(
                (suite, cell)
                for suite, file in zip(suites, files, strict=True)
                for cell in api.build_plan(suite).cells
                if cell.item_name in names[file]
            )

    @pytest.hookimpl(optionalhook=True)
    def pytest_testnodedown(self, node: Any) -> None:  # noqa: ANN401 (xdist is not typed)
        state = node.config.stash[STATE]
        for exported in getattr(node, "workeroutput", {}).get(RUNS, []):
            try:
                state.from_workers.append(api.import_outcome(exported, baselines=self._baselines))
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
