"""A holdout that cannot be made is refused while nothing has been evaluated."""

import shutil
from dataclasses import replace

import pytest

from clipeval import api
from clipeval.errors import ConfigError
from clipeval.plan import build_plan
from clipeval.records import DatasetSpec, FolderSource


@pytest.fixture
def cells(digits):
    """Return the cells of a suite of two templates and ten images, each with the suite."""

    def make(*templates, **values):
        suite = digits(*(templates or ("photo=a photo of {}", "bare={}")), **values)
        return [(suite, cell) for cell in build_plan(suite).cells]

    return make


@pytest.mark.parametrize("holdout", [None, 0.1, 0.5, 0.9])
def test_one_that_can_be_made_passes(cells, holdout):
    api.check_holdouts(cells(holdout=holdout))


@pytest.mark.parametrize(
    ("holdout", "message"),
    [
        (0.001, "of the 10 images of data set 'digits' leaves 0 to confirm on and 10 to choose on"),
        (0.999, "of the 10 images of data set 'digits' leaves 10 to confirm on and 0 to choose on"),
    ],
)
def test_a_part_without_images_is_refused(cells, holdout, message):
    with pytest.raises(ConfigError, match=message):
        api.check_holdouts(cells(holdout=holdout))


def test_one_template_is_refused_and_without_a_holdout_is_not(cells):
    with pytest.raises(ConfigError, match="'digits' has 1 template and nothing to choose from"):
        api.check_holdouts(cells("photo=a photo of {}", holdout=0.5))
    api.check_holdouts(cells("photo=a photo of {}"))


def test_cells_that_were_left_out_do_not_count(cells):
    with pytest.raises(ConfigError, match="has 1 template"):
        api.check_holdouts(cells(holdout=0.5)[:1])


def test_one_class_is_refused(cells, project, jpegs):
    asked = cells(datasets=(str(jpegs),), limit=None, holdout=0.5)
    assert asked[0][1].dataset.source == FolderSource(jpegs)
    dataset = replace(asked[0][1].dataset, classes=("pizza",))
    only = [(suite, replace(cell, dataset=dataset)) for suite, cell in asked]
    with pytest.raises(ConfigError, match="has one class, so that every template is right"):
        api.check_holdouts(only)


def test_images_of_one_group_are_no_part(cells, project, jpegs):
    shutil.copytree(jpegs, project / "photos")
    rows = [
        f"photos/{path.parent.name}/{path.name},{path.parent.name},{path.stem}"
        for path in sorted(jpegs.rglob("*.jpg"))
    ]
    (project / "photos.csv").write_text("\n".join(["image,label,group", *rows]))
    with pytest.raises(ConfigError, match=r"3 images, all of one group, 'IMG_\d'"):
        api.check_holdouts(cells(datasets=("photos.csv",), limit=None, holdout=0.5))


def test_everything_is_said_once(cells):
    asked = cells(holdout=0.001)
    others = [(replace(suite, name="other"), cell) for suite, cell in asked]
    single = [(replace(suite, name="single"), cell) for suite, cell in asked[:1]]
    with pytest.raises(ConfigError) as refused:
        api.check_holdouts([*asked, *others, *single])
    assert len(str(refused.value).splitlines()) == 2


def test_a_data_set_that_is_not_there_is_left_to_the_run(cells, project):
    gone = DatasetSpec(key="gone", source=FolderSource(project / "gone"))
    api.check_holdouts(
        [(suite, replace(cell, dataset=gone)) for suite, cell in cells(holdout=0.001)]
    )


def test_a_run_refuses_it_before_anything_is_encoded(digits, project):
    with pytest.raises(ConfigError, match="leaves 0 to confirm on"):
        api.run(digits("photo=a photo of {}", "bare={}", holdout=0.001), project / "out")
    assert not (project / "out").exists()
    assert not (project / "cache").exists()
