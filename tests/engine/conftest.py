"""Cells over folders of small pictures, with the embedded model, random small ones, or a stand-in."""

import importlib.util
from contextlib import contextmanager
from pathlib import Path

import pytest
from PIL import Image

from clipeval.api.torch_boundary import load_encoder
from clipeval.encode import ClipEncoder, PromptEncoder
from clipeval.engine import Evaluator, ModelSlot
from clipeval.plan import build_plan
from clipeval.records import DatasetSpec, FolderSource, ModelSpec, SuiteSpec, TemplateSpec

TINY = ModelSpec(id="tiny", kind="tiny", name="tiny")
_PATH = Path(__file__).parents[1] / "encode" / "conftest.py"
_FOUND = importlib.util.spec_from_file_location("stand_ins", _PATH)
_STAND_INS = importlib.util.module_from_spec(_FOUND)
_FOUND.loader.exec_module(_STAND_INS)
stand_in, towers, pictures, tokenizer = (
    getattr(_STAND_INS, name) for name in ("stand_in", "towers", "pictures", "tokenizer")
)


class StandInLoader:
    """Loads a stand-in for whatever is asked for, and counts how often."""

    def __init__(self, model, *, files=None):
        self.model, self.files, self.n_loads = model, files, 0

    def __call__(self, spec, *, device, precision):
        self.n_loads += 1
        assert self.model is not None, "a model was loaded that nobody needs"
        return ClipEncoder(self.model, 0.5, PromptEncoder(self.model))

    def handle(self, memory=None):
        """A model that nobody has used yet."""
        spec = ModelSpec(id="stand-in", kind="tiny", name="tiny")
        precision = "fp32" if self.model is None else self.model.precision
        return ModelSlot(self, memory).get(spec, device="cpu", precision=precision)


@pytest.fixture
def loader():
    return StandInLoader


@pytest.fixture
def models():
    """A place for models that are loaded in earnest."""
    return ModelSlot(load_encoder)


@pytest.fixture
def photos(tmp_path):
    """Return a folder of one-coloured photos: `{class: number of images}`."""

    def make(counts, root="photos"):
        for label, (name, n_images) in enumerate(counts.items()):
            folder = tmp_path / root / name
            folder.mkdir(parents=True)
            for number in range(n_images):
                Image.new("RGB", (40, 30), (90 * label, 30 * number, 99)).save(
                    folder / f"{number}.png"
                )
        return tmp_path / root

    return make


@pytest.fixture
def cells():
    """Return the cells of a suite of folders, templates and models."""

    def make(roots, templates=("a photo of {}",), *, models=(TINY,), **options):
        suite = SuiteSpec(
            name="test",
            path=None,
            datasets=tuple(
                DatasetSpec(key=root.name, source=FolderSource(root), **options) for root in roots
            ),
            models=models,
            templates=tuple(
                TemplateSpec(id=f"t{i}", templates=(text,)) for i, text in enumerate(templates)
            ),
            devices=("cpu",),
        )
        return build_plan(suite).cells

    return make


class CountingProgress:
    """Keeps the name of every stage of work: one per pass over images or prompts."""

    def __init__(self):
        self.stages = []

    @contextmanager
    def stage(self, description, *, total, unit):
        self.stages.append(description)
        yield lambda n_done: None

    def n_passes(self, dataset, model):
        return self.stages.count(f"{dataset} x {model}")


@pytest.fixture
def progress():
    return CountingProgress()


@pytest.fixture
def evaluator(progress, models):
    return Evaluator(models, batch_size=4, progress=progress)
