"""Gates in pytest: what fails, what is inconclusive, and where it is said."""

import pytest

GATED = """\
reference: {template: photo}
gates:
  - {metric: top1, max_drop: 0.05, against: reference_template}
"""
BARE = "digits/tiny/bare"


@pytest.fixture
def gated(project):
    """Return a function that gives the suite a gate against its reference, and more text."""

    def write(more="", *, gates=GATED):
        return project.write("suites/small.yaml", project.suite + gates + more)

    return write


def last_line(result):
    return result.outlines[-1]


def test_inconclusive_passes_but_shows_as_what_it_is(project, gated, junit_properties):
    gated()
    result = project.run("-v", "--junitxml=junit.xml")
    assert result.ret == pytest.ExitCode.OK
    assert "1 passed, 1 inconclusive" in last_line(result)
    result.stdout.fnmatch_lines(
        [
            "*digits[[]tiny-photo] PASSED*",
            "*digits[[]tiny-bare] INCONCLUSIVE*",
            f"INCONCLUSIVE  {BARE}: top1 0.* neither shown nor ruled out; about * images*",
            "small: inconclusive; report: *",
        ]
    )
    (gate,) = project.record()["cells"][1]["gates"]
    found = junit_properties(project.path / "junit.xml")
    properties = found["digits[tiny-bare]"]
    assert properties["clipeval_inconclusive"] == gate["message"]
    assert properties["gate_1"] == f"inconclusive: {gate['message']}"
    for name in ("limit", "value", "low", "high"):
        assert float(properties[f"gate_1_{name}"]) == gate[name]
    assert "clipeval_inconclusive" not in found["digits[tiny-photo]"]
    assert "inconclusive" in (project.path / "reports/small/junit.xml").read_text()


def test_a_reference_that_is_deselected_is_evaluated_for_the_gate(project, gated, monkeypatch):
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(project.path / "nowhere" / "page.md"))
    gated()
    result = project.run("-k", "bare")
    assert result.ret == pytest.ExitCode.OK
    assert "1 deselected, 1 inconclusive" in last_line(result)
    result.stdout.fnmatch_lines(["suites/small.yaml [?]*", "*note no-step-summary: *nowhere*"])
    assert "error: " not in result.stdout.str()
    record = project.record()
    assert {cell["id"] for cell in record["cells"]} == {BARE, "digits/tiny/photo"}
    (gate,) = next(cell for cell in record["cells"] if cell["id"] == BARE)["gates"]
    assert (gate["state"], gate["against"]) == ("inconclusive", "digits/tiny/photo")
    assert [(one["base"], one["candidate"]) for one in record["comparisons"]] == [
        ("digits/tiny/photo", BARE)
    ]


@pytest.mark.parametrize("n_workers", [0, 2])
def test_cells_that_no_gate_judges_are_not_said_to_pass(project, gated, n_workers):
    gated()
    result = project.run_apart("-k", "photo", "-n", str(n_workers))
    assert result.ret == pytest.ExitCode.OK
    account = "none of the suite's gates applies to these cells"
    result.stdout.fnmatch_lines(
        [
            "note gate-not-applied: *small.yaml:*: it judges none of the cells that were chosen",
            f"small: done, {account}; report: *",
        ]
    )
    assert result.stdout.str().count("note gate-not-applied") == 1
    assert project.record()["verdict"] == "pass"
    summary = (project.path / "reports/small/summary.md").read_text()
    assert summary.startswith(f"**DONE** small: 1 cell, 20 images, {account}\n")
    assert "judges none of the cells that were chosen" in summary


def test_all_gates_that_failed_are_told_at_once(project, gated, junit_properties):
    gates = GATED.replace("}\n", "}\n", 1).replace(
        "_template}", "_template, on_inconclusive: fail}"
    )
    gated(
        "  - {metric: top1, max_drop: 0.06, against: reference_template}\n"
        "  - {metric: ece, max: 0, templates: [bare]}\n"
        "  - {metric: top5, min: 0.1}\n",
        gates=gates,
    )
    result = project.run("--junitxml=junit.xml")
    result.assert_outcomes(passed=1, failed=1)
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    lines = result.outlines
    start = lines.index(f"{BARE}: 2 of 4 gates failed")
    block = lines[start : start + 4]
    assert block[1].startswith("  FAIL  top1 0.")
    assert block[1].endswith("so this fails (against digits/tiny/photo)")
    assert block[2].startswith("  FAIL  ece 0.")
    assert block[3].startswith("  INCONCLUSIVE  top1 0.")
    assert "Traceback" not in result.stdout.str()
    properties = junit_properties(project.path / "junit.xml")["digits[tiny-bare]"]
    states = [properties[f"gate_{number}"].partition(":")[0] for number in (1, 2, 3, 4)]
    assert states == ["fail", "inconclusive", "fail", "pass"]
    assert project.record()["verdict"] == "fail"


@pytest.mark.parametrize(
    ("option", "text"),
    [
        ("--clipeval-margin=2", "--clipeval-margin: got the number 2; *did you mean 0.02*"),
        ("--clipeval-margin=-0.1", "--clipeval-margin: got the number -0.1; *"),
        ("--clipeval-margin=nan", "--clipeval-margin: got the number nan; *"),
        ("--clipeval-holdout=1", "--clipeval-holdout: got the number 1; *"),
    ],
)
def test_an_option_out_of_range_is_a_collection_error(project, option, text):
    result = project.run(option)
    assert result.ret == pytest.ExitCode.INTERRUPTED
    result.stdout.fnmatch_lines([f"*{text}"])
    assert "Traceback" not in result.stdout.str()
    assert not (project.path / "reports").exists()


def test_a_margin_that_is_no_number_is_a_usage_error(project):
    result = project.run("--clipeval-margin=wide")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["*--clipeval-margin: invalid float value: 'wide'*"])


def test_properties_of_other_tests_may_have_any_shape(project):
    project.write(
        "test_other.py",
        "def test_other(request):\n    request.node.user_properties.extend(['x', ('a', 'b', 'c'), 3])\n",
    )
    project.run("test_other.py").assert_outcomes(passed=1)
