"""One cell, asked for by a test in Python."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from clipeval.api.suites import known_datasets
from clipeval.config import resolve_dataset, resolve_template
from clipeval.errors import ConfigError, PromptError
from clipeval.plan import Cell, build_plan
from clipeval.prompts import check_template, template_id
from clipeval.records import SuiteSpec, TemplateSpec
from clipeval.records.model_names import parse_model

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
"""As names in suite files: they become folders."""


@dataclass(frozen=True, slots=True)
class SingleCell:
    """A cell, and the suite that it goes into."""

    suite: SuiteSpec
    cell: Cell
    is_guest: bool
    """The suite was named, and may be another file's."""


def single_cell(
    *,
    test_file: Path,
    model: str,
    dataset: str,
    template: str | Sequence[str],
    template_id_: str | None = None,
    suite: str | None = None,
) -> SingleCell:
    """Make the one cell that a test asks for.

    Args:
        test_file: relative paths and the catalogue of data sets are looked up from its folder.
        model: a model string.
        dataset: a key of the catalogue, a folder or a table.
        template: one template, `@SET`, or several that make an ensemble.
        template_id_: its id in reports; derived from the text if None.
        suite: whose run folder it goes into; one named after the test file if None.
    Raises:
        ConfigError, PromptError: what is wrong with a value.
    """
    where = test_file.name
    base = test_file.parent
    name = _checked_name(suite if suite is not None else test_file.stem, "suite", where=where)
    spec = _template(template, base=base, where=where)
    if template_id_ is not None:
        spec = replace(spec, id=_checked_name(template_id_, "template", where=where))
    known = known_datasets(None, start=base)
    made = SuiteSpec(
        name=name,
        path=test_file,
        datasets=(resolve_dataset(dataset, known, base=base, where=where),),
        models=(parse_model(model, base=base, where=where),),
        templates=(spec,),
    )
    return SingleCell(made, build_plan(made).cells[0], is_guest=suite is not None)


def _template(template: str | Sequence[str], *, base: Path, where: str) -> TemplateSpec:
    if isinstance(template, str):
        return resolve_template(template, base=base, where=where)
    if not template:
        raise PromptError(f"{where}: an empty list of templates; expected at least one template")
    for text in template:
        check_template(text, where=where)
    made_id = template_id(" ".join(template))
    return TemplateSpec(id=made_id, templates=tuple(template), where=where)


def _checked_name(name: str, what: str, *, where: str) -> str:
    if _NAME.fullmatch(name):
        return name
    raise ConfigError(
        f"{where}: '{name}' cannot name a {what}; expected letters, digits, '.', '_' and '-', "
        "beginning with a letter or digit"
    )
