"""Run folders and the cache of embeddings: everything that clipeval keeps on disk."""

from clipeval.store.baseline import is_baseline, read_baseline, write_baseline
from clipeval.store.benchmark_json import read_benchmark, write_benchmark, write_record
from clipeval.store.cache import (
    CachedRows,
    CacheEntry,
    EmbeddingCache,
    cache_space,
    default_cache,
    default_cache_root,
)
from clipeval.store.folder import RunFolder, write_documents
from clipeval.store.memory import Memory
from clipeval.store.names import cell_file_name
from clipeval.store.parts import (
    has_part,
    read_part_predictions,
    read_part_thumbnails,
    read_parts,
    write_part,
)
from clipeval.store.run_json import dump_run, read_run
from clipeval.store.schema import benchmark_schema, run_schema
from clipeval.store.tables import read_predictions, read_thumbnails

__all__ = [
    "CacheEntry",
    "CachedRows",
    "EmbeddingCache",
    "Memory",
    "RunFolder",
    "benchmark_schema",
    "cache_space",
    "cell_file_name",
    "default_cache",
    "default_cache_root",
    "dump_run",
    "has_part",
    "is_baseline",
    "read_baseline",
    "read_benchmark",
    "read_part_predictions",
    "read_part_thumbnails",
    "read_parts",
    "read_predictions",
    "read_run",
    "read_thumbnails",
    "run_schema",
    "write_baseline",
    "write_benchmark",
    "write_documents",
    "write_part",
    "write_record",
]
