"""An image that was replaced under its id is said, whatever the model."""

import hashlib
import shutil
from pathlib import Path

import pytest

from clipeval import api
from clipeval.errors import ComparisonError
from clipeval.records import CONTENT_DIGITS
from clipeval.store import read_predictions, read_run

SUITE = """
suite: photos
datasets: [photos]
models: [tiny]
templates: {photo: "a photo of {}"}
gates: {top1: {max_drop: 0.5, against: baseline}}
"""


@pytest.fixture
def run(project, jpegs):
    """Return a function that runs the suite; `photos/` may be changed in between."""
    shutil.copytree(jpegs, project / "photos")
    (project / "datasets.yaml").write_text("photos: {source: folder, path: photos}")
    (project / "suite.yaml").write_text(SUITE)

    def run_into(folder, **options):
        (suite,) = api.load_suites([Path("suite.yaml")])
        return api.run(suite, Path(folder), **options)

    return run_into


def swap(first, second):
    one, other = first.read_bytes(), second.read_bytes()
    first.write_bytes(other)
    second.write_bytes(one)


@pytest.mark.parametrize("use_cache", [False, True])
def test_each_image_is_known_by_the_bytes_of_its_file(run, use_cache):
    for folder in ("first", "second"):  # with a cache, the second is read from it
        run(folder, use_cache=use_cache)
        (predictions,) = read_predictions(Path(folder))
        hashes = [hashlib.sha256(Path("photos", p).read_bytes()) for p in predictions.paths]
        assert predictions.contents == tuple(h.hexdigest()[:CONTENT_DIGITS] for h in hashes)
        (cell,) = read_run(Path(folder)).cells
        together = hashlib.sha256(b"".join(h.digest() for h in hashes))
        assert cell.dataset.contents_sha256 == together.hexdigest()


def test_swapped_files_are_no_drop_but_an_error_that_names_them(run):
    run("base")
    api.accept(Path("base"))
    swap(Path("photos/pizza/IMG_0.jpg"), Path("photos/sushi/IMG_1.jpg"))
    record = run("candidate")
    (gate,) = record.cells[0].gates
    said = "2 of 6 images have the same id but another content: pizza/IMG_0.jpg, sushi/IMG_1.jpg"
    assert (record.verdict, gate.state) == ("error", "error")
    assert said in gate.message
    with pytest.raises(ComparisonError, match=said):
        api.compare_runs(Path("base"), Path("candidate"))
