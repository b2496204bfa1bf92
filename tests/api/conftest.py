"""A project folder to run in: its own cache, a catalogue, photos as large as a phone takes them."""

import json
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from clipeval import api
from clipeval.api.comparer import Comparer
from clipeval.api.recording import finish_folder, planned_record
from clipeval.records import (
    CellResult,
    ClassMetrics,
    DatasetRecord,
    Environment,
    EvaluatedCell,
    MetricValue,
    ModelRecord,
    Predictions,
    SuiteSpec,
    TemplateRecord,
)
from clipeval.store import RunFolder

PHOTO_SIZE = (1280, 960)


@pytest.fixture
def project(tmp_path, monkeypatch):
    """An empty folder that is the current one; nothing is read or kept outside of it."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("CLIPEVAL_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("CLIPEVAL_DATA", str(tmp_path / "data"))
    monkeypatch.delenv("GITHUB_STEP_SUMMARY", raising=False)
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


CLASS_KEYS = ("pizza", "ramen", "sushi")
ENVIRONMENT = Environment(
    clipeval="0.1.0",
    python="3.11.9",
    platform="Linux",
    packages={"torch": "2.5.0"},
    git_commit="c" * 40,
    git_dirty=False,
    cpu="a CPU",
    n_cores=2,
    n_threads=2,
    memory_bytes=None,
    gpus=(),
    argv=("clipeval", "run", "suites/food.yaml"),
)


def hash_of(name: str) -> str:
    return (name * 64)[:64]


@pytest.fixture(scope="session")
def evaluated():
    """Return a cell made by hand: 30 images of 3 classes, the first `n_wrong` of which are wrong."""

    def make(
        template="photo", *, model="m", dataset="food", n_wrong=0, n_images=30, ids="img",
        prompt=None, weights="a", random_weights=False, class_keys=CLASS_KEYS, labels=None, gates=(),
    ):  # fmt: skip
        n_classes = len(class_keys)
        labels = np.arange(n_images) % n_classes if labels is None else np.asarray(labels)
        predicted = labels.copy()
        predicted[:n_wrong] = (labels[:n_wrong] + 1) % n_classes
        top5 = np.stack([predicted, (predicted + 1) % n_classes], axis=1)
        confusion = np.zeros((n_classes, n_classes), dtype=np.int64)
        np.add.at(confusion, (labels, predicted), 1)
        cell = f"{dataset}/{model}/{template}"
        result = CellResult(
            id=cell,
            model=ModelRecord(
                id=model, spec=model, name=model, pretrained=None, quick_gelu=False,
                random_weights=random_weights, n_parameters=1, embed_dim=8, image_size=(32, 32),
                context_length=32, logit_scale=10.0, preprocessing={"mode": "RGB"},
                weights_sha256=hash_of(weights), config_sha256=hash_of("b"),
                preprocessing_sha256=hash_of("c"), tokenizer_sha256=hash_of("d"),
            ),
            dataset=DatasetRecord(
                key=dataset, source=f"folder {dataset}", n_expected=n_images, n_images=n_images,
                n_failed=0, class_names=class_keys, class_keys=class_keys,
                samples_sha256=hash_of("e"), contents_sha256=hash_of("f"),
            ),
            template=TemplateRecord(
                id=template, origin="inline", templates=(prompt or f"{template} {{}}",),
                prompts=tuple(f"{prompt or template} {name}" for name in class_keys),
                prompts_per_class=(1,) * n_classes,
            ),
            device="cpu",
            precision="fp32",
            metrics={
                "top1": MetricValue(value=1 - n_wrong / n_images, low=0.0, high=1.0, n=n_images)
            },
            per_class=tuple(
                ClassMetrics(
                    name=name, n=int(confusion[i].sum()), n_predicted=int(confusion[:, i].sum()),
                    recall=None, recall_low=None, recall_high=None, precision=None, f1=None,
                )
                for i, name in enumerate(class_keys)
            ),
            confusion=tuple(map(tuple, confusion.tolist())),
            confused_pairs=(),
            calibration=(),
            gates=tuple(gates),
            timings={"encode_image_s": 0.5},
        )  # fmt: skip
        predictions = Predictions(
            cell=cell,
            sample_ids=tuple(f"{ids}-{number:03}" for number in range(n_images)),
            paths=tuple(f"{ids}/{number:03}.jpg" for number in range(n_images)),
            groups=(None,) * n_images,
            contents=tuple(f"{number:08x}" for number in range(n_images)),
            labels=labels.astype(np.int64),
            predicted=predicted.astype(np.int64),
            confidence=np.full(n_images, 0.9, dtype=np.float32),
            top5=top5.astype(np.int64),
            top5_scores=np.tile(np.array([[9.0, 5.0]], dtype=np.float32), (n_images, 1)),
        )
        return EvaluatedCell(result, predictions, ())

    return make


@pytest.fixture(scope="session")
def environment():
    return ENVIRONMENT


@pytest.fixture
def write_run(tmp_path):
    """Write a run folder of cells made by hand, and return it."""

    def write(name, *cells, suite="food", planned=None, guests=(), errors=(), **environment):
        ids = planned or [one.result.id for one in cells]
        record = planned_record(
            suite,
            ids,
            replace(ENVIRONMENT, **environment),
            reference_templates={},
            guest_cells=guests,
        )
        folder = tmp_path / name
        with RunFolder.begin(folder, record) as opened:
            for one in cells:
                opened.add_cell(one.result, one.predictions, one.thumbnails)
            finish_folder(opened, record, errors, Comparer())
        return folder

    return write


@pytest.fixture
def suite(project):
    def make(name="food", **changes):
        return SuiteSpec(
            name=name, path=project / "suites" / "food.yaml", datasets=(), models=(), templates=(),
            **changes,
        )  # fmt: skip

    return make


@pytest.fixture
def accepted(project, evaluated, write_run):
    """Return a function that makes a baseline file of suite `food`."""

    def make(path, *, suite="food"):
        return api.accept(write_run("run-to-accept", evaluated(), suite=suite), file=path).file

    return make
