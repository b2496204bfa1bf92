"""Where a run may be written, by whom, and what is in the folder at its end."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from clipeval.errors import StoreError
from clipeval.store import (
    RunFolder,
    dump_run,
    read_predictions,
    read_run,
    read_thumbnails,
    write_documents,
    write_part,
)
from clipeval.store.run_json import dump_record

PROCESS = Path(__file__).with_name("store_process.py")
HOLD_LOCK = """
import sys, time
from filelock import FileLock
lock = FileLock(sys.argv[1])
lock.acquire()
print("locked", flush=True)
time.sleep(60)
"""


class TestBegin:
    def test_makes_the_folder_and_says_partial(self, tmp_path, made_run):
        with RunFolder.begin(tmp_path / "reports" / "food", made_run.record):
            record = read_run(tmp_path / "reports" / "food")
        assert (record.status, record.cells, record.errors) == ("partial", (), ())
        assert record.planned_cells == made_run.record.planned_cells

    def test_refuses_a_folder_of_someone_else(self, tmp_path, made_run):
        (tmp_path / "holiday.jpg").write_bytes(b"photo")
        with pytest.raises(StoreError, match="has files in it, but no run of clipeval"):
            RunFolder.begin(tmp_path, made_run.record)
        assert [file.name for file in tmp_path.iterdir()] == ["holiday.jpg"]

    @pytest.mark.parametrize(
        "content", ["{}", "[]", "not JSON", '{"schema_version": 1}', "[" * 9999]
    )
    def test_refuses_a_run_json_of_someone_else(self, tmp_path, made_run, content):
        (tmp_path / "run.json").write_text(content)
        with pytest.raises(StoreError, match="no run of clipeval"):
            RunFolder.begin(tmp_path, made_run.record)
        assert (tmp_path / "run.json").read_text() == content

    def test_refuses_a_file_in_the_way(self, tmp_path, made_run):
        (tmp_path / "reports").write_text("a file")
        for path in (tmp_path / "reports", tmp_path / "reports" / "food"):
            with pytest.raises(StoreError, match=r"reports is not a folder; remove it or choose"):
                RunFolder.begin(path, made_run.record)

    @pytest.mark.skipif(
        not Path("/proc/self").exists(), reason="needs a folder nobody can write to"
    )
    def test_refuses_an_unwritable_place(self, made_run):
        with pytest.raises(StoreError, match=r"^/proc/clipeval-run: "):
            RunFolder.begin(Path("/proc/clipeval-run"), made_run.record)

    def test_replaces_an_earlier_run_but_keeps_other_files(self, tmp_path, make, write_run):
        folder = tmp_path / "run"
        write_run(folder, make("old", cell_ids=("food/old/photo",)))
        (folder / "notes.txt").write_text("mine")
        (folder / "confusion" / "drawing.png").write_bytes(b"mine")
        with RunFolder.begin(folder, make("new").record):
            found = {str(file.relative_to(folder)) for file in folder.rglob("*")}
        assert found == {
            ".clipeval.lock",
            ".parts",
            "confusion",
            str(Path("confusion/drawing.png")),
            "notes.txt",
            "run.json",
        }

    def test_never_deletes_through_a_link(self, tmp_path, made_run, write_run):
        elsewhere = tmp_path / "elsewhere"
        elsewhere.mkdir()
        (elsewhere / "precious.csv").write_text("1")
        folder = tmp_path / "run"
        folder.mkdir()
        (folder / ".clipeval.lock").touch()
        for name in ("confusion", ".parts"):
            (folder / name).symlink_to(elsewhere, target_is_directory=True)
        write_run(folder, made_run)
        assert [file.name for file in elsewhere.iterdir()] == ["precious.csv"]

    def test_check_changes_nothing(self, tmp_path, made_run, write_run):
        RunFolder.check(tmp_path / "reports" / "food")
        assert list(tmp_path.iterdir()) == []
        write_run(tmp_path / "run", made_run)
        RunFolder.check(tmp_path / "run")
        assert read_run(tmp_path / "run") == made_run.record


class TestLock:
    def test_second_run_into_the_same_folder_is_refused(self, tmp_path, made_run):
        with (
            RunFolder.begin(tmp_path, made_run.record),
            pytest.raises(StoreError, match=r"another clipeval run is writing this folder; wait"),
        ):
            RunFolder.begin(tmp_path, made_run.record)

    def test_lock_is_given_up_at_the_end(self, tmp_path, made_run, write_run):
        write_run(tmp_path, made_run)
        with pytest.raises(ZeroDivisionError), RunFolder.begin(tmp_path, made_run.record):
            _ = 1 / 0
        RunFolder.begin(tmp_path, made_run.record).close()

    def test_check_notices_it_before_there_is_anything_to_lose(self, tmp_path, made_run):
        with (
            RunFolder.begin(tmp_path, made_run.record),
            pytest.raises(StoreError, match=r"another clipeval run is writing this folder; wait"),
        ):
            RunFolder.check(tmp_path)
        RunFolder.check(tmp_path)  # given up at once: the next one gets it
        RunFolder.begin(tmp_path, made_run.record).close()

    def test_another_process_holds_it_until_it_dies(self, tmp_path, made_run):
        lock = str(tmp_path / ".clipeval.lock")
        with subprocess.Popen(
            [sys.executable, "-c", HOLD_LOCK, lock], stdout=subprocess.PIPE, text=True
        ) as holder:
            try:
                assert holder.stdout is not None
                assert holder.stdout.readline() == "locked\n"
                with pytest.raises(StoreError, match="another clipeval run"):
                    RunFolder.begin(tmp_path, made_run.record)
            finally:
                holder.kill()
        RunFolder.begin(tmp_path, made_run.record).close()


class TestCells:
    def test_run_json_holds_the_cells_so_far_in_planned_order(self, tmp_path, made_run):
        with RunFolder.begin(tmp_path, made_run.record) as folder:
            for cell in reversed(made_run.record.cells):
                folder.add_cell(cell, made_run.predictions[cell.id], ())
            assert read_run(tmp_path).cells == made_run.record.cells
            assert read_run(tmp_path).status == "partial"

    def test_partial_run_json_is_byte_for_byte_what_dump_run_gives(self, tmp_path, made_run):
        first, second = made_run.record.cells
        odd = replace(
            second, dataset=replace(second.dataset, source='line\n  "cells": []\u2028 \udce9.jpg')
        )
        planned = replace(made_run.partial, suite='\n  "cells": []')
        with RunFolder.begin(tmp_path, planned) as folder:
            for cell in ((), (first,), (first, odd)):
                if cell:
                    folder.add_cell(cell[-1], made_run.predictions[cell[-1].id], ())
                expected = dump_run(replace(planned, cells=cell))
                assert (tmp_path / "run.json").read_bytes() == expected.encode("utf-8")

    def test_each_cell_is_rendered_once(self, tmp_path, made_run, monkeypatch):
        rendered = []
        monkeypatch.setattr(
            "clipeval.store.parts.dump_record",
            lambda cell: rendered.append(cell.id) or dump_record(cell),
        )
        with RunFolder.begin(tmp_path, made_run.record) as folder:
            monkeypatch.setattr(
                "clipeval.store.run_json.dump_record",
                lambda record: rendered.extend(c.id for c in record.cells) or dump_record(record),
            )
            for cell in made_run.record.cells:
                folder.add_cell(cell, made_run.predictions[cell.id], ())
        assert rendered == [cell.id for cell in made_run.record.cells]

    def test_a_cell_that_contradicts_itself_is_refused_and_left_out(self, tmp_path, made_run):
        first, second = made_run.record.cells
        with RunFolder.begin(tmp_path, made_run.record) as folder:
            folder.add_cell(first, made_run.predictions[first.id], ())
            with pytest.raises(StoreError, match=r"confusion has 1 rows; expected 2 x 2"):
                folder.add_cell(
                    replace(second, confusion=((1, 1),)), made_run.predictions[second.id], ()
                )
            assert folder.cells == (first,)
        assert read_run(tmp_path).cells == (first,)

    def test_a_cell_that_was_not_planned_is_refused(self, tmp_path, made_run, make):
        other = make(cell_ids=("food/tiny/other",))
        cell = other.record.cells[0]
        with (
            RunFolder.begin(tmp_path, made_run.record) as folder,
            pytest.raises(StoreError, match="'food/tiny/other' is not among the planned cells"),
        ):
            folder.add_cell(cell, other.predictions[cell.id], ())

    def test_what_does_not_belong_together_is_refused(self, tmp_path, made_run, make):
        first, second = made_run.record.cells
        shorter = replace(first, dataset=replace(first.dataset, n_images=2, n_failed=2))
        stray = [replace(made_run.thumbnails[first.id][0], dataset="other")]
        with RunFolder.begin(tmp_path, made_run.record) as folder:
            with pytest.raises(StoreError, match="came with predictions of cell 'food/tiny/plate'"):
                folder.add_cell(first, made_run.predictions[second.id], ())
            with pytest.raises(StoreError, match="has 2 images, but predictions for 3"):
                folder.add_cell(shorter, made_run.predictions[first.id], ())
            with pytest.raises(StoreError, match="thumbnail of 'other'"):
                folder.add_cell(first, made_run.predictions[first.id], stray)

    def test_another_process_adds_parts_without_the_lock(
        self, tmp_path, made_run, documents, assert_same_predictions
    ):
        first, second = made_run.record.cells
        with RunFolder.begin(tmp_path, made_run.record) as folder:
            folder.add_cell(first, made_run.predictions[first.id], made_run.thumbnails[first.id])
            subprocess.run([sys.executable, str(PROCESS), "part", str(tmp_path)], check=True)
            assert read_run(tmp_path).cells == (first,)
            assert folder.collect() == (first, second)
            assert read_run(tmp_path).cells == (first, second)
            assert_same_predictions(folder.predictions(second.id), made_run.predictions[second.id])
            assert folder.thumbnails() == made_run.thumbnails[first.id]
            folder.finish(made_run.record, documents=documents)
        assert [one.cell for one in read_predictions(tmp_path)] == [first.id, second.id]

    def test_a_part_after_the_end_is_refused(self, tmp_path, made_run, write_run):
        write_run(tmp_path, made_run)
        cell = made_run.record.cells[0]
        with pytest.raises(StoreError, match="no run is being written here"):
            write_part(tmp_path, cell, made_run.predictions[cell.id], ())


class TestFinish:
    def test_writes_every_file_and_nothing_else(self, tmp_path, made_run, write_run):
        write_run(tmp_path, made_run)
        assert {file.relative_to(tmp_path).as_posix() for file in tmp_path.rglob("*")} == {
            ".clipeval.lock",
            "charts",
            "charts/top1-1.svg",
            "confusion",
            "confusion/food--tiny--photo.csv",
            "confusion/food--tiny--plate.csv",
            "junit.xml",
            "predictions.parquet",
            "report.html",
            "run.json",
            "summary.md",
            "thumbnails.parquet",
        }
        assert read_run(tmp_path) == made_run.record

    def test_predictions_come_in_planned_order_whatever_the_order_of_arrival(
        self, tmp_path, made_run, documents
    ):
        with RunFolder.begin(tmp_path, made_run.record) as folder:
            for cell in reversed(made_run.record.cells):
                folder.add_cell(cell, made_run.predictions[cell.id], ())
            folder.finish(made_run.record, documents=documents)
        ids = [cell.id for cell in made_run.record.cells]
        assert [one.cell for one in read_predictions(tmp_path)] == ids

    def test_one_thumbnail_per_image(self, tmp_path, made_run, write_run):
        write_run(tmp_path, made_run)
        assert [(one.dataset, one.sample_id) for one in read_thumbnails(tmp_path)] == [
            ("food", "1")
        ]

    def test_an_interrupted_run_is_finished_as_partial(self, tmp_path, made_run, documents):
        cell = made_run.record.cells[0]
        with RunFolder.begin(tmp_path, made_run.record) as folder:
            folder.add_cell(cell, made_run.predictions[cell.id], ())
            record = replace(made_run.record, status="partial", cells=(cell,), errors=())
            folder.finish(record, documents=documents)
        assert read_run(tmp_path) == record
        assert len(read_predictions(tmp_path)) == 1

    def test_a_run_in_which_every_cell_failed_is_still_a_run(self, tmp_path, made_run):
        record = replace(made_run.record, planned_cells=("food/missing/photo",), cells=())
        with RunFolder.begin(tmp_path, record) as folder:
            folder.finish(record, documents={})
        assert read_run(tmp_path) == record
        assert read_predictions(tmp_path) == ()
        assert read_thumbnails(tmp_path) == ()

    def test_other_documents_are_refused(self, tmp_path, made_run):
        record = replace(made_run.record, status="partial", cells=(), errors=())
        with (
            RunFolder.begin(tmp_path, record) as folder,
            pytest.raises(StoreError, match=r"'\.\./x\.html' is no document of a run"),
        ):
            folder.finish(record, documents={"../x.html": ""})

    @pytest.mark.parametrize(
        "name", ["charts/../x.svg", "charts/x.html", "charts/a/b.svg", "x.svg", "charts/A.svg"]
    )
    def test_charts_lie_in_their_folder(self, tmp_path, made_run, write_run, name):
        write_run(tmp_path, made_run)
        with pytest.raises(StoreError, match="is no document of a run"):
            write_documents(tmp_path, {name: ""})

    def test_charts_are_never_deleted_through_a_link(self, tmp_path, made_run, write_run):
        elsewhere = tmp_path / "elsewhere"
        elsewhere.mkdir()
        (elsewhere / "precious.svg").write_text("<svg/>")
        folder = tmp_path / "run"
        write_run(folder, made_run)
        (folder / "charts" / "top1-1.svg").unlink()
        (folder / "charts").rmdir()
        (folder / "charts").symlink_to(elsewhere)
        write_documents(folder, {"charts/top1-1.svg": "<svg>1</svg>"})
        assert [one.name for one in elsewhere.iterdir()] == ["precious.svg"]
        assert (folder / "charts" / "top1-1.svg").read_text() == "<svg>1</svg>"

    def test_charts_that_are_not_drawn_again_are_gone(self, tmp_path, made_run, write_run):
        write_run(tmp_path, made_run)
        write_documents(tmp_path, {"charts/top1-2.svg": "<svg>2</svg>"})
        assert [one.name for one in (tmp_path / "charts").iterdir()] == ["top1-2.svg"]

    def test_finishing_twice_is_refused(self, tmp_path, made_run):
        record = replace(made_run.record, status="partial", cells=(), errors=())
        folder = RunFolder.begin(tmp_path, record)
        folder.finish(record, documents={})
        with pytest.raises(StoreError, match="already finished"):
            folder.finish(record, documents={})

    def test_text_that_is_not_unicode_is_spelled_out(self, tmp_path, made_run):
        record = replace(made_run.record, status="partial", cells=(), errors=())
        with RunFolder.begin(tmp_path, record) as folder:
            folder.finish(record, documents={"report.html": "caf\udce9.jpg 사진"})
        assert (tmp_path / "report.html").read_text("utf-8") == "caf\\udce9.jpg 사진"


class TestWriteDocuments:
    def test_replaces_documents_of_a_run(self, tmp_path, made_run, write_run):
        write_run(tmp_path, made_run)
        assert write_documents(tmp_path, {"summary.md": "# again\n"}) == (tmp_path / "summary.md",)
        assert (tmp_path / "summary.md").read_text() == "# again\n"
        assert (tmp_path / "junit.xml").read_text() == "<testsuites/>\n"

    def test_other_names_are_refused(self, tmp_path):
        with pytest.raises(StoreError, match=r"'run\.json' is no document of a run"):
            write_documents(tmp_path, {"run.json": "{}"})
        assert list(tmp_path.iterdir()) == []
