"""predictions.parquet and thumbnails.parquet: exact columns, order, and what is refused."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from clipeval.errors import StoreError
from clipeval.store import read_predictions, read_thumbnails
from clipeval.store.tables import write_predictions, write_thumbnails


@pytest.fixture
def run_path(tmp_path, made_run, write_run):
    write_run(tmp_path / "run", made_run)
    return tmp_path / "run"


class TestPredictions:
    def test_columns_and_types(self, run_path):
        schema = pq.read_schema(run_path / "predictions.parquet")
        assert {field.name: str(field.type).replace("element", "item") for field in schema} == {
            "cell": "string",
            "sample_id": "string",
            "path": "string",
            "group": "string",
            "content": "string",
            "label": "int64",
            "predicted": "int64",
            "correct": "bool",
            "confidence": "float",
            "top5": "list<item: int64>",
            "top5_scores": "list<item: float>",
        }

    def test_rows_and_row_groups_follow_the_plan(self, run_path):
        file = pq.ParquetFile(run_path / "predictions.parquet")
        assert file.num_row_groups == 2
        rows = file.read().to_pylist()
        assert [(row["cell"], row["sample_id"]) for row in rows] == [
            ("food/tiny/photo", "0"),
            ("food/tiny/photo", "1"),
            ("food/tiny/photo", "2"),
            ("food/tiny/plate", "0"),
            ("food/tiny/plate", "1"),
            ("food/tiny/plate", "2"),
        ]
        assert rows[1] == {
            "cell": "food/tiny/photo",
            "sample_id": "1",
            "path": "ramen/b.jpg",
            "group": "burst-1",
            "content": "0123abcd",
            "label": 0,
            "predicted": 1,
            "correct": False,
            "confidence": pytest.approx(0.6),
            "top5": [1, 0],
            "top5_scores": [20.25, 20.0],
        }

    @pytest.mark.parametrize("name", ["", "run.json", "predictions.parquet"])
    def test_round_trip(self, run_path, name, made_run, assert_same_predictions):
        found = read_predictions(run_path / name)
        assert [one.cell for one in found] == list(made_run.predictions)
        for one in found:
            assert_same_predictions(one, made_run.predictions[one.cell])

    def test_one_cell(self, run_path, made_run, assert_same_predictions):
        (found,) = read_predictions(run_path, "food/tiny/plate")
        assert_same_predictions(found, made_run.predictions["food/tiny/plate"])

    def test_unknown_cell_is_refused_with_a_suggestion(self, run_path):
        with pytest.raises(
            StoreError, match=r"no cell 'food/tiny/plat' \(did you mean 'food/tiny/pl"
        ):
            read_predictions(run_path, "food/tiny/plat")

    def test_missing_file(self, run_path):
        (run_path / "predictions.parquet").unlink()
        with pytest.raises(
            StoreError, match=r"predictions\.parquet: no such file; a run folder has"
        ):
            read_predictions(run_path)

    def test_a_file_that_was_cut_off(self, run_path):
        file = run_path / "predictions.parquet"
        content = file.read_bytes()
        for length in range(0, len(content), 211):
            file.write_bytes(content[:length])
            with pytest.raises(
                StoreError, match=r"predictions\.parquet: cannot be read as Parquet"
            ):
                read_predictions(run_path)

    def test_a_file_of_someone_else(self, tmp_path):
        pq.write_table(pa.table({"image": ["a.jpg"]}), tmp_path / "labels.parquet")
        with pytest.raises(StoreError, match="has no column 'cell'; expected cell, sample_id"):
            read_predictions(tmp_path / "labels.parquet")

    def test_a_column_of_another_type(self, run_path):
        file = run_path / "predictions.parquet"
        table = pq.read_table(file)
        narrow = table.set_column(5, "label", table["label"].cast(pa.int32()))
        pq.write_table(narrow, file)
        with pytest.raises(StoreError, match="column 'label' is int32; expected int64"):
            read_predictions(run_path)

    @pytest.mark.parametrize(
        ("name", "value"),
        [
            ("confidence", np.nan), ("confidence", np.inf), ("top5", None),
            ("top5_scores", np.nan), ("top5_scores", np.inf), ("top5_scores", None),
        ],
    )  # fmt: skip
    def test_a_value_that_is_no_number(self, run_path, name, value):
        file = run_path / "predictions.parquet"
        rows = pq.read_table(file).slice(0, 3).to_pylist()
        if name == "confidence":
            rows[1][name] = value
        else:
            rows[1][name][1] = value
        pq.write_table(pa.Table.from_pylist(rows, schema=pq.read_schema(file)), file)
        shown = "nan" if value is None else str(value)
        with pytest.raises(StoreError) as caught:
            read_predictions(run_path)
        assert str(caught.value) == (
            f"{file}: cell 'food/tiny/photo': {name} of image '1' is {shown}; expected finite numbers as "
            "`clipeval run` writes them: the file was changed; run the suite again"
        )

    def test_a_content_that_is_no_hash(self, tmp_path, made_run):
        made = made_run.predictions["food/tiny/photo"]
        file = tmp_path / "predictions.parquet"
        write_predictions(file, [replace(made, contents=("00000000", "0123abcd", "../../x"))])
        with pytest.raises(StoreError, match="has a content that is not 8 hex digits"):
            read_predictions(file)

    def test_file_names_that_are_not_text(self, tmp_path, made_run):
        made = made_run.predictions["food/tiny/photo"]
        file = tmp_path / "predictions.parquet"
        write_predictions(file, [replace(made, paths=("\udcff.jpg", "나.jpg", ""))])
        assert read_predictions(file)[0].paths == ("\\udcff.jpg", "나.jpg", "")

    @pytest.mark.parametrize(
        ("change", "message"),
        [
            ({"labels": np.array([0, 0, 1], dtype=np.int32)}, "labels is int32 .* expected int64"),
            ({"paths": ("a",)}, "3 sample_ids, but paths has 1"),
            (
                {"confidence": np.array([0, np.nan, 1], dtype=np.float32)},
                "confidence .* not finite",
            ),
            ({"top5_scores": np.zeros((3, 1), dtype=np.float32)}, r"top5 is \(3, 2\), but top5_s"),
            (
                {"top5": np.zeros(3, dtype=np.int64)},
                "top5 is int64 with 1 axes; expected int64 with 2",
            ),
        ],
    )
    def test_arrays_that_do_not_fit_are_not_written(self, tmp_path, made_run, change, message):
        made = replace(made_run.predictions["food/tiny/photo"], **change)
        with pytest.raises(StoreError, match=message):
            write_predictions(tmp_path / "predictions.parquet", [made])
        assert list(tmp_path.iterdir()) == []


class TestThumbnails:
    def test_round_trip_keeps_the_first_of_each_image(self, tmp_path, made_run):
        (one,) = made_run.thumbnails["food/tiny/photo"]
        other = replace(one, sample_id="2")
        write_thumbnails(tmp_path / "thumbnails.parquet", [one, other, replace(one, webp=b"late")])
        assert read_thumbnails(tmp_path) == (one, other)

    def test_columns_and_types(self, run_path):
        schema = pq.read_schema(run_path / "thumbnails.parquet")
        assert [(field.name, str(field.type)) for field in schema] == [
            ("dataset", "string"),
            ("sample_id", "string"),
            ("webp", "binary"),
        ]

    def test_a_file_that_was_cut_off(self, run_path):
        file = run_path / "thumbnails.parquet"
        file.write_bytes(file.read_bytes()[:-1])
        with pytest.raises(StoreError, match="cannot be read as Parquet"):
            read_thumbnails(run_path)
