"""Runs built by hand: two data sets, three templates, one confusion matrix each that can be checked on paper."""

from __future__ import annotations

import io
from dataclasses import dataclass, replace
from html.parser import HTMLParser

import numpy as np
import pytest
from PIL import Image

from clipeval.records import (
    CalibrationBin,
    CellResult,
    ClassMetrics,
    ConfusedPair,
    DatasetRecord,
    Environment,
    GateResult,
    MetricValue,
    ModelRecord,
    Predictions,
    RunRecord,
    TemplateRecord,
    Thumbnail,
)

VOID = {"meta", "link", "br", "img", "input", "hr"}


class Page(HTMLParser):
    """What a browser would see: elements with attributes and text, comments and declarations apart."""

    def __init__(self, html):
        super().__init__(convert_charrefs=True)
        self.elements = []
        self._open = []
        self.feed(html)
        self.close()

    def handle_starttag(self, tag, attrs):
        element = Element(tag, dict(attrs), [], tuple(self._open))
        self.elements.append(element)
        if tag not in VOID:
            self._open.append(element)

    def handle_startendtag(self, tag, attrs):
        self.elements.append(Element(tag, dict(attrs), [], tuple(self._open)))

    def handle_endtag(self, tag):
        assert self._open, f"</{tag}> closes nothing"
        assert self._open[-1].tag == tag, f"</{tag}> closes <{self._open[-1].tag}>"
        self._open.pop()

    def handle_data(self, found):
        for element in self._open:
            element.text.append(found)

    def all(self, tag, **attributes):
        wanted = {key.rstrip("_").replace("_", "-"): value for key, value in attributes.items()}
        return [
            one
            for one in self.elements
            if one.tag == tag and all(one.matches(k, v) for k, v in wanted.items())
        ]

    def one(self, tag, **attributes):
        found = self.all(tag, **attributes)
        assert len(found) == 1, f"{len(found)} <{tag}> with {attributes}"
        return found[0]

    def inside(self, outer, tag, **attributes):
        return [one for one in self.all(tag, **attributes) if any(o is outer for o in one.parents)]


@dataclass(frozen=True)
class Element:
    tag: str
    attributes: dict
    text: list
    parents: tuple

    def matches(self, key, value):
        found = self.attributes.get(key)
        return value in (found or "").split() if key == "class" else found == value

    @property
    def words(self):
        return " ".join("".join(self.text).split())


def webp(shade=120, edge=32):
    encoded = io.BytesIO()
    Image.new("RGB", (edge, edge), (shade, 40, 200)).save(encoded, "WEBP", quality=60)
    return encoded.getvalue()


def make_model(**changes):
    model = ModelRecord(
        id="tiny", spec="tiny", name="tiny", pretrained=None, quick_gelu=False,
        random_weights=False, n_parameters=4_123_456, embed_dim=128, image_size=(32, 32),
        context_length=77, logit_scale=27.5,
        preprocessing={"mean": (0.5, 0.25, 0.125), "interpolation": "bicubic"},
        weights_sha256="a" * 64, config_sha256="b" * 64, preprocessing_sha256="c" * 64,
        tokenizer_sha256="d" * 64,
    )  # fmt: skip
    return replace(model, **changes)


def make_dataset(key="digits", class_names=("zero", "one", "two"), n_images=10, **changes):
    dataset = DatasetRecord(
        key=key, source="sklearn-digits test", n_expected=n_images, n_images=n_images, n_failed=0,
        class_names=tuple(class_names), class_keys=tuple(str(i) for i in range(len(class_names))),
        samples_sha256="e" * 64,
    )  # fmt: skip
    return replace(dataset, **changes)


def make_class(name, confusion, i):
    n, n_predicted, right = sum(confusion[i]), sum(row[i] for row in confusion), confusion[i][i]
    return ClassMetrics(
        name=name,
        n=n,
        n_predicted=n_predicted,
        recall=right / n if n else None,
        recall_low=max(0.0, right / n - 0.2) if n else None,
        recall_high=min(1.0, right / n + 0.1) if n else None,
        precision=right / n_predicted if n_predicted else None,
        f1=2 * right / (n + n_predicted) if n + n_predicted else None,
    )


def make_cell(*, dataset=None, template="photo", confusion=None, model=None, suffix="", **changes):
    dataset = dataset or make_dataset()
    model = model or make_model()
    names = dataset.class_names
    confusion = confusion or ((4, 0, 0), (1, 2, 0), (0, 1, 2))
    n_right = sum(row[i] for i, row in enumerate(confusion))
    n = sum(map(sum, confusion))
    pairs = sorted(
        (
            ConfusedPair(true=names[i], predicted=names[j], n_images=confusion[i][j])
            for i in range(len(names))
            for j in range(len(names))
            if i != j and confusion[i][j]
        ),
        key=lambda pair: -pair.n_images,
    )
    prompts = tuple(f"a {template} of {name}" for name in names)
    cell = CellResult(
        id=f"{dataset.key}/{model.id}/{template}{suffix}",
        model=model,
        dataset=dataset,
        template=TemplateRecord(
            id=template,
            origin="inline",
            templates=(f"a {template} of {{}}",),
            prompts=prompts,
            prompts_per_class=(1,) * len(names),
        ),
        device="cpu",
        precision="fp32",
        metrics={
            "top1": MetricValue(
                value=n_right / n,
                low=max(0.0, n_right / n - 0.0213),
                high=min(1.0, n_right / n + 0.0152),
                n=n,
            ),
            "mean_per_class_recall": MetricValue(value=0.77777, n=len(names)),
            "macro_f1": MetricValue(value=0.7654321, n=len(names)),
            "nll": MetricValue(value=0.43215, n=n),
            "ece": MetricValue(value=0.0321, n=n),
        },
        per_class=tuple(make_class(name, confusion, i) for i, name in enumerate(names)),
        confusion=confusion,
        confused_pairs=tuple(pairs),
        calibration=(
            CalibrationBin(low=0.0, high=0.5, n_images=0, confidence=None, accuracy=None),
            CalibrationBin(low=0.5, high=1.0, n_images=n, confidence=0.85, accuracy=n_right / n),
        ),
        gates=(),
        timings={"load_s": 0.5, "encode_image_s": 3.25, "images_per_s": 1234.5},
    )
    return replace(cell, **changes)


def make_gate(**changes):
    gate = GateResult(
        metric="top1", kind="min", limit=0.75, value=0.8, low=0.7787, high=0.8152, state="pass",
        message="",
    )  # fmt: skip
    return replace(gate, **changes)


def make_environment(**changes):
    environment = Environment(
        clipeval="0.1.0", python="3.11.9", platform="Linux-6.1", packages={"torch": "2.5.0"},
        git_commit="f" * 40, git_dirty=True, cpu="Some CPU @ 2 GHz", n_cores=2, n_threads=2,
        memory_bytes=16 * 1024**3, gpus=(),
        argv=("/opt/env/bin/clipeval", "run", "my suite.yaml", "--limit", "10"),
    )  # fmt: skip
    return replace(environment, **changes)


def make_run(cells, **changes):
    run = RunRecord(
        schema_version=1,
        suite="quickstart",
        status="complete",
        verdict="pass",
        created="2026-11-23T22:56:58+00:00",
        environment=make_environment(),
        planned_cells=tuple(cell.id for cell in cells),
        cells=tuple(cells),
    )
    return replace(run, **changes)


def make_predictions(cell):
    """One row per count of the confusion matrix; confidence grows along the rows."""
    n_classes = len(cell.confusion)
    labels, predicted = [], []
    for i, row in enumerate(cell.confusion):
        for j, n in enumerate(row):
            labels += [i] * n
            predicted += [j] * n
    n = len(labels)
    k = min(5, n_classes)
    top5 = np.array([[(j + step) % n_classes for step in range(k)] for j in predicted], np.int64)
    return Predictions(
        cell=cell.id,
        sample_ids=tuple(f"s{i:04d}" for i in range(n)),
        paths=tuple(f"images/s{i:04d}.png" for i in range(n)),
        groups=(None,) * n,
        labels=np.array(labels, np.int64),
        predicted=np.array(predicted, np.int64),
        confidence=np.linspace(0.4, 0.99, n, dtype=np.float32),
        top5=top5.reshape(n, k),
        top5_scores=np.tile(np.linspace(27.5, 20.0, k, dtype=np.float32), (n, 1)),
    )


def make_thumbnails(cell):
    predictions = make_predictions(cell)
    wrong = np.flatnonzero(predictions.labels != predictions.predicted)
    return [
        Thumbnail(
            dataset=cell.dataset.key, sample_id=predictions.sample_ids[i], webp=webp(int(i) % 250)
        )
        for i in wrong
    ]


@pytest.fixture
def quickstart():
    """Two data sets, three templates, two gates of which one fails; the reference is `photo`."""
    ink = make_dataset("ink", ("red", "green", "blue"))
    worse = ((3, 1, 0), (2, 1, 0), (0, 2, 1))
    cells = [
        make_cell(gates=(make_gate(),)),
        make_cell(template="number", confusion=((4, 0, 0), (0, 3, 0), (0, 1, 2))),
        make_cell(
            template="bare",
            confusion=worse,
            gates=(make_gate(value=0.5, low=0.4787, high=0.5152, state="fail", message="too low"),),
        ),
        make_cell(dataset=ink),
        make_cell(dataset=ink, template="bare", confusion=worse),
    ]
    return make_run(cells, verdict="fail", reference_templates={"digits": "photo"})
