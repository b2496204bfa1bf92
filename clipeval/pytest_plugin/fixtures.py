"""Fixtures for evaluations written in Python.

pytestmark = pytest.mark.clip(model="tiny", dataset="ink-colour")

@pytest.mark.parametrize("template", ["a digit written in {}", "{} ink"])
def test_wording(zero_shot, template):
    assert zero_shot(template).metrics["top1"].low > 0.8
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Protocol

import pytest

from clipeval import api
from clipeval.errors import ClipEvalError
from clipeval.pytest_plugin.outcome import metric_properties
from clipeval.pytest_plugin.state import session_of

if TYPE_CHECKING:
    from clipeval.datasets import ImageDataset
    from clipeval.models import ClipModel
    from clipeval.records import CellResult

MARK_KEYS = ("model", "dataset", "suite")


class ZeroShot(Protocol):
    """Evaluates one template; see the fixture `zero_shot`."""

    def __call__(
        self,
        template: str | Sequence[str],
        *,
        id: str | None = None,  # noqa: A002 (the field's name for it, in suites too)
        model: str | None = None,
        dataset: str | None = None,
    ) -> CellResult:
        """Return the scored cell.

        Args:
            template: one template, `@SET`, or several that make an ensemble.
            id: the template's id in reports; made of its text if None.
            model: a model string; that of the `clip` mark if None.
            dataset: a key of the catalogue, a folder or a table; that of the mark if None.
        Raises:
            ClipEvalError: what stands in the way.
        """


@pytest.fixture
def clip_model(request: pytest.FixtureRequest) -> ClipModel:
    """Load the model of the `clip` mark, or of an indirect parameter, and keep it loaded."""
    try:
        return session_of(request.config).model(
            _asked_for(request, "model"), start=request.path.parent
        )
    except ClipEvalError as error:
        pytest.fail(str(error), pytrace=False)


@pytest.fixture
def clip_dataset(request: pytest.FixtureRequest) -> ImageDataset:
    """Open the data set of the `clip` mark, or of an indirect parameter."""
    try:
        return session_of(request.config).dataset(
            _asked_for(request, "dataset"), start=request.path.parent
        )
    except ClipEvalError as error:
        pytest.fail(str(error), pytrace=False)


@pytest.fixture
def zero_shot(request: pytest.FixtureRequest) -> ZeroShot:
    """Return a function that evaluates a template: `zero_shot("a photo of {}").metrics["top1"]`.

    Model and data set are those of the `clip` mark unless they are given. The cell goes into the run
    folder of the mark's `suite`, or of one named after the test file, and its metrics into junit.
    """

    def evaluate(
        template: str | Sequence[str],
        *,
        id: str | None = None,  # noqa: A002
        model: str | None = None,
        dataset: str | None = None,
    ) -> CellResult:
        __tracebackhide__ = True
        try:
            asked = api.single_cell(
                test_file=request.path,
                model=model or _needed(request, "model"),
                dataset=dataset or _needed(request, "dataset"),
                template=template,
                template_id_=id,
                suite=_marked(request, "suite"),
            )
            result = session_of(request.config).evaluate(
                asked.suite,
                asked.cell,
                is_guest=asked.is_guest,
                place=request.session.items.index(request.node),
            )
        except ClipEvalError as error:
            # The test's own line and the message are all that helps; not how clipeval got there.
            raise error.with_traceback(None) from None
        request.node.user_properties.extend(metric_properties(result, suite=asked.suite.name))
        return result

    return evaluate


def _asked_for(request: pytest.FixtureRequest, what: str) -> str:
    return str(request.param) if hasattr(request, "param") else _needed(request, what)


def _needed(request: pytest.FixtureRequest, what: str) -> str:
    value = _marked(request, what)
    if value is None:
        pytest.fail(
            f"{request.node.nodeid}: no {what} named; mark the test, its class or its module: "
            f'pytest.mark.clip({what}="..."), or give {what}= to zero_shot',
            pytrace=False,
        )
    return value


def _marked(request: pytest.FixtureRequest, what: str) -> str | None:
    """Return what the nearest `clip` mark says."""
    for mark in request.node.iter_markers("clip"):
        unknown = [*map(repr, mark.args), *(key for key in mark.kwargs if key not in MARK_KEYS)]
        if unknown:
            pytest.fail(
                f"{request.node.nodeid}: the mark clip does not know {', '.join(unknown)}; "
                f"it takes {', '.join(f'{key}=' for key in MARK_KEYS)}",
                pytrace=False,
            )
        if what in mark.kwargs:
            return str(mark.kwargs[what])
    return None
