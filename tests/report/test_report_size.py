"""A large run: 1,000 classes, 50,000 images, 5 templates. Times are in docs/benchmarks.md, not here."""

from dataclasses import replace

import numpy as np
import pytest

from clipeval.records import Predictions
from tests.report.conftest import make_cell, make_dataset, make_run, rendered

N_CLASSES, N_IMAGES, N_TEMPLATES = 1000, 50_000, 5
MAX_BYTES, MAX_NODES = 15_000_000, 150_000


def large_run(seed=0):
    """Return a run and its predictions: 30% of the images are wrong, anywhere."""
    random = np.random.default_rng(seed)
    names = tuple(f"class number {i} of many" for i in range(N_CLASSES))
    dataset = make_dataset("imagenet", names, n_images=N_IMAGES)
    labels = np.sort(random.integers(0, N_CLASSES, N_IMAGES))
    cells, predictions = [], []
    for number in range(N_TEMPLATES):
        wrong = random.integers(0, N_CLASSES, N_IMAGES)
        predicted = np.where(random.random(N_IMAGES) < 0.7, labels, wrong)
        confusion = np.zeros((N_CLASSES, N_CLASSES), dtype=np.int64)
        np.add.at(confusion, (labels, predicted), 1)
        cell = make_cell(
            dataset=dataset, template=f"t{number}", confusion=tuple(map(tuple, confusion.tolist()))
        )
        cells.append(replace(cell, confused_pairs=cell.confused_pairs[:50]))
        predictions.append(
            Predictions(
                cell=cell.id,
                sample_ids=tuple(f"n{i:08d}" for i in range(N_IMAGES)),
                paths=tuple(f"val/n{i:08d}.JPEG" for i in range(N_IMAGES)),
                groups=(None,) * N_IMAGES,
                contents=("abcdef01",) * N_IMAGES,
                labels=labels,
                predicted=predicted,
                confidence=random.random(N_IMAGES).astype(np.float32),
                top5=np.stack([(predicted + k) % N_CLASSES for k in range(5)], axis=1),
                top5_scores=-np.sort(random.random((N_IMAGES, 5)).astype(np.float32)),
            )
        )
    return make_run(cells), predictions


@pytest.fixture(scope="module")
def large():
    return rendered(*large_run(), ())


def test_it_stays_small(large):
    assert len(large.encode("utf-8")) <= MAX_BYTES


def test_a_browser_has_few_nodes_to_keep_and_every_class_can_be_found(opened, large):
    page = opened(large)
    nodes = "document.createNodeIterator(document, NodeFilter.SHOW_ALL)"
    assert (
        page.evaluate(
            f"(() => {{ const all = {nodes}; let n = 0; while (all.nextNode()) n++; return n; }})()"
        )
        < MAX_NODES
    )
    page.locator("#filter [name=class]").fill("class number 777 of many")
    rows = page.locator("table.classes tr[data-class]:not([hidden])")
    assert rows.count() == N_TEMPLATES
