"""What `clipeval validate` refuses is what a run would refuse, as far as no file is needed."""

import pytest

from clipeval import api
from clipeval.errors import ConfigError

SUITE = "suite: {name}\ndatasets: [{datasets}]\nmodels: [tiny]\ntemplates: {{t: 'a {{}}'}}\n"


@pytest.fixture
def checked(project):
    """Validate a suite over all entries of a catalogue."""

    def check(catalog, *names):
        (project / "datasets.yaml").write_text(catalog)
        datasets = ", ".join(line.partition(":")[0] for line in catalog.splitlines())
        paths = []
        for name in names or ("s",):
            paths.append(project / f"{name}.yaml")
            paths[-1].write_text(SUITE.format(name=name, datasets=datasets))
        return api.validate(paths)

    return check


MISTAKEN = """\
pets: {source: torchvision, name: OxfordIIITPet, split: tset}
food: {source: torchvision, name: Food100, split: test}
mine: {source: sklearn-digits, classes: [onee, two], aliases: {onee: [1st]}}
good: {source: sklearn-digits}
"""


def test_unknown_sets_splits_and_classes_are_all_listed(checked):
    with pytest.raises(ConfigError) as caught:
        checked(MISTAKEN)
    assert [line.split(";")[0] for line in str(caught.value).splitlines()] == [
        (
            "datasets.yaml:1:1: data set 'pets': unknown split 'tset' of OxfordIIITPet "
            "(did you mean 'test'?)"
        ),
        (
            "datasets.yaml:2:1: data set 'food': unknown torchvision set 'Food100' "
            "(did you mean 'Food101'?)"
        ),
        (
            "datasets.yaml:3:1: data set 'mine': unknown class 'onee' in `classes` "
            "(did you mean 'one'?)"
        ),
        (
            "datasets.yaml:3:1: data set 'mine': unknown class 'onee' in `aliases` "
            "(did you mean 'one'?)"
        ),
    ]


def test_suites_that_share_a_mistake_name_it_once(checked):
    with pytest.raises(ConfigError) as caught:
        checked("pets: {source: torchvision, name: OxfordIIITPet, split: tset}\n", "a", "b")
    assert str(caught.value).count("tset") == 1


def test_data_that_is_elsewhere_is_said_and_allowed(checked, project):
    (result,) = checked(
        "photos: {source: folder, path: photos}\n"
        "rows: {source: table, path: rows.csv}\n"
        "pets: {source: torchvision, name: OxfordIIITPet, split: test}\n"
        "digits: {source: sklearn-digits}\n"
    )
    assert [notice.code for notice in result.notices] == ["data-not-here"] * 3
    assert f"folder {project / 'photos'} does not exist" in result.notices[0].message


def test_data_that_is_here_needs_no_word(checked, project):
    (project / "photos").mkdir()
    (result,) = checked("photos: {source: folder, path: photos}\n")
    assert result.notices == ()
