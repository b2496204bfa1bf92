"""junit.xml: one case per cell, nothing skipped."""

from __future__ import annotations

from xml.etree import ElementTree as ET

import pytest

from clipeval.records import CellError
from clipeval.report import render_junit, render_summary
from clipeval.report.names import result_item_name
from tests.report.conftest import (
    make_baseline,
    make_cell,
    make_comparison,
    make_dataset,
    make_gate,
    make_model,
    make_reproduced_comparison,
    make_run,
)


def suite_of(run):
    root = ET.fromstring(render_junit(run))
    assert root.tag == "testsuites"
    return root.find("testsuite")


def test_counts_and_names_follow_the_cells(quickstart):
    suite = suite_of(quickstart)
    assert {k: suite.get(k) for k in ("name", "tests", "failures", "errors", "skipped")} == {
        "name": "quickstart", "tests": "5", "failures": "1", "errors": "0", "skipped": "0",
    }  # fmt: skip
    cases = suite.findall("testcase")
    assert cases[0].get("classname") == "quickstart"
    assert [one.get("name") for one in cases] == [
        "digits[tiny-photo]", "digits[tiny-number]", "digits[tiny-bare]", "ink[tiny-photo]", "ink[tiny-bare]",
    ]  # fmt: skip


def test_time_leaves_rates_out(quickstart):
    assert suite_of(quickstart).find("testcase").get("time") == "3.750"


def properties_of(case):
    return {one.get("name"): one.get("value") for one in case.iter("property")}


def test_failure_lists_the_failed_gates_and_system_out_the_open_ones():
    gates = (
        make_gate(state="fail", value=0.5, low=0.4, high=0.6, message="too low"),
        make_gate(metric="nll", kind="max", limit=0.3, value=0.45, low=None, high=None, state="inconclusive"),
        make_gate(metric="top5", state="error", value=None, message="top5 was not measured"),
        make_gate(),
    )  # fmt: skip
    case = suite_of(make_run([make_cell(gates=gates)])).find("testcase")
    failure = case.find("failure")
    assert failure.get("message") == "2 gates not passed"
    assert failure.text.splitlines() == ["fail: too low", "error: top5 was not measured"]
    assert case.find("system-out").text == "inconclusive: NLL 0.450, limit ≤ 0.300"


def test_failure_of_several_classes_counts_limits():
    classes = [
        make_gate(metric="recall", class_name=name, state="fail", message=name) for name in "ab"
    ]
    drop = make_gate(kind="max_drop", state="fail", message="dropped")

    def failure_of(*gates):
        return suite_of(make_run([make_cell(gates=gates)])).find("testcase").find("failure")

    one, two = failure_of(*classes), failure_of(*classes, drop)
    assert (one.get("message"), one.text) == (
        "Recall ≥ 75.0%: 2 classes not passed",
        "fail: a\nfail: b",
    )
    assert two.get("message") == "2 gates not passed"


def test_case_whose_gates_are_open_passes_and_says_so():
    gate = make_gate(
        kind="max_drop", limit=0.01, value=-0.006, low=-0.02, high=0.008, state="inconclusive",
        against="baseline",
    )  # fmt: skip
    suite = suite_of(make_run([make_cell(gates=(gate, gate, make_gate()))], verdict="inconclusive"))
    case = suite.find("testcase")
    sentence = (
        "inconclusive: Top-1 drop \N{MINUS SIGN}0.6 points [\N{MINUS SIGN}2.0, +0.8] against baseline, "
        "limit drop ≤ 1.0 points"
    )
    assert suite.get("failures") == "0"
    assert case.find("failure") is None
    assert case.find("system-out").text == f"{sentence}\n{sentence}"
    assert properties_of(case)["inconclusive"] == f"{sentence}; {sentence}"


def test_gates_are_numbered_properties():
    gate = make_gate(
        kind="max_negative_flip_rate", limit=0.02, value=0.0456, low=None, high=0.0588, state="fail",
        against="digits/tiny/bare", message="41 newly wrong",
    )  # fmt: skip
    found = properties_of(
        suite_of(make_run([make_cell(gates=(make_gate(), gate))])).find("testcase")
    )
    assert {key: found[key] for key in found if key.startswith("gate.2.")} == {
        "gate.2.name": "Newly wrong", "gate.2.against": "digits/tiny/bare", "gate.2.state": "fail",
        "gate.2.value": "0.0456", "gate.2.high": "0.0588", "gate.2.limit": "0.02",
        "gate.2.message": "41 newly wrong",
    }  # fmt: skip
    assert (found["gate.1.state"], found["gate.1.limit"]) == ("pass", "0.75")
    assert "inconclusive" not in found


def test_comparisons_are_properties_of_their_candidate():
    cells = [make_cell(), make_cell(template="bare")]
    comparisons = (
        make_comparison(candidate="digits/tiny/bare", base="digits/tiny/bare"),
        make_comparison(kind="template", candidate="digits/tiny/bare", p_value=0.5),
        make_reproduced_comparison(),
    )
    cases = suite_of(make_run(cells, comparisons=comparisons)).findall("testcase")
    found = properties_of(cases[1])
    assert {key: found[key] for key in found if key.startswith("vs.")} == {
        "vs.baseline.difference": "-0.023", "vs.baseline.low": "-0.039", "vs.baseline.high": "-0.008",
        "vs.baseline.p": "0.0073", "vs.baseline.newly_wrong": "41", "vs.baseline.newly_right": "20",
        "vs.digits/tiny/photo.difference": "-0.023", "vs.digits/tiny/photo.low": "-0.039",
        "vs.digits/tiny/photo.high": "-0.008", "vs.digits/tiny/photo.p": "0.5",
        "vs.digits/tiny/photo.newly_wrong": "41", "vs.digits/tiny/photo.newly_right": "20",
    }  # fmt: skip
    reproduced = properties_of(cases[0])
    assert reproduced["vs.baseline.difference"] == "0.0"
    assert "vs.baseline.p" not in reproduced


def test_lost_cells_of_the_baseline_are_failures():
    baseline = make_baseline(
        missing_cells=("digits/tiny/plate",),
        renamed_cells=(("digits/tiny/pic", "digits/tiny/photo"),),
        skipped_cells=("ink/tiny/photo",),
        new_cells=("digits/tiny/photo",),
    )
    suite = suite_of(make_run([make_cell()], verdict="fail", baseline=baseline))
    assert (suite.get("tests"), suite.get("failures"), suite.get("errors")) == ("3", "2", "0")
    lost = suite.findall("testcase")[1:]
    assert [(one.get("name"), one.find("failure").get("message")) for one in lost] == [
        ("digits[tiny-plate]", "the baseline has this cell, the suite does not"),
        ("digits[tiny-pic]", "the baseline has this cell, the suite has it as 'digits/tiny/photo'"),
    ]


def test_metrics_are_properties_with_all_their_digits(quickstart):
    found = {
        one.get("name"): one.get("value")
        for one in suite_of(quickstart).find("testcase").iter("property")
    }
    assert found["cell"] == "digits/tiny/photo"
    assert float(found["top1"]) == 0.8
    assert float(found["top1.low"]) == quickstart.cells[0].metrics["top1"].low
    assert found["macro_f1"] == "0.7654321"
    assert "macro_f1.low" not in found


def test_lost_cells_are_no_failure_where_no_gate_relies_on_the_baseline():
    baseline = make_baseline(missing_cells=("digits/tiny/plate",), is_gated=False)
    record = make_run([make_cell()], baseline=baseline)
    assert "<failure" not in render_junit(record)
    assert "gone from the suite" in render_summary(record)
    assert "**In the baseline, gone" not in render_summary(record)


def test_errors_and_missing_cells_are_errors():
    cell = make_cell()
    run = make_run(
        [cell], status="partial", verdict="error",
        planned_cells=(cell.id, "digits/tiny/bare", "ink/ViT-B-32/openai/photo@cuda:0-bf16"),
        errors=(CellError(id="digits/tiny/bare", message="out of memory\ndetails"),),
    )  # fmt: skip
    suite = suite_of(run)
    assert (suite.get("tests"), suite.get("errors"), suite.get("failures")) == ("3", "2", "0")
    cases = suite.findall("testcase")
    assert cases[1].find("error").get("message") == "out of memory"
    assert cases[2].get("name") == "ink[ViT-B-32/openai-photo-cuda:0-bf16]"
    assert "before this cell was evaluated" in cases[2].find("error").get("message")


@pytest.mark.parametrize("hostile", ["\x00", "\x1b[31m", "\ufffe", "\ud800", "]]>", "<b>&\"'"])
def test_hostile_names_leave_well_formed_xml(hostile):
    dataset = make_dataset(f"d{hostile}")
    cell = make_cell(dataset=dataset, gates=(make_gate(state="fail", message=f"m{hostile}"),))
    error = CellError(id=f"e/{hostile}/t", message=hostile)
    comparison = make_comparison(kind="template", base=hostile, candidate=cell.id)
    baseline = make_baseline(missing_cells=(hostile,), renamed_cells=((hostile, hostile),))
    run = make_run(
        [cell], suite=f"s{hostile}", errors=(error,), comparisons=(comparison,), baseline=baseline
    )
    root = ET.fromstring(render_junit(run).encode("utf-8"))
    assert root.find("testsuite").get("tests") == "4"


def test_same_run_gives_same_text(quickstart):
    assert render_junit(quickstart) == render_junit(quickstart)


def test_item_name_of_a_result_uses_its_parts():
    cell = make_cell(template="a/b", model=make_model(id="RN50/openai"), suffix="@cpu-fp32")
    assert result_item_name(cell) == "digits[RN50/openai-a/b-cpu-fp32]"
