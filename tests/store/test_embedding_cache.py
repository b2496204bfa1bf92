"""The cache gives back exactly what was put in, or nothing."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from clipeval.errors import StoreError
from clipeval.store import EmbeddingCache, cache_key, default_cache, default_cache_root

PROCESS = Path(__file__).with_name("store_process.py")
KEY, OTHER, THIRD = (cache_key(number=number) for number in "123")
ARRAY = np.arange(12, dtype=np.float32).reshape(4, 3) / 7


@pytest.fixture
def cache(tmp_path):
    return EmbeddingCache(tmp_path / "cache", max_bytes=1_000_000)


def age(cache: EmbeddingCache, key: str, seconds: int) -> None:
    (entry,) = (entry for entry in cache.entries() if entry.key == key)
    os.utime(entry.path, (seconds, seconds))


class TestGetAndPut:
    def test_round_trip(self, cache):
        assert cache.get(KEY) is None
        cache.put(KEY, ARRAY)
        found = cache.get(KEY)
        assert found is not None
        assert found.dtype == np.float32
        np.testing.assert_array_equal(found, ARRAY)
        assert cache.notices == []

    def test_arrays_in_another_memory_order(self, cache):
        cache.put(KEY, ARRAY.T)
        np.testing.assert_array_equal(cache.get(KEY), ARRAY.T)

    @pytest.mark.parametrize("key", ["", "../../x", "A" * 64, "a" * 63, "a" * 64 + "\n"])
    def test_other_keys_are_refused(self, cache, key):
        for use in (cache.get, lambda key: cache.put(key, ARRAY)):
            with pytest.raises(StoreError, match="is no key; expected 64 hex digits"):
                use(key)

    def test_other_dtypes_are_refused(self, cache):
        with pytest.raises(StoreError, match="embeddings are float64; expected float32"):
            cache.put(KEY, ARRAY.astype(np.float64))


class TestCorruption:
    def test_every_changed_byte_is_noticed(self, cache):
        cache.put(KEY, ARRAY)
        (entry,) = cache.entries()
        content = entry.path.read_bytes()
        for position in range(0, len(content), 5):
            changed = bytearray(content)
            changed[position] ^= 0x11
            entry.path.write_bytes(bytes(changed))
            found = cache.get(KEY)
            # Padding and names in the header may change without changing what is read.
            assert found is None or np.array_equal(found, ARRAY)
        changed = bytearray(content)
        changed[-1] ^= 1
        entry.path.write_bytes(bytes(changed))
        assert cache.get(KEY) is None

    @pytest.mark.parametrize("content", [b"", b"junk", b"\xff" * 100])
    def test_a_corrupt_entry_is_deleted_and_said(self, cache, content):
        cache.put(KEY, ARRAY)
        (entry,) = cache.entries()
        entry.path.write_bytes(content)
        assert cache.get(KEY) is None
        assert not entry.path.exists()
        assert [notice.code for notice in cache.notices] == ["cache-entry-corrupt"]
        assert str(entry.path) in cache.notices[0].message

    def test_a_cut_off_entry_is_deleted(self, cache):
        cache.put(KEY, ARRAY)
        (entry,) = cache.entries()
        entry.path.write_bytes(entry.path.read_bytes()[:-1])
        assert cache.get(KEY) is None
        assert cache.entries() == ()

    def test_an_entry_under_another_name_is_not_used(self, cache):
        cache.put(KEY, ARRAY)
        (entry,) = cache.entries()
        target = cache.root / OTHER[:2] / f"{OTHER}.safetensors"
        target.parent.mkdir(exist_ok=True)
        entry.path.rename(target)
        assert cache.get(OTHER) is None


class TestLimits:
    def test_what_was_unused_for_longest_goes_first(self, tmp_path):
        size = 400
        cache = EmbeddingCache(tmp_path, max_bytes=2 * size)
        array = np.zeros(50, dtype=np.float32)
        cache.put(KEY, array)
        cache.put(OTHER, array)
        assert 200 < cache.entries()[0].size_bytes <= size
        age(cache, KEY, 1000)
        age(cache, OTHER, 2000)
        assert cache.get(KEY) is not None
        cache.put(THIRD, array)
        assert {entry.key for entry in cache.entries()} == {KEY, THIRD}
        assert cache.size_bytes() <= cache.max_bytes

    def test_an_array_beyond_the_limit_is_not_stored_and_said(self, tmp_path):
        cache = EmbeddingCache(tmp_path, max_bytes=300)
        cache.put(KEY, np.zeros(100, dtype=np.float32))
        assert cache.entries() == ()
        assert [notice.code for notice in cache.notices] == ["cache-entry-too-large"]

    def test_a_place_that_cannot_be_written_is_said(self, tmp_path):
        (tmp_path / "file").write_text("in the way")
        cache = EmbeddingCache(tmp_path / "file" / "cache")
        cache.put(KEY, ARRAY)
        assert [notice.code for notice in cache.notices] == ["cache-not-writable"]
        assert "CLIPEVAL_CACHE" in cache.notices[0].message

    def test_clear_deletes_entries_only(self, cache):
        cache.put(KEY, ARRAY)
        cache.put(OTHER, ARRAY)
        mine = cache.root / KEY[:2] / "mine.safetensors"
        mine.write_text("x")
        total = cache.size_bytes()
        assert cache.clear() == total > 0
        assert cache.entries() == ()
        assert mine.exists()

    def test_clearing_nothing_frees_nothing(self, tmp_path):
        assert EmbeddingCache(tmp_path / "nowhere").clear() == 0


def test_two_processes_share_a_cache_that_is_too_small(tmp_path):
    processes = [
        subprocess.Popen([sys.executable, str(PROCESS), "cache", str(tmp_path)]) for _ in range(2)
    ]
    assert [process.wait(timeout=60) for process in processes] == [0, 0]
    assert EmbeddingCache(tmp_path).size_bytes() <= 6_000
    assert list(tmp_path.rglob("*.clipeval-tmp")) == []


class TestKey:
    def test_is_a_sha256_that_depends_on_every_name_and_value(self):
        keys = {
            cache_key(a="1", b="2"),
            cache_key(a="2", b="1"),
            cache_key(a="12", b=""),
            cache_key(a="1"),
        }
        assert len(keys) == 4
        assert all(len(key) == 64 for key in keys)

    def test_does_not_depend_on_order(self):
        assert cache_key(a="1", b="2") == cache_key(b="2", a="1")


class TestDefaultRoot:
    def test_environment_comes_first(self, monkeypatch, tmp_path):
        monkeypatch.setenv("CLIPEVAL_CACHE", str(tmp_path))
        assert default_cache_root() == tmp_path
        assert default_cache().root == tmp_path

    @pytest.mark.parametrize("value", ["", None])
    def test_else_the_users_cache_folder(self, monkeypatch, value):
        monkeypatch.delenv("CLIPEVAL_CACHE", raising=False)
        if value is not None:
            monkeypatch.setenv("CLIPEVAL_CACHE", value)
        assert default_cache_root().parts[-1] == "embeddings"
        assert "clipeval" in default_cache_root().parts
