"""A fact is recalled as it was kept, as long as its files are what they were; else it is not."""

from __future__ import annotations

import hashlib
import os
import time
from dataclasses import replace

import pytest

from clipeval.file_stamps import FileStamp
from clipeval.records import MachineFacts, ModelDescription, Notice
from clipeval.store import Memory
from clipeval.store.memory import MAX_FACTS

KEY, OTHER = "a" * 64, "b" * 64
MACHINE = MachineFacts(n_threads=2, gpus=("a GPU",))
LATER = time.time() + 24 * 60 * 60
"""Begins to read after everything that a test writes has settled, however long the suite takes."""


@pytest.fixture
def memory(tmp_path):
    return Memory(tmp_path / "cache")


@pytest.fixture
def known(made_run):
    return ModelDescription(
        record=made_run.record.cells[0].model,
        device="cpu",
        notices=(Notice("random-weights", "its answers mean nothing"),),
    )


@pytest.fixture
def files(tmp_path):
    """A model folder of a config and weights."""
    folder = tmp_path / "model"
    folder.mkdir()
    (folder / "config.json").write_text("{}")
    (folder / "weights.bin").write_bytes(bytes(range(256)) * 400)
    return [folder, folder / "config.json", folder / "weights.bin"]


def stamps(files):
    return [FileStamp.of(file) for file in files]


@pytest.fixture
def kept(memory, known, files):
    memory.remember_model(KEY, known, stamps(files), since=LATER)
    assert memory.model(KEY) is not None
    return memory


class TestRecall:
    def test_gives_back_the_same_types_and_values(self, kept, known):
        assert kept.model(KEY) == known
        assert isinstance(kept.model(KEY).record.preprocessing["mean"], tuple)
        assert kept.model(KEY).record.logit_scale == known.record.logit_scale

    def test_of_a_machine(self, memory):
        assert memory.machine(KEY) is None
        memory.remember_machine(KEY, MACHINE)
        assert memory.machine(KEY) == MACHINE

    def test_of_another_key_is_nothing(self, kept):
        assert kept.model(OTHER) is None

    def test_of_random_weights_needs_no_files(self, memory, known):
        memory.remember_model(KEY, known, [], since=LATER)
        assert memory.model(KEY) == known

    def test_goes_on_after_a_new_load(self, kept, known, files):
        changed = replace(known, device="cuda:0")
        kept.remember_model(KEY, changed, stamps(files), since=LATER)
        assert kept.model(KEY) == changed

    def test_is_nothing_once_it_is_forgotten(self, kept):
        kept.forget(KEY)
        kept.forget(KEY)
        assert kept.model(KEY) is None


def set_times_back(path, earlier):
    os.utime(path, ns=(earlier.st_atime_ns, earlier.st_mtime_ns))


class TestAFactIsNotRecalled:
    """Each after one change to what it was read from."""

    def test_after_a_touch(self, kept, files):
        os.utime(files[2])
        assert kept.model(KEY) is None

    def test_after_other_weights_with_the_old_size_and_mtime(self, kept, files):
        earlier = files[2].stat()
        files[2].write_bytes(bytes(reversed(range(256))) * 400)
        set_times_back(files[2], earlier)
        assert files[2].stat().st_mtime_ns == earlier.st_mtime_ns
        assert kept.model(KEY) is None

    def test_after_a_copy_took_its_place(self, kept, files):
        earlier, content = files[2].stat(), files[2].read_bytes()
        files[2].unlink()
        files[2].write_bytes(content)
        set_times_back(files[2], earlier)
        assert kept.model(KEY) is None

    def test_after_a_file_was_added(self, kept, files):
        (files[0] / "open_clip_model.safetensors").write_bytes(b"would be preferred")
        assert kept.model(KEY) is None

    @pytest.mark.parametrize("index", [1, 2])
    def test_after_a_file_went(self, kept, files, index):
        files[index].unlink()
        assert kept.model(KEY) is None

    def test_after_a_symbolic_link_was_turned(self, memory, known, tmp_path):
        for name in ("old", "new"):
            (tmp_path / name).write_text(name)
        link = tmp_path / "current"
        link.symlink_to(tmp_path / "old")
        memory.remember_model(KEY, known, stamps([link]), since=LATER)
        assert memory.model(KEY) == known
        link.unlink()
        link.symlink_to(tmp_path / "new")
        assert memory.model(KEY) is None


class TestAFactIsNotKept:
    def test_of_files_that_changed_while_they_were_read(self, memory, known, files):
        before = stamps(files)
        os.utime(files[2])
        memory.remember_model(KEY, known, before, since=LATER)
        assert memory.model(KEY) is None

    def test_of_files_written_just_before(self, memory, known, files):
        """What is written next may get the same times."""
        memory.remember_model(KEY, known, stamps(files), since=time.time() + 1)
        assert memory.model(KEY) is None
        memory.remember_model(KEY, known, stamps(files), since=time.time() + 3)
        assert memory.model(KEY) == known

    def test_of_files_that_are_gone(self, memory, known, files):
        before = stamps(files)
        files[2].unlink()
        memory.remember_model(KEY, known, before, since=LATER)
        assert memory.model(KEY) is None

    def test_where_nothing_can_be_written(self, known, tmp_path):
        (tmp_path / "file").write_text("in the way")
        memory = Memory(tmp_path / "file" / "cache")
        memory.remember_model(KEY, known, [], since=LATER)
        memory.remember_machine(KEY, MACHINE)
        assert memory.model(KEY) is None
        assert memory.clear() == 0


class TestDamage:
    @pytest.fixture
    def fact(self, kept):
        (file,) = (kept.root / "remembered").iterdir()
        return file

    def test_every_changed_byte_is_noticed(self, kept, fact, known):
        content = fact.read_bytes()
        for position in range(len(content)):
            changed = bytearray(content)
            changed[position] ^= 1  # another digit, for a digit
            fact.write_bytes(bytes(changed))
            assert kept.model(KEY) is None
        fact.write_bytes(content)
        assert kept.model(KEY) == known

    def test_every_cut_is_noticed(self, kept, fact):
        content = fact.read_bytes()
        for length in range(0, len(content), 7):
            fact.write_bytes(content[:length])
            assert kept.model(KEY) is None

    def test_a_number_changed_by_hand_is_noticed(self, kept, fact):
        text = fact.read_text()
        assert "14.285714285714286" in text
        fact.write_text(text.replace("14.285714285714286", "15.285714285714286"))
        assert kept.model(KEY) is None

    def test_a_fact_under_another_key_is_not_used(self, kept, fact):
        fact.rename(fact.with_stem(OTHER))
        assert kept.model(OTHER) is None

    def test_a_fact_of_another_kind_is_not_used(self, kept):
        assert kept.machine(KEY) is None

    @pytest.mark.parametrize("record", ["[]", "null", '{"key": 1}', "\udcff"])
    def test_whatever_else_has_a_right_checksum_is_not_used(self, kept, fact, record):
        content = record.encode("utf-8", "surrogateescape")
        fact.write_bytes(hashlib.sha256(content).hexdigest().encode() + b"\n" + content)
        assert kept.model(KEY) is None


class TestRoom:
    def test_clear_forgets_all_and_leaves_what_is_not_its_own(self, kept):
        kept.remember_machine(OTHER, MACHINE)
        folder = kept.root / "remembered"
        (folder / ".left.clipeval-tmp").write_text("by a killed process")
        (folder / "mine.txt").write_text("mine")
        assert kept.clear() > 1000
        assert [file.name for file in folder.iterdir()] == ["mine.txt"]
        (folder / "mine.txt").unlink()
        kept.clear()
        assert not folder.exists()

    def test_the_oldest_facts_go_when_there_are_too_many(self, memory):
        memory.remember_machine(KEY, MACHINE)
        folder = memory.root / "remembered"
        (fact,) = folder.iterdir()
        os.utime(fact, (1000, 1000))
        for i in range(MAX_FACTS):
            (folder / f"{i:064x}.fact").write_text("")
        memory.remember_machine(OTHER, MACHINE)
        assert len(list(folder.iterdir())) == MAX_FACTS
        assert memory.machine(KEY) is None
        assert memory.machine(OTHER) == MACHINE

    def test_what_a_killed_process_left_goes_after_an_hour(self, memory):
        memory.remember_machine(KEY, MACHINE)
        left = memory.root / "remembered" / ".left.clipeval-tmp"
        left.write_text("")
        memory.remember_machine(OTHER, MACHINE)
        assert left.exists()
        os.utime(left, (1000, 1000))
        memory.remember_machine(OTHER, MACHINE)
        assert not left.exists()
