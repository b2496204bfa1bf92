"""benchmark.json: what `clipeval bench` measured, as text, and back."""

from __future__ import annotations

from pathlib import Path

from pydantic import TypeAdapter

from clipeval.errors import StoreError
from clipeval.records.latency import BENCHMARK_VERSION, BenchmarkRecord
from clipeval.store.atomic import write_bytes
from clipeval.store.names import BENCHMARK_JSON, encodable
from clipeval.store.run_json import dump_record, load_json, read_text, validated

BENCHMARK = TypeAdapter(BenchmarkRecord)


def write_benchmark(record: BenchmarkRecord, path: Path) -> None:
    """Write a profile whole, or leave the file that is there.

    Raises:
        StoreError: the file cannot be written, or a number is not finite.
    """
    write_record(record, path)


def write_record(record: object, path: Path) -> None:
    """Write any frozen record as JSON, whole, or leave the file that is there.

    Raises:
        StoreError: the file cannot be written, or a number is not finite.
    """
    write_bytes(path, encodable(dump_record(record)).encode("utf-8"))


def read_benchmark(path: Path) -> BenchmarkRecord:
    """Read a profile.

    Args:
        path: the file, or a folder that holds benchmark.json.
    Raises:
        StoreError: missing, not JSON, of another version, or wrong in content.
    """
    file = path / BENCHMARK_JSON if path.is_dir() else path
    if not file.exists():
        raise StoreError(f"{file}: no such file; expected what `clipeval bench --json` wrote")
    text = read_text(file)
    loaded = load_json(text, where=str(file))
    if isinstance(loaded, dict) and "comparisons" in loaded:
        raise StoreError(
            f"{file}: is a comparison, as `clipeval bench --against --json` writes it; expected a profile: "
            "what `clipeval bench --json` writes without --against"
        )
    version = loaded.get("benchmark_version") if isinstance(loaded, dict) else None
    if version != BENCHMARK_VERSION:
        raise StoreError(
            f"{file}: benchmark_version is {version!r}; expected {BENCHMARK_VERSION}: it is not what this "
            "version of `clipeval bench --json` writes"
        )
    return validated(BENCHMARK, text, where=str(file))
