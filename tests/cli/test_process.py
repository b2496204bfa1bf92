"""What a process of `clipeval` does at its end, seen from outside."""

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
