"""The documentation names commands, options, fields and files that exist."""

import re
import shlex
from dataclasses import fields
from pathlib import Path

import pytest
import typer
import yaml

from clipeval.cli.app import app
from clipeval.cli.variadic import expand_lists
from clipeval.pytest_plugin import pytest_addoption
from clipeval.records import BaselineUse, Comparison, Difference, GateResult, Holdout
from clipeval.records.comparisons import ClassDifference, Flip, Reproduction

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]
USER_PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
names = pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))


def text_of(page):
    return page.read_text(encoding="utf-8")


def code_of(text):
    """Fenced and indented code blocks, lines that end in a backslash joined."""
    fenced = re.findall(r"```[^\n]*\n(.*?)```", text, re.DOTALL)
    outside = re.sub(r"```.*?```", "", text, flags=re.DOTALL)
    indented = re.findall(r"^ {4}(.*)$", outside, re.MULTILINE)
    return re.sub(r"\\\n\s*", "", "\n".join([*fenced, *indented]))


def commands_of(text, program):
    """Command lines of a program in code blocks, comments and prompts taken off."""
    lines = (line.strip().removeprefix("$ ") for line in code_of(text).splitlines())
    found = [line for line in lines if line.startswith(f"{program} ")]
    return [shlex.split(line, comments=True) for line in found]


def inline_commands_of(text, program):
    """Command lines of a program inside sentences."""
    outside = re.sub(r"```.*?```", "", text, flags=re.DOTALL)
    found = re.findall(rf"(?<!`)`({program} [^`]+)`", outside)
    return [shlex.split(line) for line in found]


def anchors_of(text):
    """Anchors that GitHub makes of headings."""
    headings = re.findall(
        r"^#+ (.+)$", re.sub(r"```.*?```", "", text, flags=re.DOTALL), re.MULTILINE
    )
    plain = [re.sub(r"[^\w\- ]", "", heading.lower()) for heading in headings]
    return {heading.replace(" ", "-") for heading in plain}


def parse(words, *, may_be_a_name=False):
    """Let the command line parse an invocation, without running it."""
    command, rest = typer.main.get_command(app), expand_lists(words)
    while hasattr(command, "commands"):
        command, rest = command.commands[rest[0]], rest[1:]
    if rest or not may_be_a_name:
        command.make_context(command.name, list(rest))


def invocations(find):
    return [
        pytest.param(words[1:], id=f"{page.name}: {' '.join(words)}")
        for page in USER_PAGES
        for words in find(text_of(page), "clipeval")
    ]


class TestCommands:
    """What the pages tell people to type is accepted."""

    @pytest.mark.parametrize("words", invocations(commands_of))
    def test_a_command_line_parses(self, words):
        parse(words)

    @pytest.mark.parametrize("words", invocations(inline_commands_of))
    def test_a_command_in_a_sentence_parses(self, words):
        parse(words, may_be_a_name=True)

    def test_there_are_some(self):
        assert len(invocations(commands_of)) > 10
        assert len(invocations(inline_commands_of)) > 20

    def test_an_option_that_does_not_exist_is_noticed(self):
        with pytest.raises(Exception, match="No such option"):
            parse(["run", "suites/quickstart.yaml", "--marign", "0.1"])

    @names
    def test_options_of_the_plugin_exist(self, page):
        class Parser:
            known = ()

            def getgroup(self, *_):
                return self

            def addoption(self, name, **_):
                self.known = (*self.known, name)

        parser = Parser()
        pytest_addoption(parser)
        assert set(re.findall(r"--clipeval-[a-z-]*[a-z]", text_of(page))) <= set(parser.known)


class TestLinks:
    """No link leads nowhere."""

    @names
    def test_every_relative_link_resolves(self, page):
        links = re.findall(r"\]\(([^)\s]+)\)", text_of(page))
        broken = []
        for link in links:
            if re.match(r"[a-z]+:", link):
                continue
            path, _, anchor = link.partition("#")
            target = page if not path else page.parent / path
            is_page = target.suffix == ".md" and target.is_file()
            if not target.exists() or (
                anchor and is_page and anchor not in anchors_of(text_of(target))
            ):
                broken.append(link)
        assert broken == []


class TestReference:
    """docs/comparisons.md and docs/run-folder.md cannot go stale: each field is there by name."""

    @pytest.mark.parametrize(
        "record", [Comparison, Difference, ClassDifference, GateResult, Flip, Reproduction, Holdout]
    )
    def test_every_field_of_a_comparison_is_described(self, record):
        page = text_of(ROOT / "docs/comparisons.md")
        assert [one.name for one in fields(record) if f"`{one.name}`" not in page] == []

    def test_every_field_of_the_baseline_is_described(self):
        page = text_of(ROOT / "docs/run-folder.md")
        assert [one.name for one in fields(BaselineUse) if f"`{one.name}`" not in page] == []


class TestAction:
    """docs/ci.md describes the action as it is."""

    def test_every_input_and_output_has_a_row(self):
        action = yaml.safe_load(text_of(ROOT / "action.yml"))
        page = text_of(ROOT / "docs/ci.md")
        assert [key for key in action["inputs"] if f"| `{key}` |" not in page] == []
        assert [key for key in action["outputs"] if f"| `{key}` |" not in page] == []

    def test_the_workflow_gives_inputs_that_exist(self):
        action = yaml.safe_load(text_of(ROOT / "action.yml"))
        (example,) = re.findall(r"```yaml\n(.*?)```", text_of(ROOT / "docs/ci.md"), re.DOTALL)
        (job,) = yaml.safe_load(example)["jobs"].values()
        (step,) = (step for step in job["steps"] if "/clipeval@" in step.get("uses", ""))
        assert set(step["with"]) <= set(action["inputs"])

    def test_the_workflow_keeps_expressions_out_of_its_scripts(self):
        (example,) = re.findall(r"```yaml\n(.*?)```", text_of(ROOT / "docs/ci.md"), re.DOTALL)
        (job,) = yaml.safe_load(example)["jobs"].values()
        assert all("${{" not in step.get("run", "") for step in job["steps"])
