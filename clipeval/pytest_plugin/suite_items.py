"""Suite files as collectors, cells as items."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from clipeval import api
from clipeval.errors import ClipEvalError
from clipeval.plan import Cell, build_plan
from clipeval.pytest_plugin.outcome import GateFailure, check_gates, metric_properties
from clipeval.pytest_plugin.state import session_of

if TYPE_CHECKING:
    from clipeval.records import SuiteSpec

_SUITE_KEY = re.compile(rb"^suite[ \t]*:", re.MULTILINE)
_SNIFFED_BYTES = 65_536


def is_suite(path: Path) -> bool:
    """Tell a suite from any other YAML file: it has a top-level key `suite`."""
    if path.suffix not in {".yaml", ".yml"}:
        return False
    with path.open("rb") as file:
        return _SUITE_KEY.search(file.read(_SNIFFED_BYTES)) is not None


class SuiteFile(pytest.File):
    """One suite file."""

    def collect(self) -> Iterable[CellItem]:
        """Yield one item a cell.

        Raises:
            CollectError: the suite is wrong; its text is the whole message.
        """
        try:
            (suite,) = api.load_suites([self.path])
            plan = build_plan(suite)
        except ClipEvalError as error:
            raise self.CollectError(str(error)) from error
        for cell in plan.cells:
            yield CellItem.of_cell(self, suite=suite, cell=cell)


class CellItem(pytest.Function):
    """One cell. A Function, so that autouse fixtures, marks and reporting work as for any test."""

    suite: SuiteSpec
    cell: Cell

    @classmethod
    def of_cell(cls, parent: SuiteFile, *, suite: SuiteSpec, cell: Cell) -> CellItem:
        """Make the item of a cell."""
        item: CellItem = cls.from_parent(parent, name=cell.item_name, callobj=_evaluate_cell)
        item.suite, item.cell = suite, cell
        item.add_marker(pytest.mark.clipeval)
        # `-n 4 --dist loadgroup` then encodes each data set on one worker only.
        item.add_marker(pytest.mark.xdist_group(f"{cell.model.id} {cell.dataset.key}"))
        return item

    def repr_failure(self, excinfo: pytest.ExceptionInfo[BaseException], *args: Any) -> Any:  # noqa: ANN401
        """Show gates and deliberate errors as they are, anything else with its traceback."""
        if isinstance(excinfo.value, (GateFailure, ClipEvalError)):
            return str(excinfo.value)
        return super().repr_failure(excinfo, *args)

    def reportinfo(self) -> tuple[Path, int | None, str]:
        """Say where the item is, for verbose output."""
        return self.path, None, self.name


def _evaluate_cell(request: pytest.FixtureRequest) -> None:
    item = request.node
    result = session_of(item.config).evaluate(item.suite, item.cell)
    item.user_properties.extend(metric_properties(result))
    check_gates(result)
