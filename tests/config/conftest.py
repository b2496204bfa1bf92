from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from clipeval.config import load_suite
from clipeval.errors import ConfigError


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with nothing above it that the search for datasets.yaml could find."""
    (tmp_path / ".git").mkdir()
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def problems_of(project: Path) -> Callable[[str | bytes], list[str]]:
    """Return the lines of the error that a suite of this content raises."""

    def problems(content: str | bytes) -> list[str]:
        raw = content if isinstance(content, bytes) else content.encode()
        Path("s.yaml").write_bytes(raw)
        with pytest.raises(ConfigError) as caught:
            load_suite(Path("s.yaml"))
        return str(caught.value).splitlines()

    return problems
