"""Entries are refused without their files where no file could make them right."""

from importlib.resources import files
from pathlib import Path

import pytest

from clipeval.datasets import absence_notices, check_spec, open_dataset
from clipeval.errors import DatasetError
from clipeval.records import DigitsSource, FolderSource, TableSource, TorchvisionSource

PLACE = "datasets.yaml:3:1: data set 'mine': "
NOWHERE = Path("nowhere")


class TestRefused:
    @pytest.mark.parametrize(
        ("name", "split", "said"),
        [
            ("Food100", "test", "unknown torchvision set 'Food100' (did you mean 'Food101'?); "),
            ("Food101", "tset", "unknown split 'tset' of Food101 (did you mean 'test'?); "),
        ],
    )
    def test_unknown_sets_and_splits(self, spec, name, split, said):
        with pytest.raises(DatasetError) as caught:
            check_spec(spec(TorchvisionSource(name, split, NOWHERE)))
        assert str(caught.value).startswith(f"{PLACE}{said}available: ")

    @pytest.mark.parametrize("check", [check_spec, open_dataset])
    def test_all_unknown_classes_at_once(self, spec, check):
        with pytest.raises(DatasetError) as caught:
            check(
                spec(
                    DigitsSource(),
                    classes=("onee", "two"),
                    class_names={"tow": "2"},
                    aliases={"thre": ("3",)},
                )
            )
        assert [line.split(";")[0] for line in str(caught.value).splitlines()] == [
            f"{PLACE}unknown class 'onee' in `classes` (did you mean 'one'?)",
            f"{PLACE}unknown class 'tow' in `class_names` (did you mean 'two'?)",
            f"{PLACE}unknown class 'thre' in `aliases` (did you mean 'three'?)",
        ]

    def test_digits_of_a_colour_question(self, spec):
        with pytest.raises(DatasetError, match="unknown class 'one' in `classes`"):
            check_spec(spec(DigitsSource("test", "ink"), classes=("red", "one")))

    @pytest.mark.parametrize("check", [check_spec, open_dataset])
    def test_classes_of_a_packaged_table(self, spec, check):
        source = TorchvisionSource("Flowers102", "test", NOWHERE)
        with pytest.raises(DatasetError, match=r"unknown class 'dafodil' .*'daffodil'\?"):
            check(spec(source, classes=("dafodil", "rose")))

    def test_a_class_named_twice(self, spec):
        with pytest.raises(DatasetError, match="names 'DE' more than once"):
            check_spec(
                spec(TorchvisionSource("Country211", "test", NOWHERE), classes=("DE", "Germany"))
            )


class TestAccepted:
    @pytest.mark.parametrize(
        ("source", "classes"),
        [
            (DigitsSource(), ("one", "two")),
            (TorchvisionSource("Flowers102", "test", NOWHERE), ("daffodil", "rose")),
            (TorchvisionSource("MNIST", "test", NOWHERE), None),
            # Only their files know their classes.
            (TorchvisionSource("Food101", "test", NOWHERE), ("piza", "ramen")),
            (FolderSource(NOWHERE), ("piza", "ramen")),
            (TableSource(NOWHERE / "a.csv", NOWHERE), ("piza", "ramen")),
        ],
    )
    def test_what_may_be_right(self, spec, source, classes):
        check_spec(spec(source, classes=classes))


class TestNotHere:
    def test_digits_are_always_here(self, spec):
        assert absence_notices(spec(DigitsSource())) == ()

    def test_folder(self, spec, photo_folder, tmp_path):
        root = photo_folder({"cat": 1})
        assert absence_notices(spec(FolderSource(root))) == ()
        (notice,) = absence_notices(spec(FolderSource(tmp_path / "far")))
        assert notice.code == "data-not-here"
        assert notice.message == (
            f"{PLACE}folder {tmp_path / 'far'} does not exist; "
            "a run on this machine will be refused."
        )

    def test_table_and_its_root(self, spec, tmp_path):
        table = tmp_path / "a.csv"
        (notice,) = absence_notices(spec(TableSource(table, tmp_path / "far")))
        assert f"table {table} does not exist and folder {tmp_path / 'far'} does" in notice.message
        table.write_text("image,label\n")
        assert absence_notices(spec(TableSource(table, tmp_path))) == ()
        (notice,) = absence_notices(spec(TableSource(tmp_path, table)))
        assert f"table {tmp_path} is not a file and folder {table} is not a f" in notice.message

    @pytest.mark.parametrize(
        ("download", "said"),
        [(False, "set `download: true`, or"), (True, "The first run downloads 5.0 GB.")],
    )
    def test_torchvision(self, spec, tmp_path, download, said):
        source = TorchvisionSource("Food101", "test", tmp_path, download=download)
        (notice,) = absence_notices(spec(source))
        assert notice.code == "data-not-here"
        assert said in notice.message
        (tmp_path / "food-101" / "meta").mkdir(parents=True)
        (tmp_path / "food-101" / "images").mkdir()
        (tmp_path / "food-101" / "meta" / "test.json").write_text("{}")
        assert absence_notices(spec(source)) == ()

    def test_a_path_through_a_loop_of_links_is_no_traceback(self, spec, tmp_path):
        (tmp_path / "loop").symlink_to(tmp_path / "loop")
        inside = tmp_path / "loop" / "photos"
        (notice,) = absence_notices(spec(FolderSource(inside)))
        assert f"{inside} cannot be reached: too many levels" in notice.message
        with pytest.raises(DatasetError, match="cannot be reached: too many levels"):
            open_dataset(spec(FolderSource(inside)))
        (notice,) = absence_notices(spec(TorchvisionSource("Food101", "test", inside)))
        assert "is not there" in notice.message


def test_notice_names_every_file_from_elsewhere():
    """The licence of what is copied asks for its copyright line beside it."""
    root = Path(__file__).parents[2]
    notice = (root / "NOTICE").read_text(encoding="utf-8")
    assert "Copyright (c) 2021 OpenAI" in notice
    assert "Copyright (c) 2022, Mehdi Cherti" in notice
    assert "Permission is hereby granted, free of charge" in notice
    assert 'license-files = ["LICENSE", "NOTICE"]' in (root / "pyproject.toml").read_text()
    for name in files("clipeval.datasets").joinpath("class_names").iterdir():
        elsewhere = "github.com" in name.read_text(encoding="utf-8").split('"names"')[0]
        assert elsewhere == (name.name in notice), name
