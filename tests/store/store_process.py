"""Run by tests in a process of its own: `python store_process.py TASK FOLDER`.

kill-fresh, kill-over   write a run once per file-system call, killed by SIGKILL just before the call
part                    add the second cell of the made run, as a worker of pytest-xdist does
cache                   read and write a small cache many times, checking every row
kill-cache              fill a cache once per file-system call, killed just before it; check what is left
kill-cache-at-random    the same in one folder, killed at random moments, again and again
"""

from __future__ import annotations

import hashlib
import os
import random
import shutil
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from conftest import make_run, write_made_run

from clipeval.store import EmbeddingCache, cache_space, write_part
from clipeval.store import cache as cache_module

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


def dies_at(number: int, folder: Path, work: Callable[[], None]) -> bool:
    """Do something in a child that dies before call `number`; say whether it did die."""
    child = os.fork()
    if child == 0:
        kill_before_call(number, folder)
        work()
        os._exit(0)
    _, status = os.waitpid(child, 0)
    if os.WIFSIGNALED(status):
        return True
    if os.WEXITSTATUS(status) != 0:
        sys.exit(f"it failed before call {number}")
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
        was_killed = dies_at(number, folder, lambda: write_made_run(folder, NEW))  # noqa: B023 (called at once)


def add_second_part(folder: Path) -> None:
    cell = make_run().record.cells[1]
    made = make_run()
    write_part(folder, cell, made.predictions[cell.id], made.thumbnails[cell.id])


SPACES = (cache_space(number="0"), cache_space(number="1"))
WIDTH, N_NUMBERS, A_PACK = 8, 200, 20
MAX_BYTES = 20_000
"""Of all rows that there are, about two thirds."""


def digest_of(number: int) -> str:
    return hashlib.sha256(str(number).encode()).hexdigest()


def rows_of(space: str, numbers: list[int]) -> np.ndarray:
    """What the tower of a space gives for some numbers: no two rows are alike."""
    hashes = [hashlib.sha256(f"{space} {number}".encode()).digest() for number in numbers]
    return np.frombuffer(b"".join(hashes), dtype="<u4").reshape(-1, WIDTH).astype(np.float32)


def small_cache(root: Path) -> EmbeddingCache:
    cache_module.MAX_SMALL_PACKS, cache_module.SMALL_BYTES = 2, 3_000
    return EmbeddingCache(root, max_bytes=MAX_BYTES)


def check_cache(root: Path) -> int:
    """Compare every row that can be read with what it has to be; return how many there are."""
    cache, n_found = small_cache(root), 0
    for space in SPACES:
        numbers = list(range(N_NUMBERS))
        rows = cache.read(space, [digest_of(n) for n in numbers], width=WIDTH)
        np.testing.assert_array_equal(
            rows.embeddings[rows.found], rows_of(space, numbers)[rows.found]
        )
        assert not rows.embeddings[~rows.found].any()
        n_found += int(rows.found.sum())
    if cache.notices:
        sys.exit(str(cache.notices))
    return n_found


def fill_cache(root: Path, seed: int, n_steps: int) -> None:
    """Read and write packs that overlap: enough to merge many times and to evict."""
    cache, choice = small_cache(root), random.Random(seed)
    for _ in range(n_steps):
        space = choice.choice(SPACES)
        numbers = choice.sample(range(N_NUMBERS), A_PACK)
        digests, expected = [digest_of(n) for n in numbers], rows_of(space, numbers)
        rows = cache.read(space, digests, width=WIDTH)
        np.testing.assert_array_equal(rows.embeddings[rows.found], expected[rows.found])
        missing = np.flatnonzero(~rows.found).tolist()
        cache.write(space, [digests[i] for i in missing], expected[missing])
    if cache.notices:
        sys.exit(str(cache.notices))


def check_that_it_works(root: Path) -> None:
    check_cache(root)
    numbers = list(range(A_PACK))
    cache = small_cache(root)
    cache.write(SPACES[0], [digest_of(n) for n in numbers], rows_of(SPACES[0], numbers))
    rows = cache.read(SPACES[0], [digest_of(n) for n in numbers], width=WIDTH)
    np.testing.assert_array_equal(rows.embeddings, rows_of(SPACES[0], numbers))
    assert cache.size_bytes() <= MAX_BYTES
    assert not cache.notices, cache.notices


def kill_cache_everywhere(root: Path) -> None:
    fill_cache(root / "warm", seed=1, n_steps=14)
    number, was_killed, found = 0, True, set()
    while was_killed:
        number += 1
        folder = root / f"killed-{number:03d}"
        shutil.copytree(root / "warm", folder)
        was_killed = dies_at(number, folder, lambda: fill_cache(folder, seed=2, n_steps=12))  # noqa: B023
        found.add(check_cache(folder))
        check_that_it_works(folder)
        shutil.rmtree(folder)
    sys.stdout.write(f"{number} {len(found)}\n")


def kill_cache_at_random(root: Path) -> None:
    choice = random.Random(0)
    for seed in range(60):
        child = os.fork()
        if child == 0:
            while True:
                fill_cache(root, seed, n_steps=10)
        time.sleep(choice.uniform(0, 0.06))
        os.kill(child, signal.SIGKILL)
        _, status = os.waitpid(child, 0)
        assert os.WIFSIGNALED(status), status
        check_cache(root)
    check_that_it_works(root)
    sys.stdout.write(f"{len(list(root.rglob('*.clipeval-tmp')))}\n")


if __name__ == "__main__":
    task, place = sys.argv[1], Path(sys.argv[2])
    if task == "kill-cache":
        kill_cache_everywhere(place)
    elif task == "kill-cache-at-random":
        kill_cache_at_random(place)
    elif task.startswith("kill-"):
        kill_everywhere(place, over_earlier_run=task == "kill-over")
    elif task == "part":
        add_second_part(place)
    else:
        fill_cache(place, seed=int(sys.argv[3]), n_steps=150)
