"""What README shows is what happens."""

import re
from pathlib import Path

# pytester forgets what a run in this process has imported, and torch cannot be imported twice.
from clipeval.api import classifying, outcomes, sessions, single_cells  # noqa: F401

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")


def blocks(language):
    return re.findall(rf"```{language}\n(.*?)```", README, re.DOTALL)


def test_the_python_example_passes(pytester, monkeypatch):
    monkeypatch.setenv("CLIPEVAL_CACHE", str(pytester.path / "cache"))
    (example,) = blocks("python")
    pytester.makepyfile(test_example=example)
    pytester.runpytest_inprocess("-p", "no:cacheprovider").assert_outcomes(passed=1)


def test_the_suite_example_is_one(tmp_path, monkeypatch):
    from clipeval.config import load_suite

    (example,) = blocks("yaml")
    suite = tmp_path / "dishes.yaml"
    suite.write_text(example, encoding="utf-8")
    loaded = load_suite(suite, catalog=ROOT / "datasets.yaml")
    assert [template.id for template in loaded.templates] == ["photo", "plate", "openai"]


def test_the_first_commands_name_files_that_are_there():
    install, run = blocks("sh")[0].splitlines()
    assert install.startswith("pip install .")
    assert (ROOT / run.removeprefix("clipeval run ")).is_file()


def test_every_link_leads_somewhere():
    links = re.findall(r"\]\(([^)#]+)\)", README)
    assert links
    assert [link for link in links if not (ROOT / link).exists()] == []
