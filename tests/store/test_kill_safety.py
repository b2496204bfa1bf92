"""A run killed at any moment leaves no half file that reads as whole."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from clipeval.errors import StoreError
from clipeval.store import (
    RunFolder,
    cell_file_name,
    read_parts,
    read_predictions,
    read_run,
    read_thumbnails,
)

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="SIGKILL and fork are POSIX")

PROCESS = Path(__file__).with_name("store_process.py")


@pytest.fixture(scope="module", params=["kill-fresh", "kill-over"])
def killed_folders(request, tmp_path_factory):
    root = tmp_path_factory.mktemp(request.param)
    subprocess.run([sys.executable, str(PROCESS), request.param, str(root)], check=True)
    return sorted(root.glob("killed-*"))


@pytest.fixture
def new(make):
    return make("new")


@pytest.fixture
def old(make):
    return make("old", cell_ids=("food/old/photo", "food/old/plate"), class_names=("x", "y"))


def state_of(folder: Path) -> str:
    if not (folder / "run.json").exists():
        return "absent"
    return read_run(folder).status


def assert_whole(folder, made, documents, assert_same_predictions):
    expected = made.record
    assert read_run(folder) == expected
    found = read_predictions(folder)
    assert [one.cell for one in found] == [cell.id for cell in expected.cells]
    for one in found:
        assert_same_predictions(one, made.predictions[one.cell])
    assert read_thumbnails(folder) == made.thumbnails[expected.cells[0].id]
    for name, text in documents.items():
        assert (folder / name).read_text(encoding="utf-8") == text
    for cell in expected.cells:
        csv = folder / "confusion" / f"{cell_file_name(cell.id)}.csv"
        assert csv.read_text(encoding="utf-8").endswith(
            "\n" + f"{cell.dataset.class_names[1]},0,1\n"
        )


def test_kills_cover_every_state(killed_folders):
    states = [state_of(folder) for folder in killed_folders]
    assert len(states) > 30
    assert {"absent", "partial", "complete"} == set(states)


def test_complete_record_means_every_file_is_whole(
    killed_folders, new, old, documents, assert_same_predictions
):
    for folder in killed_folders:
        if state_of(folder) == "complete":
            made = new if read_run(folder).suite == "new" else old
            assert_whole(folder, made, documents, assert_same_predictions)


def test_partial_record_lists_only_cells_whose_parts_are_whole(killed_folders, new):
    for folder in killed_folders:
        if state_of(folder) == "partial":
            record = read_run(folder)
            assert record.suite == "new"
            parts = {cell.id: cell for cell in read_parts(folder)}
            assert record.cells == new.record.cells[: len(record.cells)]
            for cell in record.cells:
                assert parts[cell.id] == cell


def test_files_beside_a_partial_record_are_absent_or_whole_and_of_this_run(
    killed_folders, new, documents, assert_same_predictions
):
    for folder in killed_folders:
        if state_of(folder) != "partial":
            continue
        if (folder / "predictions.parquet").exists() and read_parts(folder):
            found = read_predictions(folder)
            assert [one.cell for one in found] == list(new.predictions)
            for one in found:
                assert_same_predictions(one, new.predictions[one.cell])
        for name, text in documents.items():
            if (folder / name).exists():
                assert (folder / name).read_text(encoding="utf-8") == text


def test_the_next_run_can_use_a_folder_that_a_killed_one_left(
    killed_folders, new, write_run, documents, assert_same_predictions
):
    for folder in killed_folders:
        RunFolder.begin(folder, new.partial).close()
        names = {file.name for file in folder.rglob("*")}
        assert names == {".clipeval.lock", ".parts", "run.json"}
    write_run(killed_folders[-2], new)
    assert_whole(killed_folders[-2], new, documents, assert_same_predictions)


def test_an_error_while_finishing_leaves_the_run_partial(tmp_path, new, documents):
    folder = RunFolder.begin(tmp_path / "run", new.partial)
    cell = new.record.cells[0]
    folder.add_cell(cell, new.predictions[cell.id], new.thumbnails[cell.id])
    with pytest.raises(StoreError, match="'food/tiny/plate' is in the record, but was not added"):
        folder.finish(new.record, documents=documents)
    folder.close()
    assert read_run(tmp_path / "run").status == "partial"
    assert read_run(tmp_path / "run").cells == (cell,)
