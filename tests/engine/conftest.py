"""Cells over folders of small pictures, with the embedded model or with random small ones."""

import pytest
from PIL import Image

from clipeval.plan import build_plan
from clipeval.records import DatasetSpec, FolderSource, ModelSpec, SuiteSpec, TemplateSpec

TINY = ModelSpec(id="tiny", kind="tiny", name="tiny")


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
