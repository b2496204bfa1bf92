"""pytest's own junit file: what cells were compared with, and what stays as pytest wrote it."""

import xml.etree.ElementTree as ET

import pytest

COMPARED = "reference: {template: photo}\n"
TEST = """\
def test_two(zero_shot):
    zero_shot("the {}", dataset="digits")
    zero_shot("number {}", dataset="digits")

def test_none():
    pass
"""


@pytest.fixture
def compared(project):
    """The small suite with a reference, and a test in Python that joins it."""
    project.write("suites/small.yaml", project.suite + COMPARED)
    marked = 'pytestmark = pytest.mark.clip(model="tiny", dataset="digits", suite="small")\n'
    project.write("suites/test_more.py", "import pytest\n\n" + marked + TEST)


def check(project, properties):
    """Compare properties of each test with what run.json says."""
    record = project.record()
    bases = [(one["candidate"], one["base"]) for one in record["comparisons"]]
    photo = "digits/tiny/photo"
    assert bases == [(f"digits/tiny/{name}", photo) for name in ("bare", "the", "number")]
    by_cell = {one["candidate"]: one for one in record["comparisons"]}
    assert not any("comparison" in name for name in properties["digits[tiny-photo]"])
    assert properties["test_none"] == {}
    for test, number, cell in (
        ("digits[tiny-bare]", 1, "digits/tiny/bare"),
        ("test_two", 1, "digits/tiny/the"),
        ("test_two", 2, "digits/tiny/number"),
    ):
        found, one = properties[test], by_cell[cell]
        start = f"comparison_{number}"
        assert found[start] == f"{cell} against {photo}: {one['message']}"
        assert found[f"{start}_against"] == photo
        for name, value in (
            ("difference", one["top1"]["value"]),
            ("low", one["top1"]["low"]),
            ("high", one["top1"]["high"]),
            ("p_value", one["p_value"]),
            ("q_value", one["q_value"]),
            ("newly_wrong", one["n_newly_wrong"]),
            ("newly_right", one["n_newly_right"]),
        ):
            assert float(found[f"{start}_{name}"]) == value
        assert found["clipeval_suite"] == "small"


def test_comparisons_are_properties_of_the_tests_that_evaluated_the_cells(
    project, compared, junit_properties
):
    project.write(
        "suites/conftest.py",
        "import os, pytest\n\n@pytest.fixture(autouse=True)\ndef wander():\n    os.chdir('/')\n",
    )
    result = project.run("--junitxml=out/junit.xml")
    result.assert_outcomes(passed=4)
    assert "note junit" not in result.stdout.str()
    check(project, junit_properties(project.path / "out/junit.xml"))


def test_comparisons_come_together_from_workers(project, compared, junit_properties):
    project.run_apart("-n", "2", "--junitxml=junit.xml").assert_outcomes(passed=4)
    properties = junit_properties(project.path / "junit.xml")
    # The order of cells that workers evaluated is theirs.
    record = project.record()
    for one in record["comparisons"]:
        assert any(one["message"] in text for of in properties.values() for text in of.values())
    assert properties["digits[tiny-bare]"]["comparison_1_against"] == "digits/tiny/photo"
    assert {properties["test_two"][f"comparison_{number}_against"] for number in (1, 2)} == {
        "digits/tiny/photo"
    }


def test_two_suites_with_cells_of_one_name_keep_their_comparisons_apart(
    project, compared, junit_suite
):
    other = project.suite.replace("small", "other").replace('"{}"', '"the {}"')
    project.write("suites/other.yaml", other)
    project.run("--junitxml=junit.xml").assert_outcomes(passed=6)
    for case in junit_suite(project.path / "junit.xml").findall("testcase"):
        names = [one.get("name") for one in case.iter("property")]
        is_compared = case.get("classname") != "suites.other.yaml" and case.get("name") in {
            "digits[tiny-bare]", "test_two",
        }  # fmt: skip
        assert ("comparison_1" in names) == is_compared


def test_a_run_without_comparisons_leaves_the_file_as_it_is(project, junit_suite):
    project.run("--junitxml=junit.xml").assert_outcomes(passed=2)
    suite = junit_suite(project.path / "junit.xml")
    assert suite.get("tests") == "2"
    assert "comparison_1" not in ET.tostring(suite, encoding="unicode")


def test_a_file_that_is_no_junit_by_then_is_a_note(project, compared):
    project.write(
        "suites/conftest.py",
        "import pathlib, pytest\n\n@pytest.hookimpl(trylast=True)\n"
        "def pytest_sessionfinish():\n    pathlib.Path('junit.xml').write_text('no xml')\n",
    )
    result = project.run("--junitxml=junit.xml")
    assert result.ret == pytest.ExitCode.OK
    result.stdout.fnmatch_lines(["note junit: *junit.xml: comparisons are not added to junit: *"])
