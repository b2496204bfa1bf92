"""Two runs, cell by cell: what is worse, and what cannot be compared at all."""

import json
import shutil
from dataclasses import asdict, replace
from pathlib import Path

import pytest

from clipeval import api
from clipeval.errors import ComparisonError, ConfigError, StoreError


@pytest.fixture
def base(evaluated, write_run):
    return write_run("base", evaluated("photo"), evaluated("plate", n_wrong=2))


def refused(base, candidate, *texts, kind=StoreError):
    with pytest.raises(kind) as caught:
        api.compare_runs(base, candidate)
    for text in texts:
        assert text in str(caught.value)


class TestVerdict:
    def test_the_same_run_passes_as_a_reproduction(self, base):
        found = api.compare_runs(base, base)
        assert found.verdict == "pass"
        assert [one.conclusion for one in found.comparisons] == ["same", "same"]
        assert (found.only_in_base, found.only_in_candidate, found.notices) == ((), (), ())

    def test_a_worse_cell_fails_the_others_are_still_told(self, base, evaluated, write_run):
        next_ = write_run(
            "next", evaluated("photo", n_wrong=20, weights="f"), evaluated("plate", n_wrong=2)
        )
        found = api.compare_runs(base, next_)
        assert found.verdict == "fail"
        assert [gate.state for gate in found.gates] == ["fail", "pass"]
        assert [one.n_newly_wrong for one in found.comparisons] == [20, 0]
        assert len(found.comparisons[0].newly_wrong) == 20

    def test_few_images_leave_it_open(self, base, evaluated, write_run):
        cells = [evaluated("photo", weights="f"), evaluated("plate", n_wrong=2, weights="f")]
        next_ = write_run("next", *cells)
        assert api.compare_runs(base, next_, margin=0.01).verdict == "inconclusive"
        assert api.compare_runs(base, next_, margin=0.3).verdict == "pass"
        decided = api.compare_runs(base, next_, margin=0.01, on_inconclusive="fail")
        assert decided.verdict == "fail"

    def test_cells_only_in_the_base_are_an_error_those_only_in_the_candidate_not(
        self, base, evaluated, write_run
    ):
        fewer = write_run("fewer", evaluated("photo"))
        found = api.compare_runs(base, fewer)
        assert (found.verdict, found.only_in_base) == ("error", ("food/m/plate",))
        found = api.compare_runs(fewer, base)
        assert (found.verdict, found.only_in_candidate) == ("pass", ("food/m/plate",))


class TestMatching:
    def test_one_model_on_each_side_may_have_another_name(self, base, evaluated, write_run):
        cells = [evaluated(t, model="next", weights="f") for t in ("photo", "plate")]
        found = api.compare_runs(base, write_run("next", *cells), margin=0.5)
        assert [(one.base, one.candidate) for one in found.comparisons] == [
            ("food/m/photo", "food/next/photo"),
            ("food/m/plate", "food/next/plate"),
        ]
        (notice,) = found.notices
        assert notice.code == "matched-by-name"
        assert "model m with next is compared" in notice.message

    def test_one_template_on_each_side_may_have_another_name(self, evaluated, write_run):
        one, other = (write_run(name, evaluated(name)) for name in ("photo", "plate"))
        found = api.compare_runs(one, other)
        assert "template photo with plate is compared" in found.notices[0].message

    def test_nothing_in_common_names_what_there_is(self, base, evaluated, write_run):
        other = write_run("other", evaluated("phota", model="n"), evaluated("x", model="k"))
        refused(
            base, other, "have no cell in common", "food/m/photo", "food/n/phota",
            kind=ComparisonError,
        )  # fmt: skip

    def test_suites_of_other_names_are_compared_all_the_same(self, base, evaluated, write_run):
        cells = [evaluated("photo"), evaluated("plate", n_wrong=2)]
        found = api.compare_runs(base, write_run("other", *cells, suite="drinks"))
        assert (found.base.suite, found.candidate.suite) == ("food", "drinks")


class TestWhatCannotBePaired:
    @pytest.mark.parametrize(
        ("changes", "message"),
        [
            ({"ids": "other"}, "they have 0 images in common"),
            ({"labels": [2] * 30}, "20 of 30 images have another label"),
            ({"class_keys": ("pizza", "ramen", "udon")}, "1 class only in the base: sushi"),
            ({"n_images": 29}, "1 image only in the base: img-029"),
        ],
    )
    def test_says_what_differs_in_every_cell(self, base, evaluated, write_run, changes, message):
        next_ = write_run("next", evaluated("photo", **changes), evaluated("plate", **changes))
        refused(
            base, next_, message, "food/m/photo (base)", "food/m/plate (base)",
            kind=ComparisonError,
        )  # fmt: skip


class TestWhatCannotBeRead:
    def test_a_newer_schema(self, base, evaluated, write_run):
        record = json.loads((base / "run.json").read_text())
        (base / "run.json").write_text(json.dumps(record | {"schema_version": 2}))
        for one in (base, base / "run.json"):
            refused(one, base, "written by a newer clipeval", "pip install -U clipeval")

    def test_a_truncated_table(self, base):
        table = base / "predictions.parquet"
        table.write_bytes(table.read_bytes()[: table.stat().st_size // 2])
        refused(base, base, "predictions.parquet: cannot be read as Parquet")

    def test_a_partial_run_on_either_side(self, base, evaluated, write_run):
        planned = ["food/m/photo", "food/m/plate"]
        partial = write_run("partial", evaluated("photo"), planned=planned)
        refused(partial, base, "is a partial run (1 of 2 cells)")
        refused(base, partial, "is a partial run (1 of 2 cells)")

    def test_a_run_json_with_the_table_of_another_run(self, base, evaluated, write_run):
        cells = [evaluated("photo", n_wrong=9), evaluated("plate", n_wrong=9)]
        other = write_run("other", *cells)
        shutil.copy(other / "predictions.parquet", base / "predictions.parquet")
        refused(other, base, f"{base}: ", "they are not of the same run")

    @pytest.mark.parametrize("content", [b"", b"{", b"\x00\xff", b"[]"])
    def test_something_else(self, base, project, content):
        (project / "other.json").write_bytes(content)
        refused(base, project / "other.json", "other.json")

    def test_what_is_not_there(self, base, project):
        refused(base, project / "none", "none: no such file; expected a baseline")
        (project / "empty").mkdir()
        refused(project / "empty", base, "no such file; expected a run folder")


class TestMargin:
    @pytest.mark.parametrize(
        ("margin", "text"),
        [
            (-0.1, "got -0.1"),
            (1.0, "did you mean 0.01, which is 1 points?"),
            (2.0, "did you mean 0.02, which is 2 points?"),
            (100.0, "got 100"),
            (float("nan"), "got nan"),
            (float("inf"), "got inf"),
        ],
    )
    def test_out_of_range_is_refused_before_anything_is_read(self, project, margin, text):
        with pytest.raises(ConfigError) as caught:
            api.compare_runs(project / "none", project / "none", margin=margin)
        assert text in str(caught.value)
        assert "--margin: " in str(caught.value)

    @pytest.mark.parametrize("margin", [0.0, 0.999])
    def test_ends_of_the_range_are_allowed(self, base, margin):
        assert api.compare_runs(base, base, margin=margin).margin == margin


class TestDiffWithTheBaseline:
    def test_takes_the_suites_baseline(self, project, base, evaluated, write_run):
        api.accept(base)
        cells = [evaluated("photo", n_wrong=1), evaluated("plate", n_wrong=2)]
        found = api.diff_baseline(write_run("next", *cells))
        assert found.base.source == "baselines/food.json"
        assert {one.kind for one in found.comparisons} == {"baseline"}
        assert [one.n_newly_wrong for one in found.comparisons] == [1, 0]

    def test_takes_a_named_one(self, project, base):
        file = api.accept(base, file=project / "mine.json").file
        assert api.diff_baseline(base, file=file).base.source == str(file)

    def test_says_where_it_looked(self, project, base):
        with pytest.raises(StoreError, match=r"baselines/food\.json: no such file"):
            api.diff_baseline(base)


def in_bursts(cell):
    """Return a cell whose images are of ten groups of three."""
    groups = tuple(f"burst {number // 3}" for number in range(30))
    return replace(cell, predictions=replace(cell.predictions, groups=groups))


def test_a_baseline_says_the_same_as_the_run_that_it_was_made_of(project, evaluated, write_run):
    """Also of groups that the candidate's table has lost: without them the interval would be too narrow."""
    run = write_run("run", in_bursts(evaluated()))
    next_ = write_run("next", evaluated(n_wrong=6, weights="f"))
    expected = api.compare_runs(run, next_)
    found = api.compare_runs(api.accept(run, file=Path("accepted.json")).file, next_)
    assert found.comparisons == expected.comparisons
    assert found.comparisons[0].n_groups == 10
    assert found.gates == expected.gates


def test_templates_that_changed_ids_are_told_by_their_prompts(project, evaluated, write_run):
    texts = ("a photo of a", "a")
    before = [evaluated(t, prompt=text) for t, text in zip(("photo", "bare"), texts, strict=True)]
    after = [evaluated(t, prompt=text) for t, text in zip(("bare", "photo"), texts, strict=True)]
    run, swapped = write_run("run", *before), write_run("swapped", *after)
    found = api.compare_runs(run, swapped)
    assert [[c.what for c in one.changes] for one in found.comparisons] == [["prompts"]] * 2
    assert "a photo of a" in found.comparisons[0].changes[0].example
    api.accept(run)
    found = api.diff_baseline(swapped)
    assert [[c.what for c in one.changes] for one in found.comparisons] == [["prompts"]] * 2


def test_all_that_was_found_is_json(base, evaluated, write_run):
    next_ = write_run("next", evaluated("photo", n_wrong=9, weights="f"), evaluated("plate"))
    found = asdict(api.compare_runs(base, next_))
    assert json.loads(json.dumps(found, allow_nan=False))["verdict"] == found["verdict"]


def test_names_of_the_api_are_not_those_of_its_modules():
    """A submodule that was imported would take the place of the function."""
    from importlib.util import find_spec

    assert [name for name in api.__all__ if find_spec(f"clipeval.api.{name}")] == []
