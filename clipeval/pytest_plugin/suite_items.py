"""Suite files as collectors, cells as items."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from clipeval import api
from clipeval.errors import ClipEvalError
from clipeval.pytest_plugin.latency import UNDER_XDIST
from clipeval.pytest_plugin.outcome import (
    GateFailure,
    check_gates,
    check_latency,
    gate_properties,
    latency_properties,
    metric_properties,
)
from clipeval.pytest_plugin.state import STATE, is_worker, overrides_of, session_of

if TYPE_CHECKING:
    from clipeval.plan import Cell
    from clipeval.records import SuiteSpec

_KEY = rb"""^(?:\xef\xbb\xbf)?(?:\{\s*)?["']?(?:%s)["']?[ \t]*:"""
_SUITE_KEY = re.compile(_KEY % b"suite", re.MULTILINE)
_OTHER_KEYS = re.compile(_KEY % b"datasets|models", re.MULTILINE)
_SNIFFED_BYTES = 65_536


def is_suite(path: Path, *, is_named: bool = False) -> bool:
    """Tell a suite from any other YAML file, without parsing it.

    It has the top-level key `suite` and one of `datasets` and `models`: a test of another tool
    (helm-unittest) begins with `suite:` too. What cannot be read is no suite.

    Args:
        path: any file.
        is_named: it is an argument of pytest; then `suite` alone will do.
    """
    if path.suffix not in {".yaml", ".yml"}:
        return False
    try:
        with path.open("rb") as file:
            text = file.read(_SNIFFED_BYTES)
    except OSError:
        return False
    return bool(_SUITE_KEY.search(text)) and (is_named or bool(_OTHER_KEYS.search(text)))


class SuiteFile(pytest.File):
    """One suite file."""

    def collect(self) -> Iterable[pytest.Item]:
        """Yield one item a cell, and one for what is timed after them.

        Raises:
            CollectError: the suite is wrong; its text is the whole message.
        """
        try:
            (suite,) = api.load_suites([self.path], overrides=overrides_of(self.config))
            plan = api.build_plan(suite)
        except ClipEvalError as error:
            raise self.CollectError(str(error)) from error
        other = self.config.stash[STATE].suite_paths.setdefault(suite.name, self.path)
        if other != self.path:
            raise self.CollectError(
                f"{self.path}: suite '{suite.name}' has the name of {other}; "
                "run folders are named after suites: give each its own name"
            )
        self.config.stash[STATE].suite_ids[suite.name] = self.nodeid
        for cell in plan.cells:
            yield CellItem.of_cell(self, suite=suite, cell=cell)
        if suite.latency is not None:
            yield LatencyItem.of_suite(self, suite=suite)


class _NamedItem(pytest.Item):
    """Gives its node id as text, from which pytest reads what is in brackets as parameters.

    Since pytest 9.1 a Function that was not parametrised has all of its name before the bracket, and
    --lf, which reads ids back from text, does not find it again.
    """

    def __init__(self, name: str, parent: pytest.Collector, **others: Any) -> None:  # noqa: ANN401
        super().__init__(name, parent, **{**others, "nodeid": f"{parent.nodeid}::{name}"})


class _SuiteItem(pytest.Function, _NamedItem):
    """A part of a suite. A Function, so that autouse fixtures, marks and reporting work as for any test."""

    suite: SuiteSpec

    def repr_failure(self, excinfo: pytest.ExceptionInfo[BaseException], *args: Any) -> Any:  # noqa: ANN401
        """Show gates and deliberate errors as they are, anything else with its traceback."""
        if isinstance(excinfo.value, (GateFailure, ClipEvalError)):
            return str(excinfo.value)
        return super().repr_failure(excinfo, *args)

    def reportinfo(self) -> tuple[Path, int | None, str]:
        """Say where the item is, for verbose output."""
        return self.path, None, self.name


class LatencyItem(_SuiteItem):
    """What a suite has timed, after its cells."""

    @classmethod
    def of_suite(cls, parent: SuiteFile, *, suite: SuiteSpec) -> LatencyItem:
        """Make the item of a suite."""
        item: LatencyItem = cls.from_parent(parent, name="latency", callobj=_measure_latency)
        item.suite = suite
        item.add_marker(pytest.mark.clipeval)
        return item


class CellItem(_SuiteItem):
    """One cell."""

    cell: Cell

    @classmethod
    def of_cell(cls, parent: SuiteFile, *, suite: SuiteSpec, cell: Cell) -> CellItem:
        """Make the item of a cell."""
        item: CellItem = cls.from_parent(parent, name=cell.item_name, callobj=_evaluate_cell)
        item.suite, item.cell = suite, cell
        item.add_marker(pytest.mark.clipeval)
        if item.config.pluginmanager.hasplugin("xdist"):
            # `-n 4 --dist loadgroup` then encodes each data set on one worker only.
            item.add_marker(pytest.mark.xdist_group(f"{cell.model.id}-{cell.dataset.key}"))
        return item


def _evaluate_cell(request: pytest.FixtureRequest) -> None:
    item = request.node
    result = session_of(item.config).evaluate(item.suite, item.cell)
    item.user_properties.extend(metric_properties(result, suite=item.suite.name))
    item.user_properties.extend(gate_properties(result))
    check_gates(result)


def _measure_latency(request: pytest.FixtureRequest) -> None:
    item = request.node
    if is_worker(item.config):
        session_of(item.config).leave_out_latency(item.suite, UNDER_XDIST)
        pytest.fail(UNDER_XDIST, pytrace=False)
    found = session_of(item.config).measure_latency(item.suite)
    item.user_properties.extend(latency_properties(found))
    check_latency(item.suite.name, found)
