"""Whether a file is what it was, found out without reading all of it."""

from __future__ import annotations

import hashlib
import os
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

_N_SAMPLES = 16
_SAMPLE_BYTES = 4096


@dataclass(frozen=True, slots=True)
class FileStamp:
    """A file or folder as it was at one moment. A folder's changes when a file comes or goes.

    The times alone are not trusted: `ctime` cannot be set back by those who set `mtime` back, but a network
    file system may keep neither well. So a few blocks of a file are hashed too; training moves all weights.
    """

    path: str
    size: int
    mtime_ns: int
    ctime_ns: int
    inode: int
    sample_sha256: str
    """Of blocks spread over the file; empty for a folder."""

    @classmethod
    def of(cls, path: Path) -> FileStamp:
        """Look at a file or folder.

        Raises:
            OSError: it is not there, or cannot be read.
        """
        if path.is_dir():
            return cls._made(path, path.stat(), "")
        # Opened first: that is when a network file system asks how things are by now.
        with path.open("rb") as file:
            status = os.fstat(file.fileno())
            if not stat.S_ISREG(status.st_mode):
                raise OSError(f"{path}: not a regular file")
            return cls._made(path, status, _sample_sha256(file, status.st_size))

    @classmethod
    def _made(cls, path: Path, status: os.stat_result, sample: str) -> FileStamp:
        return cls(
            path=str(path),
            size=status.st_size,
            mtime_ns=status.st_mtime_ns,
            ctime_ns=status.st_ctime_ns,
            inode=status.st_ino,
            sample_sha256=sample,
        )

    @property
    def changed_ns(self) -> int:
        """The latest moment at which the file is known to have changed, nanoseconds since 1970."""
        return max(self.mtime_ns, self.ctime_ns)


def _sample_sha256(file: BinaryIO, size: int) -> str:
    digest = hashlib.sha256()
    last_start = max(0, size - _SAMPLE_BYTES)
    starts = {last_start * i // (_N_SAMPLES - 1) for i in range(_N_SAMPLES)}
    for start in sorted(starts):
        file.seek(start)
        digest.update(file.read(_SAMPLE_BYTES))
    return digest.hexdigest()
