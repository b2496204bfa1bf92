"""Which cells a suite consists of, in the order that wastes least: by model, then data set, then template."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from clipeval.errors import ConfigError
from clipeval.records import (
    DEFAULT_BACKEND,
    Against,
    BackendChoice,
    DatasetSpec,
    GateSpec,
    ModelSpec,
    Notice,
    Precision,
    SuiteSpec,
    TemplateSpec,
)
from clipeval.records.stated_gates import GATE_NOT_APPLIED

_BACKENDS = "auto|torch|compile|openvino|onnxruntime"
_SETTING = re.compile(
    rf"@(?P<setting>[a-z]+(?::\d+)?-(?:fp32|bf16|fp16|int8)(?:-(?:{_BACKENDS}))?|{_BACKENDS})$"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """One data set x model x template x device x precision, run by a backend."""

    id: str
    """`digits/tiny/photo`, with `@cuda-bf16` behind it where a suite has several devices or precisions, and
    `@openvino` or `@cpu-bf16-openvino` where the backend is another than torch."""
    item_name: str
    """The same as a pytest item is named: `digits[tiny-photo]`."""
    dataset: DatasetSpec
    model: ModelSpec
    template: TemplateSpec
    device: str
    """As asked for: `auto` is resolved when the model is loaded."""
    precision: Precision
    backend: BackendChoice = DEFAULT_BACKEND
    """As asked for: `auto` is resolved when images are to be encoded."""


@dataclass(frozen=True, slots=True)
class Plan:
    """A suite and its cells."""

    suite: SuiteSpec
    cells: tuple[Cell, ...]


def build_plan(suite: SuiteSpec) -> Plan:
    """Cross data sets, models, templates, devices and precisions.

    Raises:
        ConfigError: two cells would have the same id, or there is none.
    """
    settings = [(d, p) for d in suite.devices for p in suite.precisions]
    cells = tuple(
        _cell(
            dataset,
            model,
            template,
            device,
            precision,
            backend=suite.backend,
            is_only_setting=len(settings) == 1,
        )
        for model in suite.models
        for device, precision in settings
        for dataset in suite.datasets
        for template in templates_of(suite, dataset)
    )
    if not cells:
        raise ConfigError(f"suite '{suite.name}' has no cells: no template applies to any data set")
    _check_unique(suite.name, cells)
    return Plan(suite, cells)


def applies(gate: GateSpec, cell: Cell) -> bool:
    """Return whether a gate is meant for a cell; an empty list of ids means all."""
    wanted = (
        (gate.datasets, cell.dataset.key),
        (gate.models, cell.model.id),
        (gate.templates, cell.template.id),
        (gate.cells, cell.id),
    )
    return all(not ids or one in ids for ids, one in wanted)


def unjudged_gates(plan: Plan, cells: Collection[Cell]) -> tuple[GateSpec, ...]:
    """Return the gates of a suite that judge none of these cells: a run must not pass because nobody looked.

    Args:
        plan: of the suite.
        cells: of the plan, those that are run.
    """
    return tuple(
        gate for gate in plan.suite.gates if not any(_judges(plan, gate, cell) for cell in cells)
    )


def not_applied(suite: SuiteSpec, gate: GateSpec, why: str) -> Notice:
    """Say that a gate judges none of the cells that are run."""
    place = gate.where or suite.name
    return Notice(GATE_NOT_APPLIED, f"{place}: the gate on {gate.metric} is not decided: {why}")


def reference_cell(plan: Plan, cell: Cell, against: Against) -> Cell | None:
    """Return the cell that a cell is compared with inside its suite, which may be itself.

    Returns:
        None if the suite names no such reference, or the plan does not have its cell.
    """
    template, model = cell.template.id, cell.model.id
    if against == "reference_template":
        template = plan.suite.reference_templates.get(cell.dataset.key, "")
    elif against == "reference_model":
        model = plan.suite.reference_model or ""
    wanted = (cell.dataset.key, model, template, cell.device, cell.precision)
    return next((one for one in plan.cells if _coordinates(one) == wanted), None)


def evaluation_order(plan: Plan) -> tuple[Cell, ...]:
    """Return the cells so that each comes after those that it is compared with.

    Cells of one model, setting and data set stay together: what is loaded and encoded is used up.
    """
    suite = plan.suite
    first_seen: dict[tuple[str, ...], int] = {}
    for cell in plan.cells:
        first_seen.setdefault(_together(cell), len(first_seen))
    return tuple(
        sorted(
            plan.cells,
            key=lambda cell: (
                cell.model.id != suite.reference_model,
                first_seen[_together(cell)],
                cell.template.id != suite.reference_templates.get(cell.dataset.key),
            ),
        )
    )


def templates_of(suite: SuiteSpec, dataset: DatasetSpec) -> Sequence[TemplateSpec]:
    """Return the templates that apply to a data set, in the suite's order."""
    ids = suite.dataset_templates.get(dataset.key)
    if ids is None:
        return suite.templates
    return [template for template in suite.templates if template.id in ids]


def item_name_of(cell_id: str) -> str:
    """Return `digits[tiny-photo]` for `digits/tiny/photo`: all that a cell that did not run has.

    A model id may hold slashes (`ViT-B-32/openai`); data-set keys and template ids do not. An id of
    another form is kept as it is.
    """
    dataset, _, rest = cell_id.partition("/")
    model, slash, template = rest.rpartition("/")
    if not slash:
        return cell_id
    named = _SETTING.sub(r"-\g<setting>", template)
    return f"{dataset}[{model}-{named}]"


def _judges(plan: Plan, gate: GateSpec, cell: Cell) -> bool:
    """Say whether a gate decides anything about a cell, other than comparing a reference with itself."""
    if not applies(gate, cell):
        return False
    if gate.min is not None or gate.max is not None or gate.against == "baseline":
        return True
    reference = reference_cell(plan, cell, gate.against)
    return reference is None or reference.id != cell.id


def _coordinates(cell: Cell) -> tuple[str, ...]:
    return (cell.dataset.key, cell.model.id, cell.template.id, cell.device, cell.precision)


def _together(cell: Cell) -> tuple[str, ...]:
    return (cell.model.id, cell.device, cell.precision, cell.dataset.key)


def _cell(
    dataset: DatasetSpec,
    model: ModelSpec,
    template: TemplateSpec,
    device: str,
    precision: Precision,
    *,
    backend: BackendChoice,
    is_only_setting: bool,
) -> Cell:
    named = "" if is_only_setting else f"{device}-{precision}"
    setting = "-".join(filter(None, (named, "" if backend == DEFAULT_BACKEND else backend)))
    return Cell(
        id=f"{dataset.key}/{model.id}/{template.id}" + (f"@{setting}" if setting else ""),
        item_name=f"{dataset.key}[{model.id}-{template.id}{'-' + setting if setting else ''}]",
        dataset=dataset,
        model=model,
        template=template,
        device=device,
        precision=precision,
        backend=backend,
    )


def _check_unique(suite_name: str, cells: Sequence[Cell]) -> None:
    for what, names in (
        ("id", [cell.id for cell in cells]),
        ("pytest name", [cell.item_name for cell in cells]),
    ):
        seen: set[str] = set()
        for name in names:
            if name in seen:
                raise ConfigError(
                    f"suite '{suite_name}': two cells have the {what} '{name}'; "
                    "give their models or templates different ids"
                )
            seen.add(name)
