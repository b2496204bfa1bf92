"""What gates say about the rest of a suite: names that exist, limits that can be decided, cells left."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass

from clipeval.config.gate_forms import Gate, gates_of
from clipeval.config.gate_models import METRIC_MAXIMA, percent_hint
from clipeval.config.problems import one_line, quote
from clipeval.config.references import reference_templates
from clipeval.config.suite_models import SuiteModel
from clipeval.config.validation import allowed_text, unknown_name
from clipeval.config.yaml_nodes import Document
from clipeval.errors import ConfigError, did_you_mean
from clipeval.plan import applies, build_plan
from clipeval.records import SuiteSpec
from clipeval.records.metric_names import (
    CLASS_METRIC_NAMES,
    DROP_CLASS_METRICS,
    DROP_METRICS,
    FLIP_METRICS,
)

_MAX_CELLS_SHOWN = 20


@dataclass(frozen=True, slots=True)
class _CellNames:
    """What a cell is made of, device and precision aside."""

    dataset: str
    model: str
    template: str


def check_gates(suite: SuiteModel, document: Document, *, failed: Collection[str]) -> None:
    """Add every gate that cannot be decided, or says nothing, to the document's problems.

    Gates that name cells are only held against their cells by `check_gate_cells`.

    Args:
        suite: validated; keys in `failed` hold stand-ins, which nothing is checked against.
        document: gives places, takes problems.
        failed: top-level keys of the suite that did not validate.
    """
    checker = _Checker(suite, document, frozenset(failed))
    for gate in gates_of(suite):
        checker.limits(gate)
        checker.repeated_classes(gate)
        is_known = checker.names(gate)
        if is_known and not gate.cells and not {"datasets", "models", "templates"} & set(failed):
            checker.cells_left(gate, _cells_of(gate, suite))


def check_gate_cells(suite: SuiteModel, document: Document, spec: SuiteSpec) -> None:
    """Add gates that name unknown cells, or none that fits, to the document's problems.

    Args:
        suite: free of other problems: ids of cells exist only once a suite can be planned.
        document: gives places, takes problems.
        spec: made of `suite`.
    """
    if not any(gate.cells for gate in spec.gates):
        return
    try:
        cells = build_plan(spec).cells
    except ConfigError as error:
        document.problems.add(document.mark("models"), one_line(str(error)))
        return
    checker = _Checker(suite, document, frozenset())
    ids = [cell.id for cell in cells]
    for gate, gate_spec in zip(gates_of(suite), spec.gates, strict=True):
        if gate.cells and checker.cell_ids(gate, ids):
            left = [
                _CellNames(cell.dataset.key, cell.model.id, cell.template.id)
                for cell in cells
                if applies(gate_spec, cell=cell)
            ]
            checker.cells_left(gate, left)


def _cells_of(gate: Gate, suite: SuiteModel) -> list[_CellNames]:
    return [
        _CellNames(dataset, model, template)
        for dataset in gate.datasets or suite.datasets
        for model in gate.models or suite.model_ids()
        for template in suite.templates_for(dataset)
        if not gate.templates or template in gate.templates
    ]


@dataclass(frozen=True, slots=True)
class _Checker:
    suite: SuiteModel
    document: Document
    failed: frozenset[str]

    def limits(self, gate: Gate) -> None:
        """Report limits that the metric cannot reach or does not have, and options without one."""
        self._reachable(gate)
        limits = gate.limits
        if gate.metric in CLASS_METRIC_NAMES and not gate.classes:
            message = f"{gate.metric} is measured class by class; expected classes beside it: "
            self._at(gate, message + "all, or a list of class names", "metric")
        elif gate.classes and gate.metric not in CLASS_METRIC_NAMES:
            expected = " or ".join(CLASS_METRIC_NAMES)
            self._about(gate, "classes", f"classes are not for {gate.metric}; expected {expected}")
        else:
            self._comparable(gate)
        if limits.against and not limits.is_comparison:
            self._about(
                gate,
                "against",
                "against says nothing without max_drop or max_negative_flip_rate; "
                "expected one of them: add max_drop, or leave against out",
            )
        if limits.on_inconclusive and not (limits.is_comparison or gate.classes):
            self._about(
                gate,
                "on_inconclusive",
                "on_inconclusive says nothing here: min and max of a whole cell are always "
                "decided; expected max_drop, max_negative_flip_rate or classes beside it",
            )

    def _reachable(self, gate: Gate) -> None:
        highest = METRIC_MAXIMA.get(gate.metric, 1.0)
        for key, limit in (("min", gate.limits.min), ("max", gate.limits.max)):
            if limit is not None and limit > highest:
                hint = percent_hint(limit) if highest == 1 else ""
                message = f"{gate.metric} lies between 0 and {highest:g}; got {limit:g}{hint}"
                self._at(gate, message, key)

    def _comparable(self, gate: Gate) -> None:
        metric, limits = gate.metric, gate.limits
        if limits.max_drop is not None:
            if gate.classes and metric not in DROP_CLASS_METRICS:
                expected = allowed_text(DROP_CLASS_METRICS)
                message = (
                    f"max_drop is not for {metric}; expected {expected}: limit {metric} with min"
                )
                self._about(gate, "max_drop", message)
            elif not gate.classes and metric not in DROP_METRICS:
                message = (
                    f"max_drop is not for {metric}, of which less is better; expected one of "
                    f"{allowed_text(DROP_METRICS)}: limit {metric} with max"
                )
                self._about(gate, "max_drop", message)
        if limits.max_negative_flip_rate is not None and metric not in FLIP_METRICS:
            expected = allowed_text(FLIP_METRICS)
            message = f"max_negative_flip_rate is not for {metric}; expected {expected}"
            self._about(gate, "max_negative_flip_rate", message)

    def repeated_classes(self, gate: Gate) -> None:
        """Report classes that are listed twice."""
        for index, name in enumerate(gate.classes if gate.classes != "all" else ()):
            if (first := gate.classes.index(name)) < index:
                message = f"class {quote(name)} is already item {first + 1}; "
                self._at(gate, message + "expected each class once", "classes", index)

    def names(self, gate: Gate) -> bool:
        """Report data sets, models and templates that the suite has not; return whether all are known."""
        is_known = True
        for key, names, known, what in (
            ("datasets", gate.datasets, self.suite.datasets, "data set of this suite"),
            ("models", gate.models, self.suite.model_ids(), "model id"),
            ("templates", gate.templates, self.suite.templates, "template id"),
        ):
            for index, name in enumerate(names if key not in self.failed else ()):
                if name not in known:
                    self._at(gate, unknown_name(name, known, what), key, index)
                    is_known = False
        return is_known

    def cell_ids(self, gate: Gate, ids: Sequence[str]) -> bool:
        """Report cells that the suite has not; return whether all are known."""
        unknown = [(index, id_) for index, id_ in enumerate(gate.cells) if id_ not in ids]
        shown = allowed_text(ids[:_MAX_CELLS_SHOWN])
        more = len(ids) - _MAX_CELLS_SHOWN
        shown += f", and {more} more" if more > 0 else ""
        for index, id_ in unknown:
            message = f"unknown cell id {quote(id_)}; expected one of {shown}"
            self._at(gate, message + did_you_mean(id_, ids), "cells", index)
        return not unknown

    def cells_left(self, gate: Gate, cells: Collection[_CellNames]) -> None:
        """Report a gate that applies to none of the cells, or has nothing to compare them with."""
        if not cells:
            named = "cells" if gate.cells else "templates"
            fitting = "fits its other lists" if gate.cells else "is for its data sets"
            self._at(
                gate,
                f"the gate applies to no cell: none of its {named} {fitting}; "
                "expected at least one cell",
            )
        elif "reference" not in self.failed and gate.limits.against == "reference_template":
            self._against_template(gate, cells)
        elif "reference" not in self.failed and gate.limits.against == "reference_model":
            self._against_model(gate, cells)

    def _against_template(self, gate: Gate, cells: Collection[_CellNames]) -> None:
        references = reference_templates(self.suite)
        missing = [key for key in _unique(c.dataset for c in cells) if key not in references]
        if missing:
            self._at(
                gate,
                f"no reference template for {allowed_text(missing)}; expected reference.template "
                "to name one for every data set that the gate applies to",
                "against",
            )
        elif all(cell.template == references[cell.dataset] for cell in cells):
            own = allowed_text(_unique(cell.template for cell in cells))
            message = f"the gate compares {own} with itself; expected other templates too"
            self._at(gate, message)

    def _against_model(self, gate: Gate, cells: Collection[_CellNames]) -> None:
        reference = self.suite.reference.model if self.suite.reference else None
        if reference is None:
            message = "no reference model; expected reference.model to name one"
            self._at(gate, message, "against")
        elif all(cell.model == reference for cell in cells):
            message = f"the gate compares {reference} with itself; expected other models too"
            self._at(gate, message)

    def _at(self, gate: Gate, message: str, *steps: str | int) -> None:
        """Add a problem at a value inside the gate, or at the gate itself."""
        self.document.problems.add(self.document.mark("gates", gate.step, *steps), message)

    def _about(self, gate: Gate, key: str, message: str) -> None:
        """Add a problem at a key of the gate that does not belong there."""
        self.document.problems.add(self.document.key_mark("gates", gate.step, key), message)


def _unique(names: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(names))
