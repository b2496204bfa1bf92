"""Make reports/example/: a small run of suites/quickstart.yaml, without what the machine that made it adds.

make example
"""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

from clipeval import api, store

FOLDER = Path("reports/example")
SUITE = Path("suites/quickstart.yaml")
LIMIT = 200
"""Images of each data set: the example stays below a megabyte."""
CREATED = "2026-01-01T00:00:00+00:00"


def main() -> None:
    """Run the suite, take the machine out of the record, and render it again."""
    (suite,) = api.load_suites([SUITE], overrides=api.Overrides(limit=LIMIT))
    shutil.rmtree(FOLDER, ignore_errors=True)
    argv = ("clipeval", "run", str(SUITE), "--limit", str(LIMIT), "--out", str(FOLDER))
    record = api.run(suite, FOLDER, use_cache=False, argv=argv)
    environment = replace(
        record.environment, platform="Linux", git_commit=None, git_dirty=None, cpu="a laptop's processor",
        n_cores=4, n_threads=4, memory_bytes=16 * 2**30,
    )  # fmt: skip
    cells = tuple(replace(cell, timings={}) for cell in record.cells)
    shown = replace(record, environment=environment, created=CREATED, cells=cells)
    (FOLDER / "run.json").write_text(store.dump_run(shown), encoding="utf-8")
    api.render_report(FOLDER)
    (FOLDER / ".clipeval.lock").unlink(missing_ok=True)


if __name__ == "__main__":
    main()
