"""Images beside prompts: the first image of a few classes, the same ones for whatever scores them."""

from dataclasses import replace

import numpy as np
import pytest

from clipeval.engine import similarity
from clipeval.engine.similarity import MAX_SIMILAR_CLASSES, sampled_positions
from clipeval.records import ModelSpec


class Labelled:
    def __init__(self, labels):
        self.labels = np.array(labels, dtype=np.int64)


@pytest.mark.parametrize(
    ("labels", "expected"),
    [
        ([0, 1, 2], [0, 1, 2]),
        ([2, 2, 0, 0, 2], [2, 0]),
        ([5], [0]),
        # 25 classes, the images of each in turn: 12 of them, the first and the last among these
        ([i % 25 for i in range(50)], [0, 2, 4, 7, 9, 11, 13, 15, 17, 20, 22, 24]),
    ],
)
def test_the_first_image_of_classes_spread_evenly(labels, expected):
    assert sampled_positions(Labelled(labels)) == expected
    assert len(expected) <= MAX_SIMILAR_CLASSES


class TestSample:
    @pytest.fixture
    def scored(self, evaluator, photos, cells, monkeypatch):
        """What a cell of three classes was measured from, and the cell."""
        kept = []
        monkeypatch.setattr(
            "clipeval.engine.results.similarity_sample",
            lambda one: kept.append(one) or similarity.similarity_sample(one),
        )
        (cell,) = cells([photos({"red": 2, "blue": 2, "green": 1})])
        return evaluator.evaluate(cell), kept[-1]

    def test_cosines_are_those_of_the_slow_way(self, scored):
        evaluated, known = scored
        found = evaluated.result.similarity
        assert found.classes == (0, 1, 2)
        by_id = dict(
            zip(
                (one.sample_id for one in known.samples),
                known.images.embeddings.astype(float),
                strict=True,
            )
        )
        for sample_id, row in zip(found.sample_ids, found.cosines, strict=True):
            for class_index, cosine in zip(found.classes, row, strict=True):
                slow = sum(
                    a * b for a, b in zip(by_id[sample_id], known.weights[class_index], strict=True)
                )
                assert cosine == pytest.approx(slow, abs=1e-6)

    def test_each_row_is_an_image_of_its_class_and_has_a_thumbnail(self, scored):
        evaluated, known = scored
        label_of = {one.sample_id: one.label for one in known.samples}
        found = evaluated.result.similarity
        assert tuple(label_of[one] for one in found.sample_ids) == found.classes
        assert set(found.sample_ids) <= {one.sample_id for one in evaluated.thumbnails}


def test_every_template_and_model_shows_the_same_images(evaluator, photos, cells):
    again = ModelSpec(id="tiny-again", kind="tiny", name="tiny")
    planned = cells(
        [photos({"red": 2, "blue": 2})],
        ("a photo of {}", "{}"),
        models=(replace(again, id="tiny"), again),
    )
    shown = {evaluator.evaluate(cell).result.similarity.sample_ids for cell in planned}
    assert len(shown) == 1
