"""Refuses holdouts that cannot be made, before anything is evaluated."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from functools import partial

from clipeval.comparison import SplitImages, refuse_single_template, split_images
from clipeval.datasets import ImageDataset, open_dataset
from clipeval.errors import ComparisonError, ConfigError, DatasetError
from clipeval.plan import Cell
from clipeval.records import DatasetSpec, SuiteSpec

OpenDataset = Callable[[DatasetSpec], ImageDataset]


def check_holdouts(
    cells: Iterable[tuple[SuiteSpec, Cell]], *, open_: OpenDataset = open_dataset
) -> None:
    """Refuse a holdout that would leave nothing to choose from, to choose on, or to confirm on.

    Args:
        cells: that are going to be evaluated, and the suites that they are of.
        open_: opens a data set, or returns the one that is open; one that it cannot open is left to the
            evaluation to tell of.
    Raises:
        ConfigError: every holdout that cannot be made, once.
    """
    n_templates: Counter[tuple[str, ...]] = Counter()
    splits: dict[tuple[str, str], tuple[DatasetSpec, float]] = {}
    for suite, cell in cells:
        if suite.holdout is not None:
            key = cell.dataset.key
            n_templates[suite.name, key, cell.model.id, cell.device, cell.precision] += 1
            splits[suite.name, key] = (cell.dataset, suite.holdout)
    problems = _problems(
        [
            *(partial(refuse_single_template, key, n) for (_, key, *_), n in n_templates.items()),
            *(partial(_check_split, spec, fraction, open_) for spec, fraction in splits.values()),
        ]
    )
    if problems:
        raise ConfigError("\n".join(problems))


def _problems(checks: Iterable[Callable[[], None]]) -> dict[str, None]:
    problems: dict[str, None] = {}
    for check in checks:
        try:
            check()
        except ComparisonError as error:
            problems[str(error)] = None
    return problems


def _check_split(spec: DatasetSpec, fraction: float, open_: OpenDataset) -> None:
    try:
        dataset = open_(spec)
    except DatasetError:
        return
    if len(dataset.classes) == 1:
        raise ComparisonError(
            f"holdout: data set '{dataset.key}' has one class, so that every template is right on every "
            "image; expected two classes or more"
        )
    images = SplitImages(
        sample_ids=[sample.sample_id for sample in dataset.samples],
        classes=[dataset.classes[sample.label].key for sample in dataset.samples],
        groups=[sample.group for sample in dataset.samples],
    )
    split_images(images, fraction, dataset=dataset.key)
