"""The cache gives back exactly what was put in, or nothing."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest

from clipeval.errors import StoreError
from clipeval.store import EmbeddingCache, cache_space, default_cache, default_cache_root
from clipeval.store.cache import MAX_SMALL_PACKS

PROCESS = Path(__file__).with_name("store_process.py")
SPACE, OTHER, THIRD = (cache_space(number=number) for number in "123")
ROWS = np.arange(12, dtype=np.float32).reshape(4, 3) / 7
DIGESTS = tuple(hashlib.sha256(str(i).encode()).hexdigest() for i in range(4))


@pytest.fixture
def cache(tmp_path):
    return EmbeddingCache(tmp_path / "cache", max_bytes=1_000_000)


def again(cache):
    """The same cache, in another process as it were."""
    return EmbeddingCache(cache.root, max_bytes=cache.max_bytes)


def read(cache, space=SPACE, digests=DIGESTS, width=3):
    return cache.read(space, digests, width=width)


def codes(cache):
    return [notice.code for notice in cache.notices]


def age(cache: EmbeddingCache, space: str, seconds: int) -> None:
    (entry,) = (entry for entry in cache.entries() if entry.path.parent.name == space)
    os.utime(entry.path, (seconds, seconds))


class TestReadAndWrite:
    def test_round_trip(self, cache):
        assert not cache.has_space(SPACE)
        assert not read(cache).found.any()
        cache.write(SPACE, DIGESTS, ROWS)
        assert cache.has_space(SPACE)
        rows = read(again(cache))
        assert rows.found.all()
        assert rows.embeddings.dtype == np.float32
        np.testing.assert_array_equal(rows.embeddings, ROWS)
        assert cache.notices == []

    def test_each_row_is_found_by_itself_in_any_order(self, cache):
        cache.write(SPACE, DIGESTS[:2], ROWS[:2])
        cache.write(SPACE, DIGESTS[2:], ROWS[2:])
        unknown = hashlib.sha256(b"unknown").hexdigest()
        rows = read(cache, digests=(DIGESTS[3], unknown, DIGESTS[0], DIGESTS[3]))
        assert rows.found.tolist() == [True, False, True, True]
        np.testing.assert_array_equal(rows.embeddings, [ROWS[3], np.zeros(3), ROWS[0], ROWS[3]])

    def test_digests_that_begin_alike_are_told_apart(self, cache):
        alike = [f"{'0' * 62}{i:02x}" for i in range(3)]
        cache.write(SPACE, alike[:1], ROWS[:1])
        assert read(cache, digests=alike).found.tolist() == [True, False, False]

    def test_of_repeats_one_is_stored(self, cache):
        cache.write(SPACE, (DIGESTS[0], DIGESTS[1], DIGESTS[0]), ROWS[:3])
        assert cache.count_entries() == 2
        np.testing.assert_array_equal(read(cache).embeddings[:2], ROWS[:2])

    def test_spaces_do_not_mix(self, cache):
        cache.write(SPACE, DIGESTS, ROWS)
        assert not read(cache, OTHER).found.any()

    def test_arrays_in_another_memory_order(self, cache):
        cache.write(SPACE, DIGESTS[:3], ROWS.T)
        np.testing.assert_array_equal(read(cache, digests=DIGESTS[:3], width=4).embeddings, ROWS.T)

    def test_the_same_again_is_the_same_file(self, cache):
        for _ in range(3):
            cache.write(SPACE, DIGESTS, ROWS)
        assert len(cache.entries()) == 1

    def test_nothing_is_stored_as_nothing(self, cache):
        cache.write(SPACE, (), ROWS[:0])
        assert cache.entries() == ()
        assert read(cache, digests=()).embeddings.shape == (0, 3)

    @pytest.mark.parametrize("space", ["", "../../x", "A" * 64, "a" * 63, "a" * 64 + "\n"])
    def test_other_spaces_are_refused(self, cache, space):
        for use in (cache.has_space, lambda s: read(cache, s), lambda s: cache.write(s, DIGESTS, ROWS)):  # fmt: skip
            with pytest.raises(StoreError, match="is no space; expected 64 hex digits"):
                use(space)

    @pytest.mark.parametrize("rows", [ROWS.astype(np.float64), ROWS[:3], ROWS.ravel()])
    def test_other_arrays_are_refused(self, cache, rows):
        with pytest.raises(StoreError, match=r"expected float32 \(4, D\)"):
            cache.write(SPACE, DIGESTS, rows)

    def test_digests_of_another_form_are_refused(self, cache):
        with pytest.raises(ValueError, match="64 hex digits"):
            read(cache, digests=("abcd",))


class TestCorruption:
    @pytest.fixture
    def pack(self, cache):
        cache.write(SPACE, DIGESTS, ROWS)
        (entry,) = cache.entries()
        return entry.path

    def test_every_changed_byte_is_noticed(self, cache, pack):
        content = pack.read_bytes()
        n_refused = 0
        for position in range(len(content)):
            changed = bytearray(content)
            changed[position] ^= 0x11
            pack.write_bytes(bytes(changed))
            rows = read(again(cache))
            # A row whose digest was changed is not found; padding in the header may change.
            np.testing.assert_array_equal(rows.embeddings[rows.found], ROWS[rows.found])
            n_refused += not rows.found.any()
        assert n_refused > len(content) * 0.9

    @pytest.mark.parametrize(
        "content",
        [b"", b"junk", b"\xff" * 100, b"\x02" + b"\0" * 7 + b"[]", b"\x02" + b"\0" * 7 + b"{}"],
    )
    def test_a_corrupt_pack_is_deleted_and_said(self, cache, pack, content):
        pack.write_bytes(content)
        assert not read(cache).found.any()
        assert not pack.exists()
        assert codes(cache) == ["cache-entry-corrupt"]
        assert str(pack) in cache.notices[0].message
        assert "they were deleted, and are computed again" in cache.notices[0].message

    def test_every_cut_is_noticed(self, cache, pack):
        content = pack.read_bytes()
        for length in range(len(content)):
            pack.write_bytes(content[:length])
            assert not read(again(cache)).found.any()
            assert not pack.exists()

    def test_a_pack_that_was_moved_to_another_space_is_not_used(self, cache, pack):
        target = cache.root / OTHER[:2] / OTHER / pack.name
        target.parent.mkdir(parents=True)
        pack.rename(target)
        assert not read(cache, OTHER).found.any()
        assert not target.exists()
        assert codes(cache) == ["cache-entry-corrupt"]

    def test_a_pack_under_another_name_is_as_good(self, cache, pack):
        pack.rename(pack.with_stem("renamed"))
        assert read(cache).found.all()

    def test_what_others_have_is_found_beside_a_corrupt_pack(self, cache, pack):
        cache.write(SPACE, DIGESTS[:2], ROWS[:2])
        pack.write_bytes(pack.read_bytes()[:-1])
        rows = read(cache)
        assert rows.found.tolist() == [True, True, False, False]
        np.testing.assert_array_equal(rows.embeddings[:2], ROWS[:2])

    def test_embeddings_of_another_width_are_not_used(self, cache, pack):
        assert not read(cache, width=5).found.any()
        assert codes(cache) == ["cache-entry-corrupt"]

    def test_what_cannot_be_read_now_is_said_and_left(self, cache):
        folder = cache.root / SPACE[:2] / SPACE / "folder.safetensors"
        folder.mkdir(parents=True)  # opening it fails, and says nothing of its content
        assert not read(cache).found.any()
        assert folder.exists()
        assert codes(cache) == ["cache-not-readable"]

    def test_a_pack_that_is_gone_is_not_worth_a_word(self, cache):
        folder = cache.root / SPACE[:2] / SPACE
        folder.mkdir(parents=True)
        (folder / "gone.safetensors").symlink_to("nowhere")
        assert not read(cache).found.any()
        assert cache.notices == []

    def test_notices_are_taken_once(self, cache, pack):
        pack.write_bytes(b"junk")
        read(cache)
        assert [notice.code for notice in cache.take_notices()] == ["cache-entry-corrupt"]
        assert cache.take_notices() == ()


def numbered(n_packs, *, width=3):
    """Digests and rows of packs of one row each."""
    digests = [hashlib.sha256(f"pack {i}".encode()).hexdigest() for i in range(n_packs)]
    return digests, np.arange(n_packs * width, dtype=np.float32).reshape(n_packs, width)


class TestMerging:
    def test_many_small_packs_become_one_and_nothing_is_lost(self, cache):
        digests, rows = numbered(MAX_SMALL_PACKS + 1)
        for i, digest in enumerate(digests):
            assert len(cache.entries()) == i
            cache.write(SPACE, [digest], rows[i : i + 1])
        assert len(cache.entries()) == 1
        found = read(cache, digests=digests)
        assert found.found.all()
        np.testing.assert_array_equal(found.embeddings, rows)

    def test_the_same_row_in_several_packs_is_kept_once(self, cache):
        digests, rows = numbered(MAX_SMALL_PACKS + 1)
        for i in range(len(digests)):
            cache.write(SPACE, digests[: i + 1], rows[: i + 1])
        assert len(cache.entries()) == 1
        assert cache.count_entries() == len(digests)
        np.testing.assert_array_equal(read(cache, digests=digests).embeddings, rows)

    def test_a_corrupt_pack_among_them_is_deleted_and_said(self, cache):
        digests, rows = numbered(MAX_SMALL_PACKS + 1)
        cache.write(SPACE, digests[:1], rows[:1])
        (entry,) = cache.entries()
        entry.path.write_bytes(entry.path.read_bytes()[:-1])
        for i in range(1, len(digests)):
            cache.write(SPACE, digests[i : i + 1], rows[i : i + 1])
        assert len(cache.entries()) == 1
        assert codes(cache) == ["cache-entry-corrupt"]
        found = read(cache, digests=digests)
        assert found.found.tolist() == [False] + [True] * MAX_SMALL_PACKS
        np.testing.assert_array_equal(found.embeddings[1:], rows[1:])

    def test_one_that_would_take_much_of_the_room_is_not_made(self, tmp_path):
        cache = EmbeddingCache(tmp_path, max_bytes=7_000)
        digests, rows = numbered(MAX_SMALL_PACKS + 1)
        for i, digest in enumerate(digests):
            cache.write(SPACE, [digest], rows[i : i + 1])
        assert len(cache.entries()) == len(digests)
        assert cache.notices == []

    def test_packs_that_are_merged_while_they_are_read_are_found_in_the_new_one(self, cache):
        digests, rows = numbered(6)
        for i, digest in enumerate(digests):
            cache.write(SPACE, [digest], rows[i : i + 1])

        class MergedMeanwhile(EmbeddingCache):
            """Lists packs that another process then merges."""

            def _packs(self, space):
                listed = super()._packs(space)
                if len(listed) == len(digests):
                    cache.write(SPACE, digests, rows)
                    for file in listed:
                        file.unlink()
                return listed

        found = MergedMeanwhile(cache.root).read(SPACE, digests, width=3)
        assert found.found.all()
        np.testing.assert_array_equal(found.embeddings, rows)

    def test_readers_beside_it_miss_nothing(self, cache):
        digests, rows = numbered(40)
        cache.write(SPACE, digests, rows)
        missed, is_done = [], threading.Event()

        def read_on():
            reader = again(cache)
            while not is_done.is_set():
                found = reader.read(SPACE, digests, width=3)
                if not found.found.all() or not np.array_equal(found.embeddings, rows):
                    missed.append(found.found)
            missed.extend(reader.notices)

        readers = [threading.Thread(target=read_on) for _ in range(2)]
        for reader in readers:
            reader.start()
        more, more_rows = numbered(120)
        for i in range(40, 120):
            cache.write(SPACE, more[i : i + 1], more_rows[i : i + 1])
        is_done.set()
        for reader in readers:
            reader.join()
        assert missed == []
        assert len(cache.entries()) <= MAX_SMALL_PACKS


class TestLimits:
    def test_what_was_unused_for_longest_goes_first(self, tmp_path):
        cache = EmbeddingCache(tmp_path, max_bytes=1_100)
        rows = np.zeros((4, 10), dtype=np.float32)
        cache.write(SPACE, DIGESTS, rows)
        cache.write(OTHER, DIGESTS, rows)
        assert 370 < cache.entries()[0].size_bytes <= 550
        age(cache, SPACE, 1000)
        age(cache, OTHER, 2000)
        assert read(cache, SPACE, width=10).found.all()
        cache.write(THIRD, DIGESTS, rows)
        assert {entry.path.parent.name for entry in cache.entries()} == {SPACE, THIRD}
        assert cache.size_bytes() <= cache.max_bytes
        assert cache.notices == []

    def test_looking_without_taking_anything_is_no_use(self, cache):
        cache.write(SPACE, DIGESTS[:1], ROWS[:1])
        age(cache, SPACE, 1000)
        read(cache, digests=DIGESTS[1:])
        assert cache.entries()[0].used_ns == 1000 * 10**9

    def test_an_array_beyond_the_limit_is_not_stored_and_said(self, tmp_path):
        cache = EmbeddingCache(tmp_path, max_bytes=300)
        cache.write(SPACE, DIGESTS, np.zeros((4, 25), dtype=np.float32))
        assert cache.entries() == ()
        assert codes(cache) == ["cache-entry-too-large"]

    def test_a_place_that_cannot_be_written_is_said_once(self, tmp_path):
        (tmp_path / "file").write_text("in the way")
        cache = EmbeddingCache(tmp_path / "file" / "cache")
        for _ in range(3):
            cache.write(SPACE, DIGESTS, ROWS)
        assert codes(cache) == ["cache-not-writable"]
        assert "CLIPEVAL_CACHE" in cache.notices[0].message

    def test_clear_deletes_packs_only(self, cache):
        cache.write(SPACE, DIGESTS, ROWS)
        cache.write(OTHER, DIGESTS, ROWS)
        mine = cache.root / SPACE[:2] / "mine.safetensors"
        mine.write_text("x")
        (cache.root / OTHER[:2] / OTHER / ".left.clipeval-tmp").write_text("by a killed process")
        total = cache.size_bytes()
        assert cache.clear() == total > 0
        assert cache.entries() == ()
        assert [path for path in cache.root.rglob("*") if path.is_file()] == [mine]
        assert not (cache.root / OTHER[:2]).exists()

    def test_clearing_nothing_frees_nothing(self, tmp_path):
        assert EmbeddingCache(tmp_path / "nowhere").clear() == 0

    def test_counts_what_readable_packs_say(self, cache):
        cache.write(SPACE, DIGESTS, ROWS)
        cache.write(OTHER, DIGESTS[:1], ROWS[:1])
        (cache.root / SPACE[:2] / SPACE / "junk.safetensors").write_bytes(b"junk")
        assert (len(cache.entries()), cache.count_entries()) == (3, 5)


@pytest.mark.skipif(
    not hasattr(os, "getuid") or os.getuid() != 0, reason="only root can become somebody else"
)
def test_a_cache_that_may_only_be_read_is_read(tmp_path):
    """In a process of nobody, since root may write anywhere."""
    shared = Path("/tmp") / f"clipeval-readonly-{os.getpid()}"
    try:
        cache = EmbeddingCache(shared)
        cache.write(SPACE, DIGESTS, ROWS)
        shared.chmod(0o755)
        child = os.fork()
        if child == 0:
            os.setuid(65534)
            reader = EmbeddingCache(shared)
            is_right = np.array_equal(read(reader).embeddings, ROWS) and reader.notices == []
            reader.write(OTHER, DIGESTS, ROWS)
            os._exit(0 if is_right and codes(reader) == ["cache-not-writable"] else 1)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
        assert len(cache.entries()) == 1
    finally:
        shutil.rmtree(shared)


def run_process(task, folder, *more):
    return subprocess.run(
        [sys.executable, str(PROCESS), task, str(folder), *more],
        check=True, capture_output=True, text=True,
    ).stdout.split()  # fmt: skip


def test_three_processes_share_a_cache_that_is_too_small(tmp_path):
    processes = [
        subprocess.Popen([sys.executable, str(PROCESS), "cache", str(tmp_path), str(seed)])
        for seed in range(3)
    ]
    assert [process.wait(timeout=60) for process in processes] == [0, 0, 0]
    assert EmbeddingCache(tmp_path).size_bytes() <= 20_000
    assert list(tmp_path.rglob("*.clipeval-tmp")) == []


@pytest.mark.skipif(sys.platform == "win32", reason="SIGKILL and fork are POSIX")
class TestKilled:
    def test_before_any_call_leaves_right_rows_and_a_cache_that_works(self, tmp_path):
        n_kills, n_states = run_process("kill-cache", tmp_path)
        assert int(n_kills) > 50
        assert int(n_states) > 5  # as many different numbers of rows were left

    def test_at_random_moments_leaves_the_same(self, tmp_path):
        (n_temporary,) = run_process("kill-cache-at-random", tmp_path)
        assert int(n_temporary) > 0  # some were killed while they wrote
        for file in tmp_path.rglob("*.clipeval-tmp"):
            os.utime(file, (1000, 1000))
        cache = EmbeddingCache(tmp_path)
        cache.write(SPACE, DIGESTS, ROWS)
        assert not list(tmp_path.rglob("*.clipeval-tmp"))


class TestSpace:
    def test_is_a_sha256_that_depends_on_every_name_and_value(self):
        keys = {
            cache_space(a="1", b="2"),
            cache_space(a="2", b="1"),
            cache_space(a="12", b=""),
            cache_space(a="1"),
        }
        assert len(keys) == 4
        assert all(len(key) == 64 for key in keys)

    def test_does_not_depend_on_order(self):
        assert cache_space(a="1", b="2") == cache_space(b="2", a="1")


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
