"""The table source: CSV and Parquet, and every bad row by its place."""

from __future__ import annotations

import contextlib
import os
import re

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from clipeval.datasets import ImageReadError, dataset_status, open_dataset
from clipeval.datasets.table import list_table
from clipeval.errors import DatasetError
from clipeval.records import DatasetSpec, TableSource


@pytest.fixture
def table(tmp_path, spec):
    """Write a table beside the folder `images` and open it."""

    def build(content: str | bytes, name: str = "labels.csv", root: str = "."):
        raw = content.encode() if isinstance(content, str) else content
        (tmp_path / name).write_bytes(raw)
        return open_dataset(spec(TableSource(tmp_path / name, tmp_path / root)))

    return build


@pytest.fixture
def parquet(tmp_path, spec):
    def build(**columns):
        path = tmp_path / "labels.parquet"
        pq.write_table(pa.table(columns), path)
        return open_dataset(spec(TableSource(path, tmp_path)))

    return build


def rows(dataset):
    return [
        (sample.sample_id, sample.path, dataset.classes[sample.label].key, sample.group)
        for sample in dataset.samples
    ]


class TestReading:
    def test_image_and_label_are_enough(self, table):
        dataset = table("image,label\nb/2.png,dog\na/10.png,cat\na/9.png,cat\n")
        assert rows(dataset) == [
            ("a/9.png", "a/9.png", "cat", None),
            ("a/10.png", "a/10.png", "cat", None),
            ("b/2.png", "b/2.png", "dog", None),
        ]
        assert dataset.source == "table:labels.csv"

    def test_id_and_group_are_taken(self, table):
        dataset = table("group,id,label,image,more\nburst,x1,cat,a.png,?\n,x2,cat,b.png,!\n")
        assert rows(dataset) == [("x1", "a.png", "cat", "burst"), ("x2", "b.png", "cat", None)]

    def test_classes_are_in_natural_order(self, table):
        dataset = table("image,label\na,10\nb,9\nc,1\n")
        assert [label.key for label in dataset.classes] == ["1", "9", "10"]

    def test_byte_order_mark_crlf_quotes_and_empty_lines(self, table):
        dataset = table(
            b"\xef\xbb\xbfimage,label\r\n"
            b'"a,1.png","hot dog, plain"\r\n\r\n"say ""hi"".png",\xc3\xa9\r\n'
        )
        assert rows(dataset) == [
            ("a,1.png", "a,1.png", "hot dog, plain", None),
            ('say "hi".png', 'say "hi".png', "é", None),
        ]

    def test_images_are_read_relative_to_the_root(self, table, write_image, tmp_path):
        write_image(tmp_path / "a" / "1.png", (9, 8, 7))
        dataset = table("image,label\n./a/1.png,cat\n")
        assert dataset.samples[0].sample_id == "a/1.png"
        assert dataset.read(0).getpixel((0, 0)) == (9, 8, 7)
        assert len(dataset.content_sha256(0)) == 64

    def test_parquet(self, parquet):
        dataset = parquet(image=["b.png", "a.png"], label=[3, 12], group=["g", None])
        assert rows(dataset) == [("a.png", "a.png", "12", None), ("b.png", "b.png", "3", "g")]
        assert [label.key for label in dataset.classes] == ["3", "12"]

    def test_parquet_dictionary_columns(self, parquet):
        labels = pa.array(["cat", "dog"]).dictionary_encode()
        assert [row[2] for row in rows(parquet(image=["a", "b"], label=labels))] == ["cat", "dog"]

    def test_missing_images_fail_when_read_not_when_opened(self, table):
        dataset = table("image,label\ngone.png,cat\n../beside.png,cat\n")
        for index in range(2):
            with pytest.raises(ImageReadError, match=r"^no such file$"):
                dataset.read(index)

    def test_odd_targets_fail_by_name(self, table, tmp_path):
        (tmp_path / "folder.png").mkdir()
        dataset = table("id,image,label\n1,folder.png,cat\n2,/dev/zero,cat\n")
        for index in range(2):
            with pytest.raises(ImageReadError, match="not a regular file"):
                dataset.read(index)

    def test_absolute_path_with_an_id(self, table, write_image, tmp_path):
        path = write_image(tmp_path / "far" / "1.png")
        dataset = table(f"id,image,label\nx,{path},cat\n")
        assert dataset.samples[0].sample_id == "x"
        assert dataset.read(0).mode == "RGB"

    def test_absolute_paths_are_not_recorded(self, table, write_image, tmp_path):
        outside = write_image(tmp_path / "private" / "1.png", (250, 0, 0))
        inside = write_image(tmp_path / "photos" / "trip" / "2.png", (0, 250, 0))
        round_about = tmp_path / "private" / ".." / "photos" / "trip" / "2.png"
        dataset = table(
            f"id,image,label\nb,{outside},cat\na,{inside},cat\nd,{outside},cat\n"
            f"c,{round_about},cat\ne,C:\\private\\3.png,cat\n",
            root="photos",
        )
        assert [(sample.sample_id, sample.path) for sample in dataset.samples] == [
            ("b", "1.png"), ("d", "1.png"), ("e", "3.png"), ("a", "trip/2.png"), ("c", "trip/2.png"),
        ]  # fmt: skip
        colours = [dataset.read(index).getpixel((0, 0)) for index in (0, 1, 3, 4)]
        assert colours == [(250, 0, 0)] * 2 + [(0, 250, 0)] * 2


class TestBadTables:
    @pytest.mark.parametrize(
        ("content", "message"),
        [
            (b"", r"labels\.csv is empty; expected the columns image, label"),
            (b"image,label\n", "has a header but no rows"),
            (b"image,lable\na,b\n", r"labels\.csv:1: no column 'label' \(did you mean 'lable'\?\)"),
            (b"image;label\na;b\n", r"no column 'image'.*found: 'image;label'.*commas"),
            (b"image,label,label\na,b,c\n", r":1: columns appear twice: 'label'"),
            (b"image,label\na,b\nc\n", r"labels\.csv:3: 1 cells, but the header has 2"),
            (b"image,label\na,b,c\n", r"labels\.csv:2: 3 cells, but the header has 2"),
            (b'image,label\n"a,b\n', r"labels\.csv:2: unexpected end of data"),
            (b"image,label\n\xff\xfe,b\n", r"is not UTF-8 \(byte 12\); save it as UTF-8"),
        ],
    )
    def test_file_level(self, table, content, message):
        with pytest.raises(DatasetError, match=message) as caught:
            table(content)
        assert str(caught.value).startswith("datasets.yaml:3:1: data set 'mine': ")

    @pytest.mark.parametrize(
        ("row", "problem"),
        [
            ("a.png,", "no label"),
            ("a.png,  ", "no label"),
            (",cat", "no image"),
            ("a.png, cat", "label ' cat' begins or ends with a space"),
            ("https://example.org/a.png,cat", "image 'https://example.org/a.png' is an address"),
            ("/photos/a.png,cat", "image '/photos/a.png' is an absolute path"),
            ("C:\\photos\\a.png,cat", "is an absolute path"),
            ("good.png,dog", r"id 'good\.png' is already used by labels\.csv:2"),
            ("./good.png,cat", r"id 'good\.png' is already used by labels\.csv:2"),
        ],
    )
    def test_row_level(self, table, row, problem):
        with pytest.raises(DatasetError, match="1 of 2 rows cannot be used") as caught:
            table(f"image,label\ngood.png,cat\n{row}\n")
        assert "\n  labels.csv:3: " in str(caught.value)
        assert re.search(problem, str(caught.value).splitlines()[1])

    def test_id_missing_in_some_rows(self, table):
        with pytest.raises(DatasetError, match=r"labels\.csv:3: no id, though other rows have one"):
            table("id,image,label\nx,a.png,cat\n,b.png,cat\n")

    def test_all_bad_rows_are_counted_and_ten_are_shown(self, table):
        with pytest.raises(DatasetError) as caught:
            table("image,label\n" + ",cat\n" * 13)
        lines = str(caught.value).splitlines()
        assert lines[0].endswith("13 of 13 rows cannot be used:")
        assert (lines[1], lines[10], lines[11]) == (
            "  labels.csv:2: no image", "  labels.csv:11: no image", "  and 3 more",
        )  # fmt: skip

    def test_parquet_rows_are_counted_from_one(self, parquet):
        with pytest.raises(DatasetError, match=r"labels\.parquet: row 2: no label"):
            parquet(image=["a", "b"], label=["cat", None])

    @pytest.mark.parametrize(
        ("columns", "message"),
        [
            ({"image": ["a"], "label": [1.5]}, "column 'label' holds double; expected text or int"),
            ({"image": [b"\xff"], "label": ["a"]}, "column 'image' holds binary; expected text"),
            ({"image": [1], "label": ["a"]}, "column 'image' holds int64; expected text"),
            ({"picture": ["a"], "label": ["b"]}, "no column 'image'"),
        ],
    )
    def test_parquet_types(self, parquet, columns, message):
        with pytest.raises(DatasetError, match=message):
            parquet(**columns)

    def test_file_that_is_no_parquet(self, table):
        with pytest.raises(DatasetError, match="cannot be read as Parquet"):
            table("image,label\n", "labels.parquet")

    def test_unknown_ending(self, table):
        with pytest.raises(DatasetError, match=r"ending '\.xlsx'; allowed: \.csv, \.parquet"):
            table("", "labels.xlsx")

    def test_missing_table_and_missing_root(self, spec, tmp_path):
        with pytest.raises(DatasetError, match=r"none\.csv does not exist"):
            open_dataset(spec(TableSource(tmp_path / "none.csv", tmp_path)))
        (tmp_path / "labels.csv").write_text("image,label\na,b\n")
        with pytest.raises(DatasetError, match=r"the folder .*nowhere, which the column 'image'"):
            open_dataset(spec(TableSource(tmp_path / "labels.csv", tmp_path / "nowhere")))

    def test_a_folder_in_place_of_the_table(self, spec, tmp_path):
        with pytest.raises(DatasetError, match="is not a file"):
            open_dataset(spec(TableSource(tmp_path, tmp_path)))


@given(st.binary(max_size=120))
def test_any_bytes_give_rows_or_a_dataset_error(tmp_path_factory, raw):
    root = tmp_path_factory.getbasetemp()
    path = root / "any.csv"
    path.write_bytes(b"image,label\n" + raw)
    source = TableSource(path, root)
    with contextlib.suppress(DatasetError):  # nothing else may come out
        listing = list_table(DatasetSpec(key="any", source=source), source)
        assert len({sample.sample_id for sample in listing.samples}) == len(listing.samples)


def test_status_counts_rows_without_images(spec, tmp_path):
    path = tmp_path / "labels.csv"
    path.write_text("image,label\na,cat\nb,cat\nc,dog\n")
    status = dataset_status(spec(TableSource(path, tmp_path)))
    assert (status.present, status.n_images, status.n_classes) == (True, 3, 2)
    assert status.root == os.fspath(tmp_path)
