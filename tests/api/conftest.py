"""A project folder to run in: its own cache, a catalogue, photos as large as a phone takes them."""

import json

import numpy as np
import pytest
from PIL import Image

from clipeval import api

PHOTO_SIZE = (1280, 960)


@pytest.fixture
def project(tmp_path, monkeypatch):
    """An empty folder that is the current one; nothing is read or kept outside of it."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("CLIPEVAL_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("CLIPEVAL_DATA", str(tmp_path / "data"))
    (tmp_path / ".git").mkdir()  # the search for datasets.yaml ends here
    return tmp_path


@pytest.fixture(scope="session")
def jpegs(tmp_path_factory):
    """Three classes of two JPEGs, structured so that each file differs from the others."""
    root = tmp_path_factory.mktemp("jpegs") / "photos"
    random = np.random.default_rng(7)
    for name in ("pizza", "ramen", "sushi"):
        (root / name).mkdir(parents=True)
        for number in range(2):
            coarse = Image.fromarray(random.integers(0, 256, (6, 8, 3), dtype=np.uint8))
            photo = coarse.resize(PHOTO_SIZE, Image.Resampling.BICUBIC)
            photo.save(root / name / f"IMG_{number}.jpg", quality=92)
    return root


@pytest.fixture
def run_json():
    def read(folder):
        return json.loads((folder / "run.json").read_text(encoding="utf-8"))

    return read


@pytest.fixture
def loaded(project):
    """Return the suite that a command line means."""

    def load(*paths, catalog=None, **values):
        (suite,) = api.load_suites(paths, overrides=api.Overrides(**values), catalog=catalog)
        return suite

    return load


@pytest.fixture
def digits(loaded):
    """Return an ad-hoc suite over a few digits with the embedded model."""

    def make(*templates, **values):
        defaults = {
            "models": ("tiny",),
            "datasets": ("digits",),
            "templates": templates or ("photo=a photo of the number {}",),
            "limit": 10,
        }
        return loaded(**(defaults | values))

    return make
