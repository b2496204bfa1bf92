"""Profiles in processes of their own: what starts them. torch is imported there, not here."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path

from pydantic import TypeAdapter

from clipeval import store
from clipeval.api.bench_request import BenchRequest, Model
from clipeval.errors import BenchError
from clipeval.records.latency import BenchmarkRecord

N_LOG_LINES = 8
CHILD = "clipeval.api.bench_process"
ISOLATED = ("-P",)
"""Modules of the current folder shadow none: the user's statistics.py is not Python's."""

Profile = Callable[[Model], BenchmarkRecord]
"""Profiles a model in a process of its own."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FreshProcess:
    """Profiles models as a request says, each in a process of its own."""

    request: BenchRequest
    """For any model."""

    def __call__(self, model: Model) -> BenchmarkRecord:
        """Profile a model. Raises: BenchError."""
        return profile_in_fresh_process(replace(self.request, models=(model,)))


@dataclass(slots=True)
class KeptProfiles:
    """Profiles models, and keeps what every process measured."""

    profile: Profile
    records: list[BenchmarkRecord] = field(default_factory=list)
    """In the order in which they were measured."""

    def __call__(self, model: Model) -> BenchmarkRecord:
        """Profile a model. Raises: BenchError."""
        record = self.profile(model)
        self.records.append(record)
        return record


def profile_in_fresh_process(request: BenchRequest) -> BenchmarkRecord:
    """Do what clipeval.api.bench does in a process of its own.

    Raises:
        BenchError: the process failed; says what it said.
    """
    with tempfile.TemporaryDirectory(prefix="clipeval-bench-") as folder:
        asked, found = Path(folder) / "request.json", Path(folder) / "benchmark.json"
        asked.write_bytes(TypeAdapter(BenchRequest).dump_json(request))
        done = subprocess.run(  # noqa: S603 (no shell; this very program)
            [sys.executable, *ISOLATED, "-m", CHILD, str(asked), str(found)],
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            named = ", ".join(m if isinstance(m, str) else m.id for m in request.models)
            if done.returncode < 0:
                raise BenchError(
                    f"profiling '{named}' was killed by signal {-done.returncode}: most likely memory did "
                    "not suffice; try a smaller batch"
                )
            said = "\n  ".join(done.stderr.strip().splitlines()[-N_LOG_LINES:])
            raise BenchError(f"profiling '{named}' failed with {done.returncode}:\n  {said}")
        return store.read_benchmark(found)
