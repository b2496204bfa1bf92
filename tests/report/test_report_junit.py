"""junit.xml: one case per cell, nothing skipped."""

from __future__ import annotations

from xml.etree import ElementTree as ET

import pytest

from clipeval.records import CellError
from clipeval.report import render_junit
from clipeval.report.names import item_name, result_item_name
from tests.report.conftest import make_cell, make_dataset, make_gate, make_model, make_run


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


def test_failure_lists_every_gate_that_did_not_pass():
    gates = (
        make_gate(state="fail", value=0.5, low=0.4, high=0.6, message="too low"),
        make_gate(metric="nll", kind="max", limit=0.3, value=0.45, low=None, high=None, state="inconclusive"),
        make_gate(),
    )  # fmt: skip
    failure = suite_of(make_run([make_cell(gates=gates)])).find("testcase/failure")
    assert failure.get("message") == "2 gates not passed"
    assert failure.text.splitlines() == [
        "fail: too low",
        "inconclusive: NLL 0.450, limit ≤ 0.300",
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
    text = render_junit(make_run([cell], suite=f"s{hostile}", errors=(error,)))
    root = ET.fromstring(text.encode("utf-8"))
    assert root.find("testsuite").get("tests") == "2"


def test_same_run_gives_same_text(quickstart):
    assert render_junit(quickstart) == render_junit(quickstart)


@pytest.mark.parametrize(
    ("cell_id", "name"),
    [
        ("digits/tiny/photo", "digits[tiny-photo]"),
        ("food/ViT-B-32/openai/plate", "food[ViT-B-32/openai-plate]"),
        ("digits/tiny/photo@cpu-fp32", "digits[tiny-photo-cpu-fp32]"),
        ("digits/tiny/at@home", "digits[tiny-at@home]"),
        ("odd", "odd"),
    ],
)
def test_item_name_of_a_cell_that_did_not_run(cell_id, name):
    assert item_name(cell_id) == name


def test_item_name_of_a_result_uses_its_parts():
    cell = make_cell(template="a/b", model=make_model(id="RN50/openai"), suffix="@cpu-fp32")
    assert result_item_name(cell) == "digits[RN50/openai-a/b-cpu-fp32]"
