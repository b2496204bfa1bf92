"""Which files are suites, and which items they become."""

import subprocess
import sys

import pytest

PHOTO = "suites/small.yaml::digits[tiny-photo]"
BARE = "suites/small.yaml::digits[tiny-bare]"


def test_node_ids_name_file_data_set_model_and_template(project):
    assert project.items() == [PHOTO, BARE]


def test_a_node_id_selects_one_cell(project):
    assert project.items(BARE) == [BARE]


def test_a_node_id_without_brackets_selects_all_cells_of_a_data_set(project):
    assert project.items("suites/small.yaml::digits") == [PHOTO, BARE]


def test_node_ids_hold_from_another_folder(project, monkeypatch):
    monkeypatch.chdir(project.path / "suites")
    assert project.items("small.yaml") == [PHOTO, BARE]


def test_cells_carry_the_mark_clipeval(project):
    project.write("test_other.py", "def test_other(): pass\n")
    assert project.items("-m", "clipeval") == [PHOTO, BARE]
    assert project.items("-m", "not clipeval") == ["test_other.py::test_other"]


def test_k_selects_by_template(project):
    assert project.items("-k", "bare") == [BARE]


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("compose.yaml", b"services: {web: {image: nginx}}\n"),
        ("list.yaml", b"- suite: x\n- models: [tiny]\n"),
        ("nested.yaml", b"jobs:\n  suite: x\n  models: [tiny]\n"),
        ("helm.yaml", b"suite: deployment\ntemplates: [deployment.yaml]\ntests: []\n"),
        ("junk.yml", bytes(range(256)) * 40),
        ("empty.yaml", b""),
        ("suite.txt", b"suite: small\nmodels: [tiny]\n"),
        ("broken.yaml", b"{[}\n"),
    ],
)
def test_files_that_are_no_suites_are_ignored(project, name, content):
    (project.path / "suites" / name).write_bytes(content)
    assert project.items() == [PHOTO, BARE]


def test_a_yaml_file_that_cannot_be_opened_is_ignored(project):
    (project.path / "suites" / "gone.yaml").symlink_to(project.path / "nowhere.yaml")
    (project.path / "suites" / "folder.yaml").mkdir()
    assert project.items() == [PHOTO, BARE]


def test_a_suite_with_a_byte_order_mark_is_told_so(project):
    project.write("suites/small.yaml", "\ufeff" + project.suite)
    project.run().stdout.fnmatch_lines(["*small.yaml:1:1: *byte order mark*"])


@pytest.mark.parametrize("head", ["# yaml-language-server: $schema=x.json\n", "---\n"])
def test_a_suite_may_begin_with_something_else(project, head):
    project.write("suites/small.yaml", head + project.suite)
    assert project.items() == [PHOTO, BARE]


def test_a_suite_that_is_wrong_is_one_located_message(project):
    project.write("suites/small.yaml", project.suite.replace("[digits]", "[digist]"))
    result = project.run()
    assert result.ret == pytest.ExitCode.INTERRUPTED
    result.stdout.fnmatch_lines(["*small.yaml:2:*'digist'*did you mean 'digits'*"])
    result.stdout.no_fnmatch_line("*Traceback*")
    result.stdout.no_fnmatch_line("*suite_items.py*")


def test_a_named_file_with_the_key_suite_alone_is_told_what_it_lacks(project):
    project.write("suites/bare.yaml", "suite: bare\n")
    assert project.items() == [PHOTO, BARE]
    result = project.run("suites/bare.yaml")
    result.stdout.fnmatch_lines(["*bare.yaml*datasets*"])
    assert result.ret == pytest.ExitCode.INTERRUPTED


def test_two_suites_of_one_name_are_refused(project):
    project.write("suites/twin.yaml", project.suite)
    result = project.run()
    result.stdout.fnmatch_lines(["*twin.yaml: suite 'small' has the name of *small.yaml*"])
    result.stdout.no_fnmatch_line("*Traceback*")
    assert result.ret == pytest.ExitCode.INTERRUPTED
    assert not (project.path / "reports").exists()


def test_cells_of_one_model_are_brought_together_and_other_tests_stay(project):
    from clipeval import models

    copied = f"local-dir:{models.__path__[0]}/tiny"
    two = project.suite.replace("[tiny]", f'[tiny, "{copied}"]')
    # A model's cells are together in each suite; two suites interleave them.
    project.write("suites/a.yaml", two.replace("small", "a"))
    project.write("suites/b.yaml", two.replace("small", "b"))
    project.write("suites/test_between.py", "def test_between(): pass\n")
    ids = project.items("suites/a.yaml", "suites/test_between.py", "suites/b.yaml")
    assert ids[4] == "suites/test_between.py::test_between"
    cells = [id_ for id_ in ids if "yaml" in id_]
    assert ["[tiny-" in id_ for id_ in cells] == [True] * 4 + [False] * 4
    assert [id_.split("::")[0] for id_ in cells] == ["suites/a.yaml"] * 2 + [
        "suites/b.yaml"
    ] * 2 + ["suites/a.yaml"] * 2 + ["suites/b.yaml"] * 2


HEAVY = ("torch", "open_clip", "torchvision", "sklearn", "pyarrow", "pydantic", "numpy")
REPORT_IMPORTS = f"""\
import sys

def pytest_unconfigure(config):
    print("imported:", [name for name in {HEAVY!r} if name in sys.modules])
"""


def test_nothing_is_imported_or_said_where_there_is_no_suite(project):
    (project.path / "suites" / "small.yaml").unlink()
    project.write("conftest.py", REPORT_IMPORTS)
    project.write("compose.yaml", "services: {}\n")
    project.write("test_plain.py", "def test_plain(): pass\n")
    result = project.run_apart("-W", "error")
    result.assert_outcomes(passed=1)
    result.stdout.fnmatch_lines(["imported: []"])
    result.stdout.no_fnmatch_line("*= clipeval =*")
    assert not (project.path / "reports").exists()


def test_collecting_needs_no_torch_and_writes_nothing(project):
    project.write("conftest.py", REPORT_IMPORTS)
    result = project.run_apart("--collect-only", "-q")
    result.stdout.fnmatch_lines([PHOTO.replace("[", "[[]"), BARE.replace("[", "[[]")])
    (imported,) = [line for line in result.outlines if line.startswith("imported:")]
    assert "torch" not in imported
    assert "open_clip" not in imported
    assert not (project.path / "reports").exists()


def test_the_plugin_can_be_turned_off(project):
    project.write("test_plain.py", "def test_plain(): pass\n")
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "no:clipeval_suites", "-q"],
        cwd=project.path, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout
    assert "1 passed" in done.stdout


@pytest.mark.parametrize("n_workers", [0, 2])
def test_a_wrong_suite_ends_the_run_with_or_without_workers(project, n_workers):
    project.write("suites/zz.yaml", project.suite.replace("small", "zz") + "nonsense: 1\n")
    words = ("suites", "-n", str(n_workers))
    result = project.run_apart(*words)
    assert result.ret == pytest.ExitCode.INTERRUPTED
    result.stdout.fnmatch_lines(["*zz.yaml:5:1: *nonsense*", "*1 error during collection*"])
    assert not (project.path / "reports").exists()
    result = project.run_apart(*words, "--continue-on-collection-errors")
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    assert len(project.cells()) == 2
