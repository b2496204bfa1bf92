"""Run by tests in a process of its own: `python store_process.py TASK FOLDER`.

kill-fresh, kill-over   write a run once per file-system call, killed by SIGKILL just before the call
part                    add the second cell of the made run, as a worker of pytest-xdist does
cache                   read and write a small cache many times, checking every array
"""

from __future__ import annotations

import os
import shutil
import signal
import sys
from pathlib import Path
from typing import Any

import numpy as np
from conftest import make_run, write_made_run

from clipeval.store import EmbeddingCache, cache_key, write_part

WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT
CHANGES = {"os.rename", "os.remove", "os.mkdir", "os.rmdir", "shutil.rmtree", "os.truncate"}
NEW = make_run("new")
OLD = make_run("old", cell_ids=("food/old/photo", "food/old/plate"), class_names=("x", "y"))


def kill_before_call(number: int, folder: Path) -> None:
    """Let this process die just before its nth change of a name, or opening of a file to write."""
    calls = 0

    def watch(event: str, arguments: tuple[Any, ...]) -> None:
        nonlocal calls
        in_folder = str(arguments[0] if arguments else "").startswith(str(folder))
        if event in CHANGES or (event == "open" and in_folder and int(arguments[2]) & WRITING):
            calls += 1
            if calls == number:
                os.kill(os.getpid(), signal.SIGKILL)

    sys.addaudithook(watch)


def write_until_killed(folder: Path, number: int) -> bool:
    """Write the new run in a child that dies before call `number`; say whether it did die."""
    child = os.fork()
    if child == 0:
        kill_before_call(number, folder)
        write_made_run(folder, NEW)
        os._exit(0)
    _, status = os.waitpid(child, 0)
    if os.WIFSIGNALED(status):
        return True
    if os.WEXITSTATUS(status) != 0:
        sys.exit(f"writing failed before call {number}")
    return False


def kill_everywhere(root: Path, *, over_earlier_run: bool) -> None:
    # Written in every case: pyarrow imports pandas on first use, once here rather than in each child.
    earlier = root / "earlier"
    write_made_run(earlier, OLD)
    number, was_killed = 0, True
    while was_killed:
        number += 1
        folder = root / f"killed-{number:03d}"
        if over_earlier_run:
            shutil.copytree(earlier, folder)
        was_killed = write_until_killed(folder, number)


def add_second_part(folder: Path) -> None:
    cell = make_run().record.cells[1]
    made = make_run()
    write_part(folder, cell, made.predictions[cell.id], made.thumbnails[cell.id])


def use_cache(root: Path) -> None:
    cache = EmbeddingCache(root, max_bytes=6_000)
    for step in range(120):
        number = step % 7
        expected = np.full((20, 10), number, dtype=np.float32)
        stored = cache.get(cache_key(number=str(number)))
        if stored is None:
            cache.put(cache_key(number=str(number)), expected)
        else:
            np.testing.assert_array_equal(stored, expected)
    if cache.notices:
        sys.exit(str(cache.notices))


if __name__ == "__main__":
    task, place = sys.argv[1], Path(sys.argv[2])
    if task.startswith("kill-"):
        kill_everywhere(place, over_earlier_run=task == "kill-over")
    elif task == "part":
        add_second_part(place)
    else:
        use_cache(place)
