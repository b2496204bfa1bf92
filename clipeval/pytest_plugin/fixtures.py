"""Fixtures for evaluations written in Python.

pytestmark = pytest.mark.clip(model="tiny", dataset="ink-colour")

@pytest.mark.parametrize("template", ["a digit written in {}", "{} ink"])
def test_wording(zero_shot, template):
    assert zero_shot(template).top1.low > 0.85
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Protocol

import pytest

from clipeval import api
from clipeval.pytest_plugin.outcome import metric_properties
from clipeval.pytest_plugin.state import session_of

if TYPE_CHECKING:
    from clipeval.datasets import ImageDataset
    from clipeval.models import ClipModel
    from clipeval.records import CellResult


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
        """Return the scored cell."""


@pytest.fixture
def clip_model(request: pytest.FixtureRequest) -> ClipModel:
    """Load the model of the `clip` mark, or of an indirect parameter, and keep it loaded."""
    return session_of(request.config).model(_asked_for(request, "model"))


@pytest.fixture
def clip_dataset(request: pytest.FixtureRequest) -> ImageDataset:
    """Open the data set of the `clip` mark, or of an indirect parameter."""
    return session_of(request.config).dataset(
        _asked_for(request, "dataset"), start=request.path.parent
    )


@pytest.fixture
def zero_shot(request: pytest.FixtureRequest) -> ZeroShot:
    """Return a function that evaluates a template: `zero_shot("a photo of {}").top1.value`.

    Model and data set are those of the `clip` mark unless they are given. The cell goes into the run
    folder of a suite named after the test file, and its metrics into junit.
    """
    session = session_of(request.config)

    def evaluate(
        template: str | Sequence[str],
        *,
        id: str | None = None,  # noqa: A002
        model: str | None = None,
        dataset: str | None = None,
    ) -> CellResult:
        suite, cell = api.single_cell(
            test_file=request.path,
            model=model or _marked(request, "model"),
            dataset=dataset or _marked(request, "dataset"),
            template=template,
            template_id_=id,
        )
        result = session.evaluate(suite, cell)
        request.node.user_properties.extend(metric_properties(result))
        return result

    return evaluate


def _asked_for(request: pytest.FixtureRequest, what: str) -> str:
    return str(request.param) if hasattr(request, "param") else _marked(request, what)


def _marked(request: pytest.FixtureRequest, what: str) -> str:
    for mark in request.node.iter_markers("clip"):
        if what in mark.kwargs:
            return str(mark.kwargs[what])
    raise pytest.UsageError(
        f"{request.node.nodeid}: no {what} named; mark the test with "
        f'@pytest.mark.clip({what}="..."), or give {what}= to zero_shot'
    )
