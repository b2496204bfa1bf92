"""A tiny run of two cells, made by hand: 3 images, 2 classes."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest

from clipeval.records import (
    CalibrationBin,
    CellError,
    CellResult,
    ClassMetrics,
    ConfusedPair,
    DatasetRecord,
    Environment,
    GateResult,
    ImageFailure,
    MetricValue,
    ModelRecord,
    Notice,
    Predictions,
    RunRecord,
    TemplateRecord,
    Thumbnail,
)
from clipeval.store import RunFolder

DOCUMENTS = {
    "report.html": "<!doctype html><p>report</p>\n",
    "summary.md": "# summary\n",
    "junit.xml": "<testsuites/>\n",
    "charts/top1-1.svg": "<svg/>\n",
}


@dataclass(frozen=True)
class MadeRun:
    """A record and the per-image values that belong to it."""

    record: RunRecord
    predictions: dict[str, Predictions]
    thumbnails: dict[str, tuple[Thumbnail, ...]]

    @property
    def partial(self) -> RunRecord:
        return replace(self.record, status="partial", cells=(), errors=())


def make_model() -> ModelRecord:
    return ModelRecord(
        id="tiny",
        spec="tiny",
        name="clipeval-tiny",
        pretrained=None,
        quick_gelu=False,
        random_weights=False,
        n_parameters=4_100_000,
        embed_dim=128,
        image_size=(32, 32),
        context_length=32,
        logit_scale=14.285714285714286,
        preprocessing={
            "mode": "RGB",
            "size": (32, 32),
            "mean": (0.48145466, 0.4578275, 0.40821073),
            "std": (1.0, 1.0, 1.0),
            "fill": 0,
            "ratio": 0.5,
        },
        weights_sha256="a" * 64,
        config_sha256="b" * 64,
        preprocessing_sha256="c" * 64,
        tokenizer_sha256="d" * 64,
    )


def make_cell(cell_id: str, class_names: tuple[str, str] = ("ramen", "pizza")) -> CellResult:
    return CellResult(
        id=cell_id,
        model=make_model(),
        dataset=DatasetRecord(
            key=cell_id.split("/", maxsplit=1)[0],
            source="folder photos",
            n_expected=4,
            n_images=3,
            n_failed=1,
            class_names=class_names,
            class_keys=("0", "1"),
            samples_sha256="e" * 64,
            contents_sha256="f" * 64,
            failures=(ImageFailure("3", "pizza/broken.jpg", "truncated"),),
        ),
        template=TemplateRecord(
            id="photo",
            origin="inline",
            templates=("a photo of {}",),
            prompts=tuple(f"a photo of {name}" for name in class_names),
            prompts_per_class=(1, 1),
        ),
        device="cpu",
        precision="fp32",
        metrics={
            "top1": MetricValue(value=2 / 3, low=0.2076596, high=0.9385081, n=3),
            "nll": MetricValue(value=0.1 + 0.2, n=3),
        },
        per_class=tuple(
            ClassMetrics(
                name=name,
                n=n,
                n_predicted=n,
                recall=None if n == 0 else 0.5,
                recall_low=None,
                recall_high=None,
                precision=1e-300,
                f1=None,
            )
            for name, n in zip(class_names, (2, 1), strict=True)
        ),
        confusion=((1, 1), (0, 1)),
        confused_pairs=(ConfusedPair(true=class_names[0], predicted=class_names[1], n_images=1),),
        calibration=(
            CalibrationBin(low=0.0, high=0.5, n_images=0, confidence=None, accuracy=None),
        ),
        gates=(
            GateResult(
                metric="top1",
                kind="min",
                limit=0.5,
                value=2 / 3,
                low=None,
                high=None,
                state="inconclusive",
                message="too few images",
            ),
        ),
        timings={"encode_image_s": 0.012345678901234567, "images_per_s": 243.0},
        notices=(Notice("underscore-in-class-name", "Class 'hot_dog' has an underscore."),),
    )


def make_predictions(cell_id: str) -> Predictions:
    return Predictions(
        cell=cell_id,
        sample_ids=("0", "1", "2"),
        paths=("ramen/a.jpg", "ramen/b.jpg", ""),
        groups=(None, "burst-1", None),
        contents=("00000000", "0123abcd", "ffffffff"),
        labels=np.array([0, 0, 1], dtype=np.int64),
        predicted=np.array([0, 1, 1], dtype=np.int64),
        confidence=np.array([0.9, 0.6, 0.99], dtype=np.float32),
        top5=np.array([[0, 1], [1, 0], [1, 0]], dtype=np.int64),
        top5_scores=np.array([[21.5, 19.0], [20.25, 20.0], [25.0, 20.5]], dtype=np.float32),
    )


def make_thumbnails(cell_id: str) -> tuple[Thumbnail, ...]:
    return (
        Thumbnail(
            dataset=cell_id.split("/", maxsplit=1)[0], sample_id="1", webp=b"RIFF\x00\xffWEBP"
        ),
    )


def make_run(
    suite: str = "food",
    *,
    cell_ids: tuple[str, ...] = ("food/tiny/photo", "food/tiny/plate"),
    class_names: tuple[str, str] = ("ramen", "pizza"),
) -> MadeRun:
    record = RunRecord(
        schema_version=1,
        suite=suite,
        status="complete",
        verdict="error",
        created="2026-11-23T22:47:00Z",
        environment=Environment(
            clipeval="0.1.0",
            python="3.11.9",
            platform="Linux",
            packages={"torch": "2.5.0"},
            git_commit=None,
            git_dirty=None,
            cpu="a CPU",
            n_cores=2,
            n_threads=2,
            memory_bytes=8_000_000_000,
            gpus=(),
            argv=("clipeval", "run", "suites/food.yaml"),
        ),
        planned_cells=(*cell_ids, "food/missing/photo"),
        cells=tuple(make_cell(cell_id, class_names) for cell_id in cell_ids),
        errors=(CellError(id="food/missing/photo", message="no such model"),),
        notices=(),
        reference_templates={"food": "photo"},
    )
    return MadeRun(
        record=record,
        predictions={cell_id: make_predictions(cell_id) for cell_id in cell_ids},
        thumbnails={cell_id: make_thumbnails(cell_id) for cell_id in cell_ids},
    )


def write_made_run(path: Path, made: MadeRun) -> None:
    with RunFolder.begin(path, made.partial) as folder:
        for cell in made.record.cells:
            folder.add_cell(cell, made.predictions[cell.id], made.thumbnails[cell.id])
        folder.finish(made.record, documents=DOCUMENTS)


@pytest.fixture
def made_run() -> MadeRun:
    return make_run()


@pytest.fixture
def make():
    """The factory, for runs of other shapes."""
    return make_run


@pytest.fixture
def documents() -> dict[str, str]:
    return dict(DOCUMENTS)


@pytest.fixture
def write_run():
    """Write a made run into a folder, from begin to finish."""

    return write_made_run


@pytest.fixture
def assert_same_predictions():
    """Compare two Predictions, arrays by value and dtype."""

    def compare(got: Predictions, expected: Predictions) -> None:
        for name in ("cell", "sample_ids", "paths", "groups"):
            assert getattr(got, name) == getattr(expected, name), name
        for name in ("labels", "predicted", "confidence", "top5", "top5_scores"):
            one, other = getattr(got, name), getattr(expected, name)
            assert one.dtype == other.dtype, name
            np.testing.assert_array_equal(one, other)

    return compare
