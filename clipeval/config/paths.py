"""Paths as users write them: relative to the file that names them, `~` for the home folder."""

from __future__ import annotations

import os
from pathlib import Path

import platformdirs

from clipeval.errors import ConfigError


def resolve_path(text: str, *, base: Path) -> Path:
    """Return the absolute path that `text` means in a file of folder `base`.

    Raises:
        ConfigError: no path can be made of it (an unknown `~user`, a NUL, a loop of links).
    """
    try:
        return (base / Path(text).expanduser()).resolve()
    except (OSError, RuntimeError, ValueError) as error:
        raise ConfigError(f"'{text}' is not a usable path: {error}") from error


def default_data_root() -> Path:
    """Return where downloaded data sets live: $CLIPEVAL_DATA, or the user's cache folder."""
    chosen = os.environ.get("CLIPEVAL_DATA")
    if chosen:
        return resolve_path(chosen, base=Path.cwd())
    return Path(platformdirs.user_cache_dir("clipeval", appauthor=False)) / "datasets"
