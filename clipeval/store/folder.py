"""The folder of one run, from its first moment to its last file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import TracebackType
from typing import Self

from filelock import FileLock, Timeout

from clipeval.errors import StoreError
from clipeval.records import CellResult, Predictions, RunRecord, Thumbnail
from clipeval.records.latency import BenchmarkRecord
from clipeval.store.atomic import replacing, reporting_os_errors, sync_folder, write_bytes
from clipeval.store.benchmark_json import write_benchmark
from clipeval.store.confusion import confusion_csv
from clipeval.store.consistency import check_run
from clipeval.store.names import (
    BENCHMARK_JSON,
    CHART_FILE,
    CHARTS,
    CONFUSION,
    DOCUMENTS,
    LOCK,
    PARTS,
    PREDICTIONS,
    RUN_JSON,
    THUMBNAILS,
    cell_file_name,
    encodable,
)
from clipeval.store.ownership import check_writable, remove_earlier_run, remove_parts
from clipeval.store.parts import (
    has_part,
    read_part_predictions,
    read_part_text,
    read_part_thumbnails,
    read_parts,
    write_part,
)
from clipeval.store.run_json import dump_run, join_run
from clipeval.store.tables import write_predictions, write_thumbnails

LOCK_WAIT_S = 0.2
"""Long enough to outlast another process's RunFolder.check, which holds the lock for a moment."""


@dataclass(slots=True)
class RunFolder:
    """A run folder that is being written; a context manager that gives up the lock at its end.

    Whenever the process is killed, run.json is absent, says `partial`, or describes files that are
    all there and whole. What a killed run had finished stays in `.parts`.

        with RunFolder.begin(Path("reports/quickstart"), planned) as folder:
            for ...:
                folder.add_cell(result, predictions, thumbnails)
            folder.finish(record, documents={"report.html": page})
    """

    path: Path
    _planned: RunRecord
    _lock: FileLock
    _cells: dict[str, CellResult] = field(default_factory=dict)

    @staticmethod
    def check(path: Path) -> None:
        """Refuse a place where begin would fail, as far as can be seen without changing anything.

        Raises:
            StoreError: a file is in the way, the folder holds something else, is not writable, or
                another process is writing a run there.
        """
        check_writable(path)
        if (path / LOCK).exists():
            _locked(path).release()

    @classmethod
    def begin(cls, path: Path, record: RunRecord) -> Self:
        """Open a folder for one run: lock it, clear an earlier run, and write run.json as partial.

        Args:
            path: made if it is not there; files in it that are not clipeval's stay.
            record: what is planned; its cells are left out.
        Raises:
            StoreError: as check.
        """
        check_writable(path)
        with reporting_os_errors(f"{path}: cannot be used as a run folder"):
            path.mkdir(parents=True, exist_ok=True)
        planned = replace(record, status="partial", verdict="error", cells=(), errors=())
        folder = cls(path, planned, _locked(path))
        try:
            remove_earlier_run(path)
            with reporting_os_errors(f"{path}: cannot be used as a run folder"):
                (path / PARTS).mkdir()
            folder._write_record()
        except BaseException:
            folder.close()
            raise
        return folder

    def add_cell(
        self, cell: CellResult, predictions: Predictions, thumbnails: Sequence[Thumbnail]
    ) -> None:
        """Record one finished cell: its part files, then run.json with all cells so far.

        Raises:
            StoreError: the cell was not planned, the arguments do not belong together, or a file
                cannot be written.
        """
        if cell.id not in self._planned.planned_cells:
            raise StoreError(f"{self.path}: cell '{cell.id}' is not among the planned cells")
        write_part(self.path, cell, predictions, thumbnails)
        self._take([cell])

    def collect(self) -> tuple[CellResult, ...]:
        """Take over the cells that other processes added with write_part, and rewrite run.json.

        Returns:
            All cells so far, in planned order.
        Raises:
            StoreError: a part cannot be read, or was not planned.
        """
        self._take([cell for cell in read_parts(self.path) if cell.id not in self._cells])
        return self.cells

    @property
    def cells(self) -> tuple[CellResult, ...]:
        """The cells so far, in planned order."""
        order = {cell_id: index for index, cell_id in enumerate(self._planned.planned_cells)}
        return tuple(sorted(self._cells.values(), key=lambda cell: order.get(cell.id, len(order))))

    def predictions(self, cell_id: str) -> Predictions:
        """Return what a finished cell said about each image, before finish.

        Raises:
            StoreError: the cell has not been added.
        """
        return read_part_predictions(self.path, cell_id)

    def thumbnails(self) -> tuple[Thumbnail, ...]:
        """Return the thumbnails of all cells so far, the first of each image, before finish.

        Raises:
            StoreError: a part cannot be read.
        """
        found = [one for cell in self.cells for one in read_part_thumbnails(self.path, cell.id)]
        return tuple({(one.dataset, one.sample_id): one for one in reversed(found)}.values())[::-1]

    def finish(
        self,
        record: RunRecord,
        *,
        documents: Mapping[str, str],
        benchmark: BenchmarkRecord | None = None,
    ) -> None:
        """Write every file of the run, run.json last, and give up the lock.

        Args:
            record: with its final status; partial if the run was interrupted. Every cell in it must
                have been added; files list cells in planned order.
            documents: texts by file name: report.html, summary.md, junit.xml, charts/NAME.svg.
            benchmark: timings, for benchmark.json.
        Raises:
            StoreError: a cell was not added, a document has another name, or a file cannot be
                written; run.json then still says partial.
        """
        text = dump_run(record)
        self._check_finish(record)
        _check_documents(self.path, documents)
        planned = {cell.id: cell for cell in record.cells}
        cells = [planned[cell_id] for cell_id in record.planned_cells if cell_id in planned]
        ids = [cell.id for cell in cells]
        write_predictions(
            self.path / PREDICTIONS, (read_part_predictions(self.path, cell) for cell in ids)
        )
        write_thumbnails(
            self.path / THUMBNAILS,
            (one for cell in ids for one in read_part_thumbnails(self.path, cell)),
        )
        self._write_confusion(cells)
        _write_documents(self.path, documents)
        if benchmark is not None:
            write_benchmark(benchmark, self.path / BENCHMARK_JSON)
        write_bytes(self.path / RUN_JSON, text.encode("utf-8"))
        with reporting_os_errors(f"{self.path}: cannot remove {PARTS}"):
            remove_parts(self.path)
        self.close()

    def close(self) -> None:
        """Give up the lock; the folder stays as it is."""
        self._lock.release()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def _take(self, cells: Sequence[CellResult]) -> None:
        check_run(replace(self._planned, cells=tuple(cells)), where=RUN_JSON)
        self._cells |= {cell.id: cell for cell in cells}
        self._write_record()

    def _write_record(self) -> None:
        # From the texts of the parts: to render every cell again after each would be quadratic.
        texts = (read_part_text(self.path, cell.id) for cell in self.cells)
        with replacing(self.path / RUN_JSON) as file:
            for piece in join_run(self._planned, texts):
                file.write(piece.encode("utf-8"))

    def _check_finish(self, record: RunRecord) -> None:
        if not (self.path / PARTS).is_dir():
            raise StoreError(
                f"{self.path}: this run is already finished, or its folder was removed"
            )
        for cell in record.cells:
            if not has_part(self.path, cell.id):
                raise StoreError(
                    f"{self.path}: cell '{cell.id}' is in the record, but was not added"
                )

    def _write_confusion(self, cells: Sequence[CellResult]) -> None:
        folder = self.path / CONFUSION
        with reporting_os_errors(f"cannot write {folder}"):
            folder.mkdir(exist_ok=True)
        for cell in cells:
            write_bytes(folder / f"{cell_file_name(cell.id)}.csv", confusion_csv(cell))
        with reporting_os_errors(f"cannot write {folder}"):
            sync_folder(self.path)


def write_documents(path: Path, documents: Mapping[str, str]) -> tuple[Path, ...]:
    """Write the texts of a run, each whole or not at all.

    Args:
        path: the run folder.
        documents: texts by file name: report.html, summary.md, junit.xml, charts/NAME.svg.
    Returns:
        The files written.
    Raises:
        StoreError: a document has another name, or a file cannot be written.
    """
    _check_documents(path, documents)
    _write_documents(path, documents)
    return tuple(path / name for name in documents)


def _check_documents(path: Path, documents: Mapping[str, str]) -> None:
    for name in documents:
        if name not in DOCUMENTS and not CHART_FILE.fullmatch(name):
            raise StoreError(
                f"{path}: '{name}' is no document of a run; available: {', '.join(DOCUMENTS)}, "
                f"{CHARTS}/NAME.svg"
            )


def _write_documents(path: Path, documents: Mapping[str, str]) -> None:
    charts = path / CHARTS
    with reporting_os_errors(f"cannot write {charts}"):
        if charts.is_symlink():
            charts.unlink()  # nothing is deleted through a link
        if any(CHART_FILE.fullmatch(name) for name in documents):
            charts.mkdir(exist_ok=True)
        for file in charts.glob("*.svg"):
            if f"{CHARTS}/{file.name}" not in documents:
                file.unlink()
    for name, document in documents.items():
        write_bytes(path / name, encodable(document).encode("utf-8"))


def _locked(path: Path) -> FileLock:
    """Lock a folder for this process; the system gives the lock back if the process dies."""
    lock = FileLock(path / LOCK, timeout=LOCK_WAIT_S)
    try:
        lock.acquire()
    except Timeout as error:
        raise StoreError(
            f"{path}: another clipeval run is writing this folder; wait until it has ended, "
            "or choose another folder with --out"
        ) from error
    except OSError as error:
        raise StoreError(f"{path}: cannot be locked: {error.strerror or error}") from error
    return lock
