"""`clipeval` as a process of its own: what only that may decide, for all of the process.

Importing torch and its like makes half a million objects that stay. Python would look through them for
garbage again and again while they are made, and once more before it ends: seconds of every run.
"""

from __future__ import annotations

import atexit
import gc
import os
import sys
from typing import NoReturn

from clipeval.cli.app import main

GC_THRESHOLDS = (100_000, 20, 100)
"""New objects until Python looks for garbage among them, and how often it does until it looks among older
ones; Python's own are 700 (2,000 since 3.14), 10 and 10."""
EXIT_UNFLUSHED = 120
"""What Python itself exits with when the last of its output cannot be written."""


def run_process() -> NoReturn:
    """Run the command line of this process, and end it."""
    gc.set_threshold(*GC_THRESHOLDS)
    code: object = 0
    try:
        main()
    except SystemExit as leaving:
        code = leaving.code
    _leave(code if isinstance(code, int) else int(code is not None))


def _leave(code: int) -> NoReturn:
    """End the process: exit handlers and output as ever, without taking every object apart.

    All that clipeval writes is written by then.
    """
    atexit._run_exitfuncs()  # noqa: SLF001 (what multiprocessing's children end with, too)
    for stream in (sys.stdout, sys.stderr):
        if stream is None:  # it was closed when the process began
            continue
        try:
            stream.flush()
        except (OSError, ValueError):  # nobody reads it, or it is closed
            code = code or EXIT_UNFLUSHED
    os._exit(code)
