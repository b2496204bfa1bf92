"""A process that profiles models, and ends: `python -m clipeval.api.bench_process REQUEST BENCHMARK`."""

from __future__ import annotations

import gc
import os
import sys
from pathlib import Path

from pydantic import TypeAdapter

from clipeval import store
from clipeval.api.bench_request import BenchRequest
from clipeval.errors import ClipEvalError

EXIT_REFUSED = 2
GC_THRESHOLD = 100_000
"""New objects until Python looks for garbage: importing torch makes half a million that stay."""


def main(asked: Path, found: Path) -> int:
    """Profile what a file asks for, write what was found, and return the exit code."""
    from clipeval.api.benching import bench  # noqa: PLC0415 (torch: garbage is collected less often by now)

    request = TypeAdapter(BenchRequest).validate_json(asked.read_bytes())
    try:
        store.write_benchmark(bench(request), found)
    except ClipEvalError as error:
        sys.stderr.write(f"{error}\n")
        return EXIT_REFUSED
    return 0


if __name__ == "__main__":
    gc.set_threshold(GC_THRESHOLD)
    code = main(Path(sys.argv[1]), Path(sys.argv[2]))
    sys.stderr.flush()
    os._exit(code)  # all is written: taking every object of torch apart takes a second
