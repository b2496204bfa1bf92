"""The command line in this process, in a folder of its own."""

from dataclasses import dataclass

import pytest
from PIL import Image

from clipeval.cli import main


@dataclass(frozen=True)
class Ended:
    """How a command ended."""

    code: int
    out: str
    err: str


@pytest.fixture
def project(tmp_path, monkeypatch):
    """An empty folder that is the current one; nothing is read or kept outside of it."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("CLIPEVAL_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("CLIPEVAL_DATA", str(tmp_path / "data"))
    (tmp_path / ".git").mkdir()  # the search for datasets.yaml ends here
    return tmp_path


@pytest.fixture
def clipeval(project, capsys):
    """Run `clipeval WORDS...`."""

    def run(*words):
        with pytest.raises(SystemExit) as leaving:
            main([str(word) for word in words])
        captured = capsys.readouterr()
        return Ended(leaving.value.code or 0, captured.out, captured.err)

    return run


@pytest.fixture
def image(project):
    path = project / "photo.png"
    Image.new("RGB", (50, 40), (200, 60, 20)).save(path)
    return path


@pytest.fixture
def photos(project):
    """A folder of two classes of three images, two of which cannot be read."""
    for label, name in enumerate(("red", "blue")):
        (project / "photos" / name).mkdir(parents=True)
        for number in range(3):
            path = project / "photos" / name / f"{number}.png"
            Image.new("RGB", (20, 20), (200 * label, 0, 40 * number)).save(path)
    (project / "photos" / "red" / "1.png").write_bytes(b"")
    (project / "photos" / "blue" / "2.png").write_bytes(b"no image")
    return project / "photos"
