"""run.json as text: exact round trips, and one clear line for whatever else is there."""

from __future__ import annotations

import json
import math
from dataclasses import replace

import numpy as np
import pytest

from clipeval.errors import StoreError
from clipeval.records import BaselineUse, MetricValue
from clipeval.store import dump_run, read_run
from clipeval.store.run_json import dump_record

HOSTILE = ('=cmd|"/c calc"!A1', "</script>\u2028\n\t비빔밥 \U0001f35c\\")


def written(tmp_path, text: str):
    file = tmp_path / "run.json"
    file.write_text(text, encoding="utf-8")
    return file


def with_metric(record, value):
    cell = record.cells[0]
    metrics = {**cell.metrics, "nll": MetricValue(value=value, n=3)}
    return replace(record, cells=(replace(cell, metrics=metrics), *record.cells[1:]))


class TestRoundTrip:
    def test_gives_the_same_record(self, tmp_path, made_run):
        assert read_run(written(tmp_path, dump_run(made_run.record))) == made_run.record

    def test_keeps_hostile_class_names(self, tmp_path, make):
        record = make(class_names=HOSTILE).record
        text = dump_run(record)
        assert "비빔밥 \U0001f35c" in text
        assert read_run(written(tmp_path, text)) == record

    @pytest.mark.parametrize("value", [0.1 + 0.2, 5e-324, -0.0, 1.0, 1.7976931348623157e308])
    def test_keeps_every_bit_of_a_float(self, tmp_path, made_run, value):
        record = read_run(written(tmp_path, dump_run(with_metric(made_run.record, value))))
        got = record.cells[0].metrics["nll"].value
        assert math.copysign(1, got) == math.copysign(1, value)
        assert got == value

    def test_keeps_the_types_of_preprocessing_values(self, tmp_path, made_run):
        record = read_run(written(tmp_path, dump_run(made_run.record)))
        found = record.cells[0].model.preprocessing
        assert found["std"] == (1.0, 1.0, 1.0)
        assert [type(value) for value in found["std"]] == [float] * 3
        assert [type(value) for value in found["size"]] == [int] * 2

    def test_spells_out_file_names_that_are_not_text(self, tmp_path, made_run):
        record = replace(made_run.record, suite="caf\udce9")
        assert read_run(written(tmp_path, dump_run(record))).suite == "caf\\udce9"


class TestDump:
    def test_a_matrix_row_is_one_line(self, made_run):
        text = dump_run(made_run.record)
        assert '"confusion": [\n        [1, 1],\n        [0, 1]\n      ]' in text
        assert text.endswith("}\n")

    def test_fields_come_in_the_order_of_the_record(self, made_run):
        loaded = json.loads(dump_run(made_run.record))
        assert list(loaded)[:4] == ["schema_version", "suite", "status", "verdict"]

    @pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, np.float64("nan")])
    def test_a_number_that_is_not_finite_is_refused_with_its_place(self, made_run, value):
        with pytest.raises(StoreError, match=r"\$\.cells\[0\]\.metrics\.nll\.value is -?(nan|inf)"):
            dump_run(with_metric(made_run.record, value))

    def test_a_type_that_json_lacks_is_refused_with_its_place(self, made_run):
        with pytest.raises(StoreError, match=r"nll\.value is of type float32"):
            dump_run(with_metric(made_run.record, np.float32(0.5)))

    def test_a_record_that_contradicts_itself_is_refused(self, made_run):
        cell = replace(made_run.record.cells[0], confusion=((1, 1),))
        with pytest.raises(StoreError, match="confusion has 1 rows; expected 2 x 2"):
            dump_run(replace(made_run.record, cells=(cell, made_run.record.cells[1])))


class TestRead:
    @pytest.mark.parametrize("as_folder", [True, False])
    def test_takes_the_folder_or_the_file(self, tmp_path, made_run, as_folder):
        file = written(tmp_path, dump_run(made_run.record))
        assert read_run(tmp_path if as_folder else file) == made_run.record

    def test_missing(self, tmp_path):
        with pytest.raises(StoreError, match=r"run\.json: no such file; expected a run folder"):
            read_run(tmp_path)
        with pytest.raises(StoreError, match=r"nowhere: no such file"):
            read_run(tmp_path / "nowhere")

    def test_cut_off_anywhere(self, tmp_path, made_run):
        text = dump_run(made_run.record).rstrip()
        for length in range(0, len(text), 97):
            with pytest.raises(StoreError, match=r"run\.json:\d+:\d+: not JSON: "):
                read_run(written(tmp_path, text[:length]))

    def test_says_that_a_file_was_cut_off(self, tmp_path):
        with pytest.raises(StoreError, match=r"run\.json:2:4: .*ends too early: it was cut off"):
            read_run(written(tmp_path, '{\n"a"'))

    @pytest.mark.parametrize("token", ["NaN", "Infinity", "-Infinity", "1e999"])
    def test_numbers_that_are_not_finite(self, tmp_path, made_run, token):
        text = dump_run(made_run.record).replace("14.285714285714286", token)
        with pytest.raises(StoreError, match=f"holds the number {token}, which is not finite"):
            read_run(written(tmp_path, text))

    @pytest.mark.parametrize(
        ("text", "message"),
        [
            ("[]", "holds an array; expected the object"),
            ("3", "holds a number; expected the object"),
            ("{}", "schema_version is missing; expected 1"),
            ('{"schema_version": "1"}', 'schema_version is "1"; expected the number 1'),
            ('{"schema_version": true}', "schema_version is true; expected the number 1"),
            ('{"schema_version": 2}', "written by a newer clipeval; upgrade with"),
            ('{"schema_version": 0}', "written by an older clipeval; run the suite again"),
            ('{"schema_version": 1}', "suite: Field required, got an object; .* and 4 more"),
            ("[" * 100_000, "not a file of clipeval"),
        ],
    )
    def test_other_content_is_one_line(self, tmp_path, text, message):
        with pytest.raises(StoreError, match=message) as caught:
            read_run(written(tmp_path, text))
        assert "\n" not in str(caught.value)
        assert "run.json: " in str(caught.value)

    @pytest.mark.parametrize(
        ("before", "after", "message"),
        [
            ('"status": "complete"', '"status": "done"', 'status: .*, got "done"'),
            ('"n_cores": 2', '"n_cores": "2"', 'environment.n_cores: .* integer, got "2"'),
            ('"n_expected": 4', '"n_expected": 5', "n_expected is 5, but n_images .* 3 . 1"),
            ('"n_failed": 1', '"n_failed": 1.5', r"cells\[0\].dataset.n_failed: .*got 1.5"),
            ("[0, 1]", "[0, 1, 2]", r"confusion has 2 rows; expected 2 x 2 \(and 1 more\)"),
            (
                '"id": "food/tiny/plate"',
                '"id": "food/tiny/photo"',
                "'food/tiny/photo' is listed twice",
            ),
            (
                '"verdict": "error"',
                '"verdict": "fail"',
                "verdict is 'fail', but cell 'food/missing/photo' could not be evaluated; expected 'error'",
            ),
        ],
    )
    def test_wrong_values_are_named_by_place(self, tmp_path, made_run, before, after, message):
        text = dump_run(made_run.record)
        assert before in text
        with pytest.raises(StoreError, match=message):
            read_run(written(tmp_path, text.replace(before, after)))

    @pytest.mark.parametrize(
        ("changes", "message"),
        [
            (
                {},
                "a gate on top1 of cell 'food/tiny/photo' says 'inconclusive'; expected 'inconclu",
            ),
            (
                {
                    "baseline": BaselineUse(
                        source="b", accepted="", is_gated=True, missing_cells=("x",)
                    )
                },
                "the suite has lost cell 'x' of the baseline; expected 'fail'",
            ),
            ({"status": "partial"}, "the run is partial; expected 'error'"),
        ],
    )
    def test_a_verdict_better_than_what_it_is_made_of(self, tmp_path, made_run, changes, message):
        cells = tuple(cell.id for cell in made_run.record.cells)
        record = replace(made_run.record, planned_cells=cells, errors=(), **changes)
        path = written(tmp_path, dump_record(replace(record, verdict="pass")))
        with pytest.raises(StoreError) as caught:
            read_run(path)
        assert str(caught.value).startswith(f"{path}: verdict is 'pass', but {message}")

    def test_a_verdict_may_have_reasons_of_its_own(self, tmp_path, made_run):
        """A holdout that could not be made is in no gate."""
        cells = tuple(cell.id for cell in made_run.record.cells)
        record = replace(made_run.record, planned_cells=cells, errors=())
        assert read_run(written(tmp_path, dump_run(record))).verdict == "error"

    def test_bytes_that_are_not_utf8(self, tmp_path):
        (tmp_path / "run.json").write_bytes(b'{"suite": "\xff"}')
        with pytest.raises(StoreError, match=r"run\.json: byte 11 is not UTF-8"):
            read_run(tmp_path)
