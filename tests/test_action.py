"""The composite action: every input is documented and safe, and its script does what pytest says."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
import yaml

ROOT = Path(__file__).parents[1]
ACTION = yaml.safe_load((ROOT / "action.yml").read_text(encoding="utf-8"))
STEPS = ACTION["runs"]["steps"]
SCRIPTS = {step["name"]: step["run"] for step in STEPS if "run" in step}
BASH = shutil.which("bash")
needs_bash = pytest.mark.skipif(BASH is None, reason="the action's scripts are for bash")

FAKE_PYTHON = f"""\
#!{BASH}
if [ "$1" = -m ]; then
  printf '%s\\n' "$@" > "$RECORD"
  exit "$STATUS"
fi
exec {sys.executable} "$@"
"""
SUITE = """\
suite: {name}
datasets: [few]
models: [tiny]
templates: {{photo: "a photo of the number {{}}"}}
gates: {{top1: {{min: {minimum}}}}}
"""


class TestStructure:
    """Whoever reads action.yml can tell what it takes, and no input can become a command."""

    def test_it_is_a_composite_action(self):
        assert ACTION["runs"]["using"] == "composite"
        assert all("uses" in step or step["shell"] == "bash" for step in STEPS)

    def test_every_input_and_output_is_described(self):
        for entry in [*ACTION["inputs"].values(), *ACTION["outputs"].values()]:
            assert entry["description"].strip()

    def test_every_input_has_a_default_and_is_text(self):
        # YAML would make 3.12 of "3.12", and 3.1 of "3.10".
        assert all(isinstance(entry["default"], str) for entry in ACTION["inputs"].values())

    def test_every_input_is_used_and_no_other_is(self):
        used = re.findall(r"inputs\.([\w-]+)", str(STEPS))
        assert set(used) == set(ACTION["inputs"])

    def test_no_expression_stands_inside_a_script(self):
        assert SCRIPTS
        assert [name for name, script in SCRIPTS.items() if "${{" in script] == []

    def test_scripts_read_only_variables_that_their_step_sets(self):
        for step in STEPS:
            if "run" not in step:
                continue
            own = {*step["env"], "GITHUB_OUTPUT"}
            read = set(re.findall(r"\$\{?([A-Z][A-Z_]+)", step["run"]))
            assert read <= own

    def test_reports_are_kept_whatever_happened(self):
        (upload,) = (step for step in STEPS if "upload-artifact" in step.get("uses", ""))
        assert upload["if"].startswith("always()")

    def test_outputs_come_from_a_step_that_is_there(self):
        for output in ACTION["outputs"].values():
            (step_id,) = re.findall(r"steps\.(\w+)\.outputs", output["value"])
            assert step_id in [step.get("id") for step in STEPS]


def run_script(name, folder, *, path, **variables):
    """Run a step's script as the runner does: the step's inputs at their defaults, and these."""
    (step,) = (step for step in STEPS if step.get("name") == name)
    inputs = {
        variable: ACTION["inputs"].get(found[0], {}).get("default", "")
        for variable, value in step["env"].items()
        if (found := re.findall(r"inputs\.([\w-]+)", value))
    }
    script = folder / "script.sh"
    script.write_text(step["run"], encoding="utf-8")
    inherited = {k: v for k, v in os.environ.items() if not k.startswith(("PYTEST_", "GITHUB_"))}
    environment = {
        **inherited,
        **inputs,
        "GITHUB_OUTPUT": str(folder / "output"),
        "GITHUB_STEP_SUMMARY": str(folder / "step-summary.md"),
        "PATH": f"{path}{os.pathsep}{os.environ['PATH']}",
        **variables,
    }
    return subprocess.run(
        [BASH, "--noprofile", "--norc", "-eo", "pipefail", str(script)],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )


def outputs_of(folder):
    lines = (folder / "output").read_text(encoding="utf-8").splitlines()
    return dict(line.split("=", 1) for line in lines)


@pytest.fixture
def recorder(tmp_path):
    """A `python` that writes down its arguments instead of running a module."""
    path = tmp_path / "bin"
    path.mkdir()
    (path / "python").write_text(FAKE_PYTHON, encoding="utf-8")
    (path / "python").chmod(0o755)

    def run(name, *, status=0, **variables):
        record = tmp_path / "record"
        result = run_script(
            name, tmp_path, path=path, RECORD=str(record), STATUS=str(status), **variables
        )
        return result, record.read_text(encoding="utf-8").splitlines()

    return run


@needs_bash
class TestArguments:
    """Inputs reach pytest and pip word for word."""

    def test_without_inputs_all_suites_run(self, recorder):
        _, words = recorder("Evaluate")
        assert words == ["-m", "pytest", "--junitxml=reports/junit.xml", "--", "suites/"]

    def test_inputs_become_options(self, recorder):
        _, words = recorder(
            "Evaluate",
            SUITES="suites/a.yaml\nsuites/with blank.yaml\n",
            BASELINE="accepted",
            MARGIN="0.02",
            HOLDOUT="0.5",
            ARGUMENTS="-k\nphoto or plate\n",
        )
        assert words[3:] == [
            "--clipeval-baseline=accepted",
            "--clipeval-margin=0.02",
            "--clipeval-holdout=0.5",
            "-k",
            "photo or plate",
            "--",
            "suites/a.yaml",
            "suites/with blank.yaml",
        ]

    def test_text_is_never_run(self, recorder, tmp_path):
        hostile = '"; touch pwned; $(touch pwned) `touch pwned` *'
        _, words = recorder(
            "Evaluate", SUITES=hostile, BASELINE=hostile, MARGIN=hostile, ARGUMENTS=hostile
        )
        assert words.count(hostile) == 2
        assert f"--clipeval-baseline={hostile}" in words
        assert not (tmp_path / "pwned").exists()

    @pytest.mark.parametrize("status", [0, 1, 5])
    def test_the_exit_code_is_that_of_pytest(self, recorder, status):
        result, _ = recorder("Evaluate", status=status)
        assert result.returncode == status

    def test_an_earlier_run_folder_is_not_the_verdict(self, recorder, tmp_path):
        old = tmp_path / "reports/example/run.json"
        old.parent.mkdir(parents=True)
        old.write_text('{"verdict": "pass"}', encoding="utf-8")
        os.utime(old, (0, 0))
        recorder("Evaluate", status=5)
        assert outputs_of(tmp_path)["verdict"] == "error"

    def test_the_action_installs_itself(self, recorder):
        _, words = recorder("Install clipeval", ACTION_PATH="/the/action")
        assert words == ["-m", "pip", "install", "--", "/the/action"]

    def test_another_version_can_be_installed(self, recorder):
        _, words = recorder(
            "Install clipeval", INSTALL="clipeval[hf]==9.9\npillow<99", ACTION_PATH="/the/action"
        )
        assert words == ["-m", "pip", "install", "--", "clipeval[hf]==9.9", "pillow<99"]


@needs_bash
@pytest.mark.timeout(300)
def test_a_project_is_evaluated(tmp_path):
    (tmp_path / "suites").mkdir()
    for name, minimum in (("kept", 0.5), ("missed", 1.0)):
        suite = SUITE.format(name=name, minimum=minimum)
        (tmp_path / f"suites/{name}.yaml").write_text(suite, encoding="utf-8")
    (tmp_path / "datasets.yaml").write_text(
        "few: {source: sklearn-digits, split: test, limit: 20}\n", encoding="utf-8"
    )
    result = run_script(
        "Evaluate",
        tmp_path,
        path=Path(sys.executable).parent,
        ARGUMENTS="-k\nphoto",
        CLIPEVAL_CACHE=str(tmp_path / "cache"),
    )
    assert result.returncode == 1, result.stdout + result.stderr
    assert outputs_of(tmp_path) == {"verdict": "fail", "reports": str(tmp_path / "reports")}
    assert (tmp_path / "reports/kept/report.html").is_file()
    junit = ET.parse(tmp_path / "reports/junit.xml").find("testsuite")
    assert (junit.get("tests"), junit.get("failures"), junit.get("errors")) == ("2", "1", "0")
    summary = (tmp_path / "step-summary.md").read_text(encoding="utf-8")
    assert "**PASS** kept: 1 cell, 20 images" in summary
    assert "**FAIL** missed: 1 cell, 20 images" in summary
