"""The digits source: one set of images under three questions."""

from __future__ import annotations

import hashlib
import subprocess
import sys

import numpy as np
import pytest

from clipeval.datasets import dataset_status, open_dataset
from clipeval.datasets.digit_scenes import render_scene
from clipeval.datasets.digits import list_digits
from clipeval.records import DigitsSource


@pytest.mark.parametrize(
    ("question", "first", "n_classes"),
    [("digit", "zero", 10), ("ink", "red", 8), ("background", "red", 8)],
)
def test_each_question_has_its_classes(spec, question, first, n_classes):
    dataset = open_dataset(spec(DigitsSource(question=question)))
    assert len(dataset.samples) == 899
    assert (dataset.classes[0].key, len(dataset.classes)) == (first, n_classes)
    assert dataset.source == f"sklearn-digits:test/{question}"


def test_the_questions_share_ids_and_images(spec):
    digit, ink = (open_dataset(spec(DigitsSource(question=q), limit=899)) for q in ("digit", "ink"))
    assert [s.sample_id for s in digit.samples] == [s.sample_id for s in ink.samples]
    assert digit.content_sha256(5) == ink.content_sha256(5)
    assert digit.content_sha256(5) != digit.content_sha256(6)


def test_images_are_rgb_and_follow_the_selection(spec):
    everything = open_dataset(spec(DigitsSource()))
    few = open_dataset(spec(DigitsSource(), classes=("seven",), per_class=2))
    assert [label.key for label in few.classes] == ["seven"]
    for index, sample in enumerate(few.samples):
        position = [s.sample_id for s in everything.samples].index(sample.sample_id)
        assert everything.classes[everything.samples[position].label].key == "seven"
        assert np.array_equal(few.read(index), everything.read(position))
    assert (few.read(0).mode, few.read(0).size) == ("RGB", (64, 64))


def test_train_split(spec):
    dataset = open_dataset(spec(DigitsSource(split="train")))
    assert len(dataset.samples) == 898
    assert dataset.samples[0].sample_id == "train/0000"
    assert dataset_status(spec(DigitsSource(split="train"))).n_images == 898


def test_status_agrees_with_the_opened_set(spec):
    status = dataset_status(spec(DigitsSource(question="ink")))
    assert (status.present, status.n_images, status.n_classes) == (True, 899, 8)


def test_listing_imports_neither_torch_nor_scikit_learn():
    program = (
        "import sys; from pathlib import Path; from clipeval.datasets import dataset_status;"
        "from clipeval.records import *;"
        "sources = [DigitsSource(), FolderSource(Path('x')), TableSource(Path('x'), Path('x')),"
        " TorchvisionSource('Food101', 'test', Path('x'))];"
        "[dataset_status(DatasetSpec(key='k', source=s)) for s in sources];"
        "heavy = {'torch', 'torchvision', 'open_clip', 'sklearn'} & set(sys.modules);"
        "sys.exit(', '.join(sorted(heavy)) or 0)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")


class TestContents:
    def test_are_those_of_the_pictures_whoever_asks_first(self):
        one = list_digits(DigitsSource(question="digit")).images
        for position in (0, 7):
            loaded, plain = one.load(position), render_scene(one.scenes[position])
            expected = hashlib.sha256(b"RGB 64x64\n" + plain.tobytes()).hexdigest()
            assert one.content_sha256(position) == loaded.content_sha256 == expected
            assert loaded.image.tobytes() == plain.tobytes()

    def test_are_shared_by_all_questions_about_a_split(self):
        digit, ink = (list_digits(DigitsSource(question=q)).images for q in ("digit", "ink"))
        assert digit is ink
        train = list_digits(DigitsSource(split="train")).images
        assert train.content_sha256(0) != digit.content_sha256(0)
