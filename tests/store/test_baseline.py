"""baselines/SUITE.json: exact round trips, small, and never read when it is not what was accepted."""

from __future__ import annotations

import hashlib
import json
import sys
from dataclasses import replace

import numpy as np
import pytest

from clipeval.comparison import cell_outcomes
from clipeval.errors import StoreError
from clipeval.records import Baseline, BaselineCell, EmbeddingSketch, MetricValue
from clipeval.store import is_baseline, read_baseline, write_baseline
from clipeval.store.packing import packed
from clipeval.store.run_json import dump_record

ODD_IDS = (
    "비빔밥/\U0001f35c.jpg",
    'line\nend\t"quoted"\\',
    "caf\\udce9",
    "",
    " ",
    "</script>",
    "a,b",
)
ARRAYS = ("labels", "predicted", "in_top5")


@pytest.fixture
def made(made_run):
    """A baseline of two cells, 3 images, 2 classes."""
    cells = {
        cell.id: BaselineCell(
            outcomes=replace(
                cell_outcomes(cell, made_run.predictions[cell.id]),
                sketch=EmbeddingSketch(image=((0.1, -2e-05), (1.0, 3.0)), text=()),
            ),
            metrics=cell.metrics,
        )
        for cell in made_run.record.cells
    }
    return Baseline(
        source="baselines/food.json",
        suite="food",
        accepted="2026-11-24T08:00:00+00:00",
        environment=made_run.record.environment,
        cells=cells,
    )


@pytest.fixture
def file(tmp_path, made):
    path = tmp_path / "baselines" / "food.json"
    write_baseline(path, made)
    return path


@pytest.fixture
def edited(file):
    """Return a function that changes the parsed file in place, and signs it if asked to."""

    def edit(change, *, signed=False):
        loaded = json.loads(file.read_text(encoding="utf-8"))
        change(loaded)
        if signed:
            loaded["sha256"] = ""
            text = dump_record(loaded)
            loaded["sha256"] = hashlib.sha256(text.encode("utf-8")).hexdigest()
        file.write_text(dump_record(loaded), encoding="utf-8")
        return file

    return edit


def with_outcomes(baseline, **changes):
    cells = {
        id_: replace(one, outcomes=replace(one.outcomes, **changes))
        for id_, one in baseline.cells.items()
    }
    return replace(baseline, cells=cells)


def read_error(file):
    with pytest.raises(StoreError) as caught:
        read_baseline(file)
    message = str(caught.value)
    assert "\n" not in message
    assert str(file) in message
    return message


class TestRoundTrip:
    def test_gives_the_same_baseline(self, file, made):
        got = read_baseline(file)
        assert (got.source, got.suite, got.accepted) == (str(file), "food", made.accepted)
        assert got.environment == made.environment
        assert list(got.cells) == list(made.cells)
        for id_, one in got.cells.items():
            assert one.metrics == made.cells[id_].metrics
            expected = made.cells[id_].outcomes
            for name in (
                "cell", "dataset", "class_keys", "class_names", "model", "template",
                "prompts_sha256", "device", "precision", "sample_ids", "sketch",
            ):  # fmt: skip
                assert getattr(one.outcomes, name) == getattr(expected, name), name
            for name in ARRAYS:
                np.testing.assert_array_equal(getattr(one.outcomes, name), getattr(expected, name))

    def test_does_not_know_paths_and_scores(self, file):
        cell = next(iter(read_baseline(file).cells.values())).outcomes
        assert cell.paths == ("",) * 3
        assert (cell.confidence, cell.score_gap) == (None, None)

    @pytest.mark.parametrize(
        ("groups", "expected"),
        [
            (("dog", None, "dog"), ("1", None, "1")),
            (("2", "0", "2"), ("1", "2", "1")),
            ((None, None, None), (None, None, None)),
        ],
    )
    def test_keeps_which_images_are_of_one_group(self, tmp_path, made, groups, expected):
        write_baseline(tmp_path / "b.json", with_outcomes(made, groups=groups))
        for one in read_baseline(tmp_path / "b.json").cells.values():
            assert one.outcomes.groups == expected

    def test_a_file_from_before_groups_and_backends_were_kept_has_none(self, edited):
        def age(loaded):
            for images in loaded["images"].values():
                del images["groups"]
            for cell in loaded["cells"]:
                del cell["backend"]

        for one in read_baseline(edited(age, signed=True)).cells.values():
            assert (one.outcomes.groups, one.outcomes.backend) == ((None,) * 3, "torch")

    def test_keeps_what_is_in_the_best_five(self, tmp_path, made):
        in_top5 = np.array([True, False, True])
        write_baseline(tmp_path / "b.json", with_outcomes(made, in_top5=in_top5))
        for one in read_baseline(tmp_path / "b.json").cells.values():
            assert one.outcomes.in_top5.tolist() == [True, False, True]

    def test_keeps_odd_sample_ids(self, tmp_path, made):
        n_images = len(ODD_IDS)
        labels = np.zeros(n_images, dtype=np.int64)
        odd = with_outcomes(
            made,
            sample_ids=ODD_IDS,
            paths=("",) * n_images,
            groups=(None,) * n_images,
            contents=("0123abcd",) * n_images,
            labels=labels,
            predicted=labels,
        )
        write_baseline(tmp_path / "b.json", odd)
        for one in read_baseline(tmp_path / "b.json").cells.values():
            assert one.outcomes.sample_ids == ODD_IDS

    def test_keeps_file_names_that_are_no_text_as_run_folders_do(self, tmp_path, made_run, made):
        cell = made_run.record.cells[0]
        predictions = replace(
            made_run.predictions[cell.id], sample_ids=("caf\udce9", "\ud800", "plain")
        )
        outcomes = cell_outcomes(cell, predictions)
        one = BaselineCell(outcomes=outcomes, metrics={})
        write_baseline(tmp_path / "b.json", replace(made, cells={cell.id: one}))
        got = read_baseline(tmp_path / "b.json").cells[cell.id].outcomes
        assert got.sample_ids == outcomes.sample_ids == ("caf\\udce9", "\\ud800", "plain")

    def test_the_same_baseline_is_the_same_bytes(self, file, tmp_path, made):
        write_baseline(tmp_path / "again.json", made)
        assert (tmp_path / "again.json").read_bytes() == file.read_bytes()

    def test_cells_on_the_same_images_share_them(self, file):
        assert len(json.loads(file.read_text())["images"]) == 1

    def test_cells_on_other_images_do_not(self, tmp_path, made):
        first, second = made.cells.values()
        other = replace(second, outcomes=replace(second.outcomes, sample_ids=("7", "8", "9")))
        cells = {first.outcomes.cell: first, other.outcomes.cell: other}
        write_baseline(tmp_path / "b.json", replace(made, cells=cells))
        got = read_baseline(tmp_path / "b.json").cells
        assert got[other.outcomes.cell].outcomes.sample_ids == ("7", "8", "9")
        assert got[first.outcomes.cell].outcomes.sample_ids == first.outcomes.sample_ids


def test_two_cells_of_900_images_are_below_40_kb(tmp_path, made):
    random = np.random.default_rng(0)
    labels = random.integers(0, 10, 900)
    first, second = made.cells.values()
    cells = {}
    for one in (first, second):
        predicted = np.where(random.random(900) < 0.9, labels, random.integers(0, 10, 900))
        sketch = tuple(tuple(float(f"{x:.9g}") for x in row) for row in random.normal(size=(32, 8)))
        outcomes = replace(
            one.outcomes,
            class_keys=tuple("0123456789"),
            class_names=tuple("0123456789"),
            sample_ids=tuple(f"test/{number:04}" for number in range(897, 1797)),
            paths=("",) * 900,
            groups=(None,) * 900,
            contents=tuple(f"{number:08x}" for number in random.integers(0, 2**32, 900).tolist()),
            labels=labels,
            predicted=predicted,
            in_top5=random.random(900) < 0.99,
            sketch=EmbeddingSketch(image=sketch, text=sketch[:10]),
        )
        metrics = {
            name: MetricValue(value=random.random(), low=random.random(), high=1.0, n=900)
            for name in "abcdefghijkl"
        }
        cells[one.outcomes.cell] = BaselineCell(outcomes=outcomes, metrics=metrics)
    write_baseline(tmp_path / "b.json", replace(made, cells=cells))
    assert (tmp_path / "b.json").stat().st_size < 40_000
    assert len(read_baseline(tmp_path / "b.json").cells) == 2


def set_metric(loaded):
    loaded["cells"][0]["metrics"]["top1"]["value"] = 0.1


def set_prediction(loaded):
    loaded["cells"][0]["predicted"] = loaded["images"][loaded["cells"][0]["images"]]["labels"]


def set_class_name(loaded):
    (images,) = loaded["images"].values()
    images["class_names"][0] = "udon"


def set_suite(loaded):
    loaded["suite"] = "other"


def drop_groups(loaded):
    (images,) = loaded["images"].values()
    del images["groups"]


def add_key(loaded):
    loaded["cells"][0]["note"] = "better than it looks"


def drop_cell(loaded):
    del loaded["cells"][1]


def set_sha(loaded):
    loaded["sha256"] = "0" * 64


CHANGES = (
    *(set_metric, set_prediction, set_class_name, set_suite, set_sha),
    *(drop_cell, drop_groups, add_key),
)


class TestEditedByHand:
    """Whatever is changed, it is an error that says so: nobody makes a baseline better by hand."""

    @pytest.mark.parametrize("change", CHANGES, ids=lambda change: change.__name__)
    def test_is_said(self, edited, change):
        message = read_error(edited(change))
        assert "was changed after it was accepted" in message
        assert "clipeval baseline accept RUN" in message

    def test_a_formatter_that_moves_whitespace_is_fine(self, file, made):
        loaded = json.loads(file.read_text(encoding="utf-8"))
        for text in (
            json.dumps(loaded, indent=4),
            json.dumps(loaded, separators=(",", ":"), ensure_ascii=False),
            file.read_text(encoding="utf-8").replace("\n", "\r\n") + "\r\n\r\n",
        ):
            file.write_bytes(text.encode("utf-8"))
            assert list(read_baseline(file).cells) == list(made.cells)

    def test_conflict_markers_of_git_are_named_by_line(self, file):
        text = file.read_text(encoding="utf-8")
        file.write_text(text.replace('  "suite"', '<<<<<<< HEAD\n  "suite"'), encoding="utf-8")
        assert f"{file}:3:1: not JSON" in read_error(file)


class TestSignedButWrong:
    """The sum is right, so somebody wrote it with a program; what contradicts itself is refused."""

    @pytest.mark.parametrize(
        ("key", "text", "message"),
        [
            ("predicted", "!", "packed values cannot be read"),
            ("predicted", packed(b"1234"), "not those of 3 images"),
            ("predicted", packed(np.array([0, 1, 7], "<i4").tobytes()), "not below 2 classes"),
            ("predicted", packed(np.array([0, 0, 0], "<i4").tobytes()), "contradict each other"),
            ("correct", packed(b"")[:6], "packed values"),
            ("correct", packed(b"\x00"), "correct and predicted contradict each other"),
            ("images", "nowhere", "its images 'nowhere' are missing"),
        ],
    )
    def test_in_a_cell(self, edited, key, text, message):
        def change(loaded):
            loaded["cells"][1][key] = text

        found = read_error(edited(change, signed=True))
        assert "cell 'food/tiny/plate': " in found
        assert message in found

    @pytest.mark.parametrize(
        ("key", "value", "message"),
        [
            ("labels", "AAAA", "packed values cannot be read"),
            (
                "groups",
                packed(np.array([0, 1, 4], "<i4").tobytes()),
                "groups are not below 4 groups",
            ),
            ("groups", packed(b"1234"), "groups are not those of 3 images"),
            ("n_images", 4, "not those of 4 images"),
            ("n_images", 10**15, "images"),
            ("sample_ids", packed(b'["a", "b"]'), "sample_ids are not those of 3 images"),
            ("sample_ids", packed(b'["a", "b", "b"]'), "sample_ids are not those of 3 images"),
            ("sample_ids", packed(b'["a", "b", "c", "a"]'), "sample_ids are not those of 3 images"),
            ("sample_ids", packed(b'{"a": 1, "b": 2, "c": 3}'), "sample_ids are not those of 3"),
            ("sample_ids", packed(b'["a", "b", "\xff"]'[:-1]), "not JSON"),
        ],
    )
    def test_in_the_images(self, edited, key, value, message):
        def change(loaded):
            (images,) = loaded["images"].values()
            images[key] = value

        assert message in read_error(edited(change, signed=True))

    def test_bytes_that_are_no_text_in_sample_ids_are_no_crash(self, edited):
        def change(loaded):
            (images,) = loaded["images"].values()
            images["sample_ids"] = packed(b"\xff\xfe")

        assert "food/tiny/photo" in read_error(edited(change, signed=True))


class TestOtherFiles:
    def test_cut_off_anywhere(self, file):
        content = file.read_bytes()
        for length in range(0, len(content) - 2, 499):
            file.write_bytes(content[:length])
            assert "not JSON" in read_error(file)

    def test_a_newer_version_asks_for_an_upgrade(self, edited):
        message = read_error(edited(lambda loaded: loaded.update(baseline_version=2)))
        assert "baseline_version is 2, and this clipeval reads 1" in message
        assert "pip install -U clipeval" in message

    @pytest.mark.parametrize("version", [0, "1", None, [1]])
    def test_another_version_is_refused(self, edited, version):
        message = read_error(edited(lambda loaded: loaded.update(baseline_version=version)))
        assert f"baseline_version is {json.dumps(version)}" in message

    @pytest.mark.parametrize("text", ["{}", "[]", "3", "null", '"baseline_version"'])
    def test_json_of_something_else(self, file, text):
        file.write_text(text, encoding="utf-8")
        assert "baseline_version is missing" in read_error(file)
        assert not is_baseline(file)

    @pytest.mark.parametrize(
        ("content", "message"),
        [
            (b"", "cut off"),
            (b"# a thesis", "not JSON"),
            (b"\xff\xfe{}", "is not UTF-8"),
            (b'\xef\xbb\xbf{"baseline_version": 1}', "not JSON"),
            (b'{"baseline_version": 1}', "Field required"),
            (b'{"baseline_version": 1, "suite": NaN}', "not finite"),
            (b"[" * 100_000, "not a file of clipeval"),
        ],
    )
    def test_no_json_at_all(self, file, content, message):
        file.write_bytes(content)
        assert message in read_error(file)

    def test_a_file_that_is_not_there(self, tmp_path):
        assert "cannot read" in read_error(tmp_path / "none.json")

    def test_a_baseline_is_told_from_a_run(self, file):
        assert is_baseline(file)


class TestWriting:
    def test_makes_the_folder(self, tmp_path, made):
        write_baseline(tmp_path / "a" / "b" / "food.json", made)
        assert [path.name for path in (tmp_path / "a" / "b").iterdir()] == ["food.json"]

    def test_a_folder_that_cannot_be_made(self, tmp_path, made):
        (tmp_path / "baselines").write_text("in the way")
        with pytest.raises(StoreError, match=r"cannot make .*baselines"):
            write_baseline(tmp_path / "baselines" / "food.json", made)

    def test_what_cannot_be_written_leaves_the_old_one(self, file, made):
        before = file.read_bytes()
        broken = {
            id_: replace(one, metrics={"top1": MetricValue(value=float("nan"), n=3)})
            for id_, one in made.cells.items()
        }
        with pytest.raises(StoreError, match="nan"):
            write_baseline(file, replace(made, cells=broken))
        assert file.read_bytes() == before

    @pytest.mark.skipif(sys.platform == "win32", reason="file size limits are POSIX")
    def test_a_full_disk_leaves_the_old_one_and_no_debris(self, file, made):
        import resource

        before = file.read_bytes()
        limits = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (1000, limits[1]))
        try:
            with pytest.raises(StoreError, match=r"cannot write .*food\.json"):
                write_baseline(file, replace(made, suite="other"))
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        assert file.read_bytes() == before
        assert [path.name for path in file.parent.iterdir()] == ["food.json"]
