"""What a process of `clipeval` does at its end, seen from outside."""

import os
import subprocess
import sys

import pytest

PROGRAM = """
import atexit, sys
from clipeval.cli import app, process
atexit.register(lambda: print("exit handler"))
def main():
    print("said", end="")
    {body}
process.main = main
process.run_process()
"""


def ended(body, **options):
    program = PROGRAM.format(body=body)
    return subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False, **options
    )


@pytest.mark.parametrize(
    ("body", "code"),
    [("pass", 0), ("sys.exit()", 0), ("sys.exit(1)", 1), ("sys.exit(2)", 2), ("sys.exit('x')", 1)],
)
def test_exit_codes_output_and_exit_handlers_are_as_ever(body, code):
    done = ended(body)
    assert done.returncode == code
    assert done.stdout == "saidexit handler\n"


@pytest.mark.parametrize("closed", ["1", "2"])
def test_a_stream_that_was_closed_before_is_no_error(closed):
    command = f"exec {closed}>&-; exec '{sys.executable}' -m clipeval list templates"
    done = subprocess.run(["sh", "-c", command], capture_output=True, text=True, check=False)
    assert (done.returncode, "Traceback" in done.stderr) == (0, False)


def test_a_usage_error_with_nobody_to_tell_is_one_still():
    command = f"exec 2>&-; exec '{sys.executable}' -m clipeval validate nothing.yaml"
    done = subprocess.run(["sh", "-c", command], capture_output=True, text=True, check=False)
    assert done.returncode == 2


def test_a_reader_that_has_gone_is_not_a_gate_that_failed():
    """Nobody ever reads: the other end of the pipe is closed before anything is written."""
    read, write = os.pipe()
    os.close(read)
    done = subprocess.run(
        [sys.executable, "-m", "clipeval", "schema", "suite"], stdout=write, stderr=subprocess.PIPE,
        check=False,
    )  # fmt: skip
    os.close(write)
    assert done.returncode == 130
    assert b"Traceback" not in done.stderr


def test_a_thread_that_still_works_is_not_waited_for():
    body = "import threading, time; threading.Thread(target=lambda: time.sleep(60)).start()"
    assert ended(body, timeout=30).returncode == 0


@pytest.mark.skipif(sys.platform != "linux", reason="/dev/full is Linux's")
def test_output_that_cannot_be_written_is_no_success():
    with open("/dev/full", "w") as full:  # noqa: PTH123
        done = subprocess.run(
            [sys.executable, "-m", "clipeval", "--version"], stdout=full, stderr=subprocess.PIPE,
            check=False,
        )  # fmt: skip
    assert done.returncode == 2
    assert b"output cannot be written: No space left on device" in done.stderr
    assert b"Traceback" not in done.stderr
