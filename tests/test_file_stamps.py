"""A stamp differs as soon as a file does."""

import os
from pathlib import Path

import pytest

from clipeval.file_stamps import FileStamp


@pytest.mark.parametrize("size", [1, 4095, 4096, 4097, 70_000, 1_000_000])
def test_the_ends_of_a_file_are_sampled_whatever_its_size(tmp_path, size):
    file = tmp_path / "weights"
    samples = set()
    for change in (None, 0, size - 1):
        content = bytearray(size)
        if change is not None:
            content[change] = 1
        file.write_bytes(bytes(content))
        samples.add(FileStamp.of(file).sample_sha256)
    assert len(samples) == (3 if size > 1 else 2)


def test_a_file_that_was_not_touched_has_the_same_stamp(tmp_path):
    file = tmp_path / "weights"
    file.write_bytes(os.urandom(100_000))
    assert FileStamp.of(file) == FileStamp.of(file)


def test_an_empty_file_has_one(tmp_path):
    file = tmp_path / "empty"
    file.touch()
    assert FileStamp.of(file).size == 0


def test_a_folder_changes_with_its_files(tmp_path):
    before = FileStamp.of(tmp_path)
    (tmp_path / "new").touch()
    os.utime(tmp_path, ns=(before.mtime_ns, before.mtime_ns))
    assert FileStamp.of(tmp_path) != before


def test_what_is_no_file_is_refused(tmp_path):
    with pytest.raises(OSError, match="No such file"):
        FileStamp.of(tmp_path / "gone")
    if os.name == "posix":
        with pytest.raises(OSError, match="not a regular file"):
            FileStamp.of(Path("/dev/null"))


def test_the_latest_of_both_times_counts(tmp_path):
    file = tmp_path / "weights"
    file.write_bytes(b"x")
    os.utime(file, (1000, 1000))
    stamp = FileStamp.of(file)
    assert stamp.mtime_ns == 1000 * 10**9 < stamp.ctime_ns == stamp.changed_ns
