"""What README shows is what happens."""

import os
import re
import subprocess
import sys
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


def test_the_output_of_the_quickstart_is_what_it_prints(tmp_path):
    """Every word and number; columns may be wider elsewhere, and the run folder is another one here."""
    command = blocks("sh")[0].splitlines()[1].split()[1:]
    done = subprocess.run(
        [sys.executable, "-m", "clipeval", *command, "--out", tmp_path / "run"],
        cwd=ROOT,
        env=os.environ
        | {
            "CLIPEVAL_CACHE": str(tmp_path / "cache"),
            "GITHUB_STEP_SUMMARY": "",
            "PYTHONIOENCODING": "utf-8",
        },
        capture_output=True,
        encoding="utf-8",
        check=True,
    )
    assert (
        tmp_path / "run" / "report.html"
    ).stat().st_size <= 2_500_000  # bytes: docs/run-folder.md
    shown = words(blocks("text")[0])
    printed = words(done.stdout.replace(str(tmp_path / "run"), "reports/quickstart"))
    notes = [line for line in shown if line.startswith("note ")]
    assert notes == [line for line in words(done.stderr) if line.startswith("note ")]
    assert [line for line in shown if line not in notes] == printed


def words(text):
    """Return the lines with words in them, blanks between these made one."""
    lines = [" ".join(line.split()) for line in text.splitlines()]
    return [line for line in lines if line.strip("─ ")]


def test_every_link_leads_somewhere():
    links = re.findall(r"\]\(([^)#]+)\)", README)
    assert links
    assert [link for link in links if not (ROOT / link).exists()] == []
