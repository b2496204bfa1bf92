"""Suites from files and from the command line, loaded and checked without torch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

from clipeval.config import (
    Overrides,
    adhoc_suite,
    builtin_catalog,
    find_catalog,
    load_catalog,
    load_suite,
    override,
)
from clipeval.datasets import absence_notices, check_spec
from clipeval.errors import ConfigError, DatasetError, did_you_mean
from clipeval.plan import build_plan, templates_of
from clipeval.prompts import find_duplicate_templates
from clipeval.records import DatasetSpec, Notice, SuiteSpec

__all__ = [
    "Overrides",
    "SuiteCheck",
    "check_suite",
    "known_datasets",
    "list_suites",
    "load_suites",
    "run_folders",
    "suite_file",
    "validate",
]

SUITES_FOLDER = Path("suites")
REPORTS_FOLDER = Path("reports")


@dataclass(frozen=True, slots=True, kw_only=True)
class SuiteCheck:
    """A suite that holds together, and what is worth saying about it."""

    suite: str
    path: str
    cells: tuple[str, ...]
    datasets: tuple[str, ...]
    models: tuple[str, ...]
    notices: tuple[Notice, ...]


def load_suites(
    paths: Sequence[Path], *, overrides: Overrides | None = None, catalog: Path | None = None
) -> tuple[SuiteSpec, ...]:
    """Load suite files and apply what the command line changes; no file makes one ad-hoc suite.

    Args:
        paths: suite files.
        overrides: command-line values.
        catalog: a datasets.yaml; the one nearest to each suite if None.
    Raises:
        ConfigError: everything that is wrong with a file or a value.
    """
    changes = overrides or Overrides()
    here = Path.cwd()
    if not paths:
        return (adhoc_suite(changes, known_datasets(catalog, start=here), base=here),)
    loaded = tuple(
        override(
            load_suite(suite_file(path), catalog=catalog),
            changes,
            known_datasets(catalog, start=path.parent),
            base=here,
        )
        for path in paths
    )
    _refuse_equal_names(loaded)
    return loaded


def suite_file(path: Path) -> Path:
    """Return the path if it is a file.

    Raises:
        ConfigError: it is not; names the suites that are there.
    """
    if path.is_file():
        return path
    near = [str(candidate) for candidate in _suite_files()]
    listed = f"; there are: {', '.join(near)}" if near else ""
    raise ConfigError(
        f"{path}: no such suite file{did_you_mean(str(path), near)}; "
        f"expected the path of a YAML file{listed}"
    )


def known_datasets(catalog: Path | None, *, start: Path) -> Mapping[str, DatasetSpec]:
    """Return the data sets of the catalogue that applies, and those built in."""
    found = catalog or find_catalog(start)
    return load_catalog(found) if found else builtin_catalog()


def validate(paths: Sequence[Path], *, catalog: Path | None = None) -> tuple[SuiteCheck, ...]:
    """Check suites, all of ./suites if none is named.

    Raises:
        ConfigError: what is wrong, in every file that is wrong.
    """
    files = list(paths) or _suite_files()
    if not files:
        raise ConfigError(
            f"no suite named, and {SUITES_FOLDER}/ here has no *.yaml; name a suite file"
        )
    checks: list[SuiteCheck] = []
    problems: list[str] = []
    for path in files:
        try:
            checks.append(check_suite(load_suite(suite_file(path), catalog=catalog)))
        except ConfigError as error:
            problems.append(str(error))
    if problems:
        # Suites that share a data set share its mistakes.
        lines = dict.fromkeys(line for problem in problems for line in problem.splitlines())
        raise ConfigError("\n".join(lines))
    return tuple(checks)


def list_suites() -> tuple[SuiteCheck, ...]:
    """Describe every suite in ./suites.

    Raises:
        ConfigError: one of them is wrong.
    """
    return tuple(check_suite(load_suite(path)) for path in _suite_files())


def check_suite(suite: SuiteSpec) -> SuiteCheck:
    """Plan a suite and collect what is worth saying about it.

    Raises:
        ConfigError: the plan does not hold together, or data sets have no such set, split or class;
            all of them are listed.
    """
    plan = build_plan(suite)
    _refuse_bad_datasets(suite)
    return SuiteCheck(
        suite=suite.name,
        path=str(suite.path or ""),
        cells=tuple(cell.id for cell in plan.cells),
        datasets=tuple(dataset.key for dataset in suite.datasets),
        models=tuple(model.id for model in suite.models),
        notices=(
            *duplicate_template_notices(suite),
            *(notice for dataset in suite.datasets for notice in absence_notices(dataset)),
        ),
    )


def duplicate_template_notices(suite: SuiteSpec) -> tuple[Notice, ...]:
    """Say which templates ask a data set the same thing under two ids."""
    found = (find_duplicate_templates(templates_of(suite, dataset)) for dataset in suite.datasets)
    return tuple(dict.fromkeys(chain.from_iterable(found)))


def _refuse_bad_datasets(suite: SuiteSpec) -> None:
    problems: list[str] = []
    for dataset in suite.datasets:
        try:
            check_spec(dataset)
        except DatasetError as error:
            problems.append(str(error))
    if problems:
        raise ConfigError("\n".join(problems))


def _suite_files() -> list[Path]:
    return sorted([*SUITES_FOLDER.glob("*.yaml"), *SUITES_FOLDER.glob("*.yml")])


def _refuse_equal_names(suites: Sequence[SuiteSpec]) -> None:
    seen: dict[str, SuiteSpec] = {}
    for suite in suites:
        if suite.name in seen:
            raise ConfigError(
                f"{suite.path}: suite '{suite.name}' has the name of {seen[suite.name].path}; "
                "run folders are named after suites: give each its own name"
            )
        seen[suite.name] = suite


def run_folders(suites: Sequence[str], out: Path | None) -> tuple[Path, ...]:
    """Return the run folder of each suite name: `out` for one, `out/SUITE` for several.

    Without `out` it is reports/SUITE.
    """
    if out is not None and len(suites) == 1:
        return (out,)
    return tuple((out or REPORTS_FOLDER) / suite for suite in suites)
