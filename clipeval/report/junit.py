"""junit.xml: one test case per cell, for the systems that collect them."""

from __future__ import annotations

from collections.abc import Iterable
from xml.etree import ElementTree as ET

from clipeval.records import CellError, CellResult, GateResult, RunRecord
from clipeval.report import format as fmt
from clipeval.report.format import visible
from clipeval.report.gate_text import gate_sentence
from clipeval.report.names import item_name, result_item_name
from clipeval.report.views.verdict import missing_cells

_NOT_PASSED = ("fail", "inconclusive", "error")


def render_junit(record: RunRecord) -> str:
    """Render a run as JUnit XML; the same input gives the same text.

    A gate that failed or could not be decided is a failure; a cell that could not be evaluated or
    did not run is an error. Nothing is ever skipped, because dashboards show that as harmless.
    """
    cases = [_case(record, cell) for cell in record.cells]
    cases += [_error_case(record, error) for error in record.errors]
    cases += [_missing_case(record, cell) for cell in missing_cells(record)]
    counts = {
        "tests": str(len(cases)),
        "failures": str(_count(cases, "failure")),
        "errors": str(_count(cases, "error")),
        "skipped": "0",
    }
    root = ET.Element("testsuites", {"name": "clipeval", **counts})
    suite = ET.SubElement(
        root, "testsuite", {"name": _xml(record.suite), **counts, "timestamp": _xml(record.created)}
    )
    suite.extend(cases)
    ET.indent(root)
    return '<?xml version="1.0" encoding="utf-8"?>\n' + ET.tostring(root, encoding="unicode") + "\n"


def _case(record: RunRecord, cell: CellResult) -> ET.Element:
    case = _new_case(record, result_item_name(cell), time_s=_time_s(cell))
    properties = ET.SubElement(case, "properties")
    _property(properties, "cell", cell.id)
    for name, metric in cell.metrics.items():
        _property(properties, name, repr(metric.value))
        if metric.low is not None and metric.high is not None:
            _property(properties, f"{name}.low", repr(metric.low))
            _property(properties, f"{name}.high", repr(metric.high))
    missed = [gate for gate in cell.gates if gate.state in _NOT_PASSED]
    if missed:
        _problem(case, "failure", _headline(missed), (gate_sentence(gate) for gate in missed))
    return case


def _headline(missed: list[GateResult]) -> str:
    if len(missed) == 1:
        return gate_sentence(missed[0])
    return f"{fmt.count(len(missed), 'gate')} not passed"


def _error_case(record: RunRecord, error: CellError) -> ET.Element:
    case = _new_case(record, item_name(error.id), time_s=0.0)
    first_line = error.message.splitlines()[0] if error.message.strip() else "no message"
    _problem(case, "error", first_line, [error.message])
    return case


def _missing_case(record: RunRecord, cell_id: str) -> ET.Element:
    case = _new_case(record, item_name(cell_id), time_s=0.0)
    message = "the run ended before this cell was evaluated"
    _problem(case, "error", message, [message])
    return case


def _new_case(record: RunRecord, name: str, *, time_s: float) -> ET.Element:
    attributes = {"classname": _xml(record.suite), "name": _xml(name), "time": f"{time_s:.3f}"}
    return ET.Element("testcase", attributes)


def _problem(case: ET.Element, kind: str, message: str, lines: Iterable[str]) -> None:
    problem = ET.SubElement(case, kind, {"message": _xml(message)})
    problem.text = _xml("\n".join(lines))


def _property(properties: ET.Element, name: str, value: str) -> None:
    ET.SubElement(properties, "property", {"name": _xml(name), "value": _xml(value)})


def _time_s(cell: CellResult) -> float:
    """Add up the cell's durations; what is shared by several cells counts in each."""
    return sum(value for name, value in cell.timings.items() if not name.endswith("_per_s"))


def _count(cases: list[ET.Element], kind: str) -> int:
    return sum(case.find(kind) is not None for case in cases)


def _xml(text: str) -> str:
    """Replace what XML 1.0 cannot hold even escaped, which includes most control characters."""
    return visible(text)
