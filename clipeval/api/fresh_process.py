"""Profiles in processes of their own."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from clipeval import store
from clipeval.errors import BenchError
from clipeval.records.latency import BenchmarkRecord

N_LOG_LINES = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class FreshProcess:
    """Runs `clipeval bench` in a process of its own."""

    words: tuple[str, ...]
    """Options beside the model."""

    def __call__(self, model: str) -> BenchmarkRecord:
        """Profile a model.

        Raises:
            BenchError: the process failed.
        """
        with tempfile.TemporaryDirectory(prefix="clipeval-bench-") as folder:
            file = Path(folder) / "bench.json"
            command = [
                sys.executable, "-m", "clipeval", "bench", "--model", model, *self.words, "--json", str(file),
            ]  # fmt: skip
            done = subprocess.run(  # noqa: S603 (no shell; this very program)
                command, capture_output=True, text=True, check=False
            )
            if done.returncode:
                said = "\n  ".join(done.stderr.strip().splitlines()[-N_LOG_LINES:])
                raise BenchError(f"profiling '{model}' failed with {done.returncode}:\n  {said}")
            return store.read_benchmark(file)
