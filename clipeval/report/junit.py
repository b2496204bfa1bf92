"""junit.xml: one test case per cell, for the systems that collect them."""

from __future__ import annotations

from collections.abc import Iterable
from xml.etree import ElementTree as ET

from clipeval.plan import item_name_of
from clipeval.records import BaselineUse, CellError, CellResult, Comparison, GateResult, RunRecord
from clipeval.records.latency import BenchmarkRecord
from clipeval.records.stated_gates import stated_gates
from clipeval.report.format import visible
from clipeval.report.gate_text import gate_name, gate_sentence, limit_name
from clipeval.report.latency_cases import LatencyCase, latency_cases
from clipeval.report.names import result_item_name
from clipeval.report.views.verdict import missing_cells
from clipeval.wording import count

_FAILED = ("fail", "error")


def render_junit(record: RunRecord, benchmark: BenchmarkRecord | None = None) -> str:
    """Render a run as JUnit XML; the same input gives the same text.

    A gate that failed, or had nothing to be decided with, is a failure, and so is a cell that the
    baseline has and the suite lost; a cell that could not be evaluated or did not run is an error.
    A gate that is inconclusive fails nothing, as under pytest: the case carries its sentence in
    `system-out` and in the property `inconclusive`. Nothing is ever skipped, because dashboards
    show that as harmless. Each model that was timed, in each setting, is a case of its own.

    Args:
        record: the run.
        benchmark: timings of the run's models, if they were timed.
    """
    cases = [_case(record, cell) for cell in record.cells]
    cases += [_error_case(record, error) for error in record.errors]
    cases += [_missing_case(record, cell) for cell in missing_cells(record)]
    if record.baseline is not None and record.baseline.is_gated:
        cases += _lost_cases(record, record.baseline)
    cases += [_latency_case(record, found) for found in latency_cases(record, benchmark)]
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
    for position, gate in enumerate(cell.gates, start=1):
        _gate_properties(properties, f"gate.{position}", gate)
    for comparison in record.comparisons:
        if comparison.candidate == cell.id:
            _comparison_properties(properties, comparison)
    still_open = [gate_sentence(gate) for gate in cell.gates if gate.state == "inconclusive"]
    if still_open:
        _property(properties, "inconclusive", "; ".join(still_open))
    failed = [gate for gate in cell.gates if gate.state in _FAILED]
    if failed:
        _problem(case, "failure", _headline(failed), (gate_sentence(gate) for gate in failed))
    if still_open:
        ET.SubElement(case, "system-out").text = _xml("\n".join(still_open))
    return case


def _latency_case(record: RunRecord, found: LatencyCase) -> ET.Element:
    """Make a case of the timings of one model in one setting."""
    case = _new_case(record, found.name, time_s=found.time_s)
    properties = ET.SubElement(case, "properties")
    for name, value in found.properties:
        _property(properties, name, value)
    if found.still_open:
        _property(properties, "inconclusive", "; ".join(found.still_open))
    if found.failures:
        _problem(case, "failure", found.failures[0], found.failures)
    if found.still_open:
        ET.SubElement(case, "system-out").text = _xml("\n".join(found.still_open))
    return case


def _gate_properties(properties: ET.Element, prefix: str, gate: GateResult) -> None:
    _property(properties, f"{prefix}.name", gate_name(gate))
    if gate.against is not None:
        _property(properties, f"{prefix}.against", gate.against)
    _property(properties, f"{prefix}.state", gate.state)
    numbers = {"value": gate.value, "low": gate.low, "high": gate.high, "limit": gate.limit}
    for name, value in numbers.items():
        if value is not None:
            _property(properties, f"{prefix}.{name}", repr(value))
    _property(properties, f"{prefix}.message", gate.message)


def _comparison_properties(properties: ET.Element, comparison: Comparison) -> None:
    """Add the difference from one base; the baseline's cell, often of the same id, is `baseline`."""
    prefix = "vs.baseline" if comparison.kind == "baseline" else f"vs.{comparison.base}"
    _property(properties, f"{prefix}.difference", repr(comparison.top1.value))
    _property(properties, f"{prefix}.low", repr(comparison.top1.low))
    _property(properties, f"{prefix}.high", repr(comparison.top1.high))
    if comparison.p_value is not None:
        _property(properties, f"{prefix}.p", repr(comparison.p_value))
    _property(properties, f"{prefix}.newly_wrong", str(comparison.n_newly_wrong))
    _property(properties, f"{prefix}.newly_right", str(comparison.n_newly_right))


def _headline(failed: list[GateResult]) -> str:
    if len(failed) == 1:
        return gate_sentence(failed[0])
    gates = stated_gates(failed)
    if len(gates) == 1:
        return f"{limit_name(failed[0])}: {count(len(failed), 'class', 'classes')} not passed"
    return f"{count(len(gates), 'gate')} not passed"


def _lost_cases(record: RunRecord, baseline: BaselineUse) -> list[ET.Element]:
    lost = [
        (cell, "the baseline has this cell, the suite does not") for cell in baseline.missing_cells
    ]
    lost += [
        (then, f"the baseline has this cell, the suite has it as '{now}'")
        for then, now in baseline.renamed_cells
    ]
    cases = []
    for cell, message in lost:
        case = _new_case(record, item_name_of(cell), time_s=0.0)
        _problem(case, "failure", message, [message])
        cases.append(case)
    return cases


def _error_case(record: RunRecord, error: CellError) -> ET.Element:
    case = _new_case(record, item_name_of(error.id), time_s=0.0)
    first_line = error.message.splitlines()[0] if error.message.strip() else "no message"
    _problem(case, "error", first_line, [error.message])
    return case


def _missing_case(record: RunRecord, cell_id: str) -> ET.Element:
    case = _new_case(record, item_name_of(cell_id), time_s=0.0)
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
