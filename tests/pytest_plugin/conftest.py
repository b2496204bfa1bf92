"""A project with one small suite, and runs of pytest in it."""

import json
import os
import xml.etree.ElementTree as ET
from dataclasses import dataclass
from pathlib import Path

import pytest

# pytester forgets what a run in this process has imported, and torch cannot be imported twice.
from clipeval.api import classifying, outcomes, running, sessions, single_cells  # noqa: F401

CATALOG = """\
digits: {source: sklearn-digits, limit: 20}
ink: {source: sklearn-digits, question: ink, limit: 20}
"""
SUITE = """\
suite: small
datasets: [digits]
models: [tiny]
templates: {photo: "a photo of the number {}", bare: "{}"}
"""
TESTS = """\
import pytest

pytestmark = pytest.mark.clip(model="tiny", dataset="ink")
"""


@dataclass
class Project:
    """A folder with datasets.yaml and suites/small.yaml, in which pytest is run."""

    pytester: pytest.Pytester
    suite: str = SUITE
    """Text of suites/small.yaml."""

    @property
    def path(self) -> Path:
        return self.pytester.path

    def write(self, name, text):
        path = self.path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        return path

    def write_tests(self, name, text):
        return self.write(name, TESTS + text)

    def run(self, *args):
        """Run pytest in this process, without plugins that it would import anew each time."""
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
            return self.pytester.runpytest_inprocess("-p", "clipeval_suites", "-W", "error", *args)

    def run_apart(self, *args):
        """Run pytest as users do: in a process of its own, with the plugins that are installed."""
        return self.pytester.runpytest_subprocess("-p", "no:benchmark", *args)

    def items(self, *args):
        """Return the node ids that would run, in order."""
        result = self.run("--collect-only", "-q", *args)
        return [line for line in result.outlines if "::" in line]

    def record(self, folder="reports/small"):
        return json.loads((self.path / folder / "run.json").read_text(encoding="utf-8"))

    def cells(self, folder="reports/small"):
        return [cell["id"] for cell in self.record(folder)["cells"]]


@pytest.fixture(scope="session")
def embeddings_cache(tmp_path_factory):
    """Let all runs share embeddings: each data set is encoded once."""
    return tmp_path_factory.mktemp("cache")


@pytest.fixture
def project(pytester, monkeypatch, embeddings_cache):
    monkeypatch.setenv("CLIPEVAL_CACHE", str(embeddings_cache))
    # On a CI system pytest prints longer summaries.
    for name in ("GITHUB_STEP_SUMMARY", "CI", "BUILD_NUMBER"):
        monkeypatch.delenv(name, raising=False)
    for name in [name for name in os.environ if name.startswith("PYTEST_XDIST")]:
        monkeypatch.delenv(name)
    made = Project(pytester)
    made.write("pytest.ini", "[pytest]\n")
    made.write("datasets.yaml", CATALOG)
    made.write("suites/small.yaml", SUITE)
    return made


@pytest.fixture
def junit_properties():
    """Return test name -> its properties in a junit file."""

    def read(path):
        cases = ET.parse(path).getroot().iter("testcase")
        return {
            case.get("name"): {one.get("name"): one.get("value") for one in case.iter("property")}
            for case in cases
        }

    return read


@pytest.fixture
def junit_suite():
    """Return the `testsuite` element of a junit file."""

    def read(path):
        return ET.parse(path).getroot().find("testsuite")

    return read
