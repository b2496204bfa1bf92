"""What only a process of its own can show: signals, exit codes, and what is imported."""

import json
import os
import signal
import subprocess
import sys
import time

import pytest
from PIL import Image

TIMEOUT_S = 180
N_CELLS = 400
# A shell that runs tests in the background has its children ignore ^C.
INTERRUPTIBLE = """
import signal
import sys
signal.signal(signal.SIGINT, signal.default_int_handler)
from clipeval.cli import main
main(sys.argv[1:])
"""
TORCH_FREE = """
import sys
from clipeval.cli import main

for words in {commands!r}:
    try:
        main(words)
    except SystemExit as leaving:
        assert not leaving.code, (words, leaving.code)
    loaded = [name for name in ("torch", "torchvision", "open_clip", "pytest") if name in sys.modules]
    assert not loaded, (words, loaded)
"""


@pytest.fixture
def environment(tmp_path):
    folders = {"CLIPEVAL_CACHE": str(tmp_path / "cache"), "CLIPEVAL_DATA": str(tmp_path / "data")}
    return os.environ | folders


def suite_of_many_cells(folder, name):
    templates = "".join(f"  t{i}: 'the number {{}} {i}'\n" for i in range(N_CELLS))
    path = folder / f"{name}.yaml"
    path.write_text(f"suite: {name}\ndatasets: [digits]\nmodels: [tiny]\ntemplates:\n{templates}")
    return path


def start(suite, environment):
    return subprocess.Popen(
        [sys.executable, "-c", INTERRUPTIBLE, "run", suite.name, "--limit", "20"],
        cwd=suite.parent,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def stop(process, suite, number):
    """Send a signal once the first cell is there; return how the process ended, and run.json."""
    record = suite.parent / "reports" / suite.stem / "run.json"
    deadline = time.monotonic() + TIMEOUT_S
    while not (record.is_file() and json.loads(record.read_text())["cells"]):
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.02)
    process.send_signal(number)
    out, err = process.communicate(timeout=TIMEOUT_S)
    return process.returncode, out, err, json.loads(record.read_text())


@pytest.mark.skipif(sys.platform == "win32", reason="signals are POSIX")
def test_a_killed_run_reads_as_partial_and_an_interrupted_one_says_so(tmp_path, environment):
    suites = [suite_of_many_cells(tmp_path, name) for name in ("killed", "interrupted")]
    killed, interrupted = (
        start(suite, environment) for suite in suites
    )  # side by side: they are slow

    code, _, _, record = stop(killed, suites[0], signal.SIGKILL)
    assert code == -signal.SIGKILL
    assert record["status"] == "partial"
    assert 0 < len(record["cells"]) < N_CELLS

    code, out, err, record = stop(interrupted, suites[1], signal.SIGINT)
    assert (code, out) == (130, "")
    assert err.splitlines() == ["error: interrupted"]
    assert record["status"] == "partial"
    assert 0 < len(record["cells"]) < N_CELLS
    folder = tmp_path / "reports" / "interrupted"
    assert {"report.html", "summary.md", "junit.xml", "predictions.parquet"} <= {
        path.name for path in folder.iterdir()
    }


def test_a_defect_is_not_taken_for_a_failed_gate(tmp_path, environment):
    """An exception that nobody foresaw: a double in place of the api that raises one."""
    broken = "import sys; from clipeval import api\nfrom clipeval.cli import main\n"
    broken += "api.validate = lambda *_, **__: 1 / 0\nmain(['validate'])"
    ended = subprocess.run(
        [sys.executable, "-c", broken],
        cwd=tmp_path, env=environment, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert ended.returncode == 70
    assert "ZeroDivisionError" in ended.stderr
    assert "please report" in ended.stderr


def test_a_pipe_in_another_encoding_gets_numbers_for_characters(tmp_path, environment):
    image = tmp_path / "라면.png"
    Image.new("RGB", (8, 8)).save(image)
    words = ["classify", image.name, "--model", "tiny", "--class", "ramen", "pizza"]
    ascii_only = environment | {"PYTHONIOENCODING": "ascii"}
    table, as_json = (
        subprocess.run(
            [sys.executable, "-m", "clipeval", *words, *more],
            cwd=tmp_path, env=ascii_only, capture_output=True, text=True, check=False,
        )
        for more in ([], ["--json"])
    )  # fmt: skip
    assert table.returncode == as_json.returncode == 0, table.stderr + as_json.stderr
    assert "\\ub77c\\uba74.png" in table.stdout
    assert json.loads(as_json.stdout)["images"][0]["path"] == image.name


def test_an_error_is_one_message_and_exit_code_2(tmp_path, environment):
    ended = subprocess.run(
        [sys.executable, "-m", "clipeval", "validate", "none.yaml"],
        cwd=tmp_path, env=environment, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert (ended.returncode, ended.stdout) == (2, "")
    assert ended.stderr.startswith("error: none.yaml: no such suite file")


def test_what_needs_no_model_starts_without_torch(clipeval, project, environment):
    clipeval("run", "--model", "tiny", "--dataset", "digits", "--limit", "5", "--template", "a {}")
    (project / "suites").mkdir()
    (project / "suites" / "s.yaml").write_text(
        "suite: s\ndatasets: [digits]\nmodels: [tiny]\ntemplates: {t: 'a {}'}\n"
    )
    commands = [
        ["--help"], ["run", "--help"], ["validate"], ["schema", "suite"], ["schema", "datasets"],
        ["schema", "run"], ["list", "datasets"], ["list", "templates"], ["list", "suites"],
        ["cache", "info"], ["report", "reports/adhoc"], ["cache", "clear"],
    ]  # fmt: skip
    ended = subprocess.run(
        [sys.executable, "-c", TORCH_FREE.format(commands=commands)],
        cwd=project, env=environment, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert ended.returncode == 0, ended.stderr
