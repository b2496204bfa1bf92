"""The command line in this process, in a folder of its own."""

import shutil
from dataclasses import dataclass
from pathlib import Path

import pytest
from PIL import Image

import clipeval as package
from clipeval.cli import main

SUITE = """\
suite: small
datasets: [digits]
models: [tiny]
templates: {photo: "a photo of the number {}", bare: "{}"}
gates: {top1: {max_drop: 0.2}}
"""


@dataclass(frozen=True)
class Ended:
    """How a command ended."""

    code: int
    out: str
    err: str


def refused(ended, *texts):
    """Assert one message on stderr, nothing on stdout, exit code 2."""
    assert (ended.code, ended.out) == (2, ""), ended
    assert ended.err.startswith("error: ")
    assert "Traceback" not in ended.err
    for text in texts:
        assert text in ended.err


@pytest.fixture
def project(tmp_path, monkeypatch):
    """An empty folder that is the current one; nothing is read or kept outside of it."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("CLIPEVAL_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("CLIPEVAL_DATA", str(tmp_path / "data"))
    monkeypatch.delenv("GITHUB_STEP_SUMMARY", raising=False)
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


@pytest.fixture(scope="session")
def finished(tmp_path_factory):
    """A project with runs of one suite: `base`, which is accepted, `noisy` with other weights, and
    `only-photo` and `only-bare` with one template each.

    The suite is of the model local-dir:model; its folder holds the weights of `base`.
    """
    import torch
    from safetensors.torch import load_file, save_file

    root = tmp_path_factory.mktemp("finished")
    (root / ".git").mkdir()
    (root / "suites").mkdir()
    suite = SUITE.replace("[tiny]", '["local-dir:../model"]')
    (root / "suites" / "small.yaml").write_text(suite)
    (root / "datasets.yaml").write_text("digits: {source: sklearn-digits, limit: 30}\n")
    shutil.copytree(Path(package.__file__).parent / "models" / "tiny", root / "model")
    shutil.copytree(root / "model", root / "noisy-model")
    weights = root / "noisy-model" / "open_clip_model.safetensors"
    random = torch.Generator().manual_seed(0)
    noisy = {
        name: value + 0.8 * value.std() * torch.randn(value.shape, generator=random)
        if value.ndim > 1
        else value
        for name, value in load_file(weights).items()
    }
    save_file(noisy, weights)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(root)
        patch.setenv("CLIPEVAL_CACHE", str(root / "cache"))
        patch.delenv("GITHUB_STEP_SUMMARY", raising=False)
        for words in (
            ("run", "suites/small.yaml", "--out", "base"),
            ("baseline", "accept", "base"),
            ("run", "suites/small.yaml", "--model", "local-dir:noisy-model", "--out", "noisy"),
            ("run", "suites/small.yaml", "--template", "photo", "--out", "only-photo"),
            ("run", "suites/small.yaml", "--template", "bare", "--out", "only-bare"),
        ):
            with pytest.raises(SystemExit):
                main(words)
    return root


@pytest.fixture
def trial(finished, clipeval, project, monkeypatch):
    """Make the project a copy of the finished one; return the function that runs `clipeval`."""
    shutil.copytree(finished, project, dirs_exist_ok=True)
    monkeypatch.setenv("CLIPEVAL_CACHE", str(finished / "cache"))
    return clipeval
