"""Whether paths are there, without raising: a closed folder on the way is an answer, too."""

from __future__ import annotations

import stat
from pathlib import Path
from typing import Literal


def path_fault(path: Path, *, expected: Literal["file", "folder"]) -> str:
    """Return why a path is not what is expected, such as `does not exist`; empty if it is."""
    try:
        mode = path.stat().st_mode
    except (FileNotFoundError, NotADirectoryError):
        return "does not exist"
    except OSError as error:
        return f"cannot be reached: {(error.strerror or str(error)).lower()}"
    except ValueError as error:  # a NUL character in the path
        return f"cannot be reached: {error}"
    is_expected = stat.S_ISREG(mode) if expected == "file" else stat.S_ISDIR(mode)
    return "" if is_expected else f"is not a {expected}"


def is_reachable(path: Path) -> bool:
    """Return whether something is there that this user may look at."""
    try:
        return path.exists()
    except OSError:
        return False
