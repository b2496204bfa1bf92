"""What a finished run is compared with, and which cells of its baseline are accounted for."""

import json
from dataclasses import replace

import pytest

from clipeval import api
from clipeval.api.comparer import MAX_FLIPS, Comparer, ComparisonRequest
from clipeval.api.comparing import with_comparisons
from clipeval.api.recording import planned_record
from clipeval.store import dump_run, read_run

NEW_IN_RUNS = ("reference_model", "comparisons", "holdouts", "baseline", "guest_cells")
NEW_IN_GATES = ("against", "class_name", "p_value", "n_to_settle", "images", "n_behind")


@pytest.fixture
def compared(environment):
    """Return the record of a finished run of some cells, compared as a request says."""

    def compare(*cells, request=None, guests=(), suite="food", status="complete"):
        record = replace(
            planned_record(
                suite,
                [one.result.id for one in cells],
                environment,
                reference_templates={},
                guest_cells=guests,
            ),
            status=status,
            verdict="pass",
            cells=tuple(one.result for one in cells),
        )
        predictions = {one.result.id: one.predictions for one in cells}
        return with_comparisons(record, predictions, Comparer(request or ComparisonRequest()))

    return compare


@pytest.fixture
def baseline(project, evaluated, write_run):
    """Return a request that names a baseline of some cells."""

    def accept(*cells, gated=True, suite="food", **changes):
        file = api.accept(write_run("accepted", *cells, suite=suite)).file
        return ComparisonRequest(baseline=str(file), has_baseline_gates=gated, **changes)

    return accept


def pairs(record):
    return [(one.kind, one.base, one.candidate) for one in record.comparisons]


def notices(record):
    return [notice.code for notice in record.notices]


class TestReferences:
    def test_each_template_and_model_is_compared_with_its_reference(self, evaluated, compared):
        cells = [evaluated(t, model=m) for m in ("m", "n") for t in ("plate", "photo")]
        request = ComparisonRequest(reference_templates={"food": "photo"}, reference_model="n")
        record = compared(*cells, request=request)
        assert pairs(record) == [
            ("template", "food/m/photo", "food/m/plate"),
            ("template", "food/n/photo", "food/n/plate"),
            ("model", "food/n/plate", "food/m/plate"),
            ("model", "food/n/photo", "food/m/photo"),
        ]
        assert record.reference_model == "n"

    def test_nothing_is_compared_without_one(self, evaluated, compared):
        record = compared(evaluated("photo"), evaluated("plate"))
        assert (record.comparisons, record.holdouts, record.baseline) == ((), (), None)
        assert record.verdict == "pass"

    def test_a_reference_that_was_left_out_compares_nothing(self, evaluated, compared):
        request = ComparisonRequest(reference_templates={"food": "photo"}, reference_model="n")
        assert compared(evaluated("plate"), request=request).comparisons == ()

    def test_p_values_are_adjusted_within_a_family(self, evaluated, compared):
        cells = [
            evaluated("photo", weights="f"), evaluated("a", n_wrong=7), evaluated("b", n_wrong=7)
        ]  # fmt: skip
        request = ComparisonRequest(reference_templates={"food": "photo"})
        for one in compared(*cells, request=request).comparisons:
            assert one.n_compared == 2
            assert one.q_value == pytest.approx(one.p_value)

    def test_run_json_lists_100_flips_and_counts_all(self, evaluated, compared):
        cells = [evaluated("photo", n_images=300), evaluated("bad", n_images=300, n_wrong=250)]
        request = ComparisonRequest(reference_templates={"food": "photo"}, holdout=0.5)
        record = compared(*cells, request=request)
        (one,) = record.comparisons
        assert (len(one.newly_wrong), one.n_newly_wrong) == (MAX_FLIPS, 250)
        assert one.newly_wrong[0].path.startswith("img/")
        (holdout,) = record.holdouts
        confirmation = holdout.confirmation
        assert len(confirmation.newly_right) == min(MAX_FLIPS, confirmation.n_newly_right)
        assert confirmation.n_newly_right > MAX_FLIPS
        dump_run(record)


class TestHoldout:
    def test_is_recorded_with_both_numbers(self, evaluated, compared):
        cells = [evaluated("photo", n_wrong=15), evaluated("plate")]
        request = ComparisonRequest(reference_templates={"food": "photo"}, holdout=0.5)
        (found,) = compared(*cells, request=request).holdouts
        assert (found.winner, found.opponent, found.fraction) == ("plate", "photo", 0.5)
        assert (found.n_explored + found.n_held_out, found.winner_held_out) == (30, 1.0)
        assert found.confirmation.n_images == found.n_held_out
        assert [one.template for one in found.ranking] == ["plate", "photo"]

    def test_one_that_cannot_be_made_after_all_is_an_error(self, evaluated, compared):
        record = compared(evaluated(), request=ComparisonRequest(holdout=0.5))
        assert (record.holdouts, notices(record)) == ((), ["no-holdout"])
        assert record.verdict == "error"
        assert "has 1 template and nothing to choose from" in record.notices[0].message

    def test_a_partial_run_says_that_it_is_one(self, evaluated, compared):
        request = ComparisonRequest(holdout=0.5)
        record = compared(evaluated(), request=request, status="partial")
        assert record.notices[0].message.endswith("; the run is partial")

    def test_templates_of_guests_alone_are_no_choice(self, evaluated, compared):
        cells = [evaluated("photo"), evaluated("plate", n_wrong=3), evaluated(dataset="guest")]
        request = ComparisonRequest(holdout=0.5)
        record = compared(*cells, request=request, guests=("guest/m/photo",))
        assert [one.dataset for one in record.holdouts] == ["food"]
        assert (record.verdict, notices(record)) == ("pass", [])


class TestBaseline:
    def test_each_cell_is_compared_with_what_it_was(self, evaluated, compared, baseline):
        request = baseline(evaluated("photo"), evaluated("plate"))
        record = compared(evaluated("photo"), evaluated("plate", n_wrong=3), request=request)
        assert pairs(record) == [
            ("baseline", "food/m/photo", "food/m/photo"),
            ("baseline", "food/m/plate", "food/m/plate"),
        ]
        assert [one.n_newly_wrong for one in record.comparisons] == [0, 3]
        use = record.baseline
        assert (use.source, use.is_gated) == ("baselines/food.json", True)
        assert (use.missing_cells, use.renamed_cells, use.skipped_cells, use.new_cells) == (
            (), (), (), ()
        )  # fmt: skip

    @pytest.mark.parametrize(("gated", "verdict"), [(True, "fail"), (False, "pass")])
    def test_a_vanished_cell_fails_where_gates_rely_on_it(
        self, evaluated, compared, baseline, gated, verdict
    ):
        request = baseline(
            evaluated("photo"), evaluated("plate"), gated=gated, suite_cells=("food/m/photo",)
        )
        record = compared(evaluated("photo"), request=request)
        assert record.baseline.missing_cells == ("food/m/plate",)
        assert record.verdict == verdict

    @pytest.mark.parametrize(("gated", "verdict"), [(True, "fail"), (False, "pass")])
    def test_a_renamed_cell_fails_and_both_names_are_told(
        self, evaluated, compared, baseline, gated, verdict
    ):
        request = baseline(
            evaluated("photo", prompt="a"), gated=gated, suite_cells=("food/m/snap",)
        )
        record = compared(evaluated("snap", prompt="a", n_wrong=1), request=request)
        assert record.baseline.renamed_cells == (("food/m/photo", "food/m/snap"),)
        assert (record.baseline.missing_cells, record.baseline.new_cells) == ((), ())
        assert record.verdict == verdict

    def test_a_new_cell_is_told_and_a_guest_is_not(self, evaluated, compared, baseline):
        request = baseline(evaluated("photo"), suite_cells=("food/m/photo", "food/m/plate"))
        cells = [evaluated("photo"), evaluated("plate"), evaluated("guest")]
        record = compared(*cells, request=request, guests=("food/m/guest",))
        assert record.baseline.new_cells == ("food/m/plate",)
        assert record.verdict == "pass"

    def test_a_new_cell_with_the_prompts_of_a_deselected_one_is_new(
        self, evaluated, compared, baseline
    ):
        request = baseline(
            evaluated("photo", prompt="a"), suite_cells=("food/m/photo", "food/m/snap")
        )
        use = compared(evaluated("snap", prompt="a"), request=request).baseline
        assert (use.renamed_cells, use.new_cells) == ((), ("food/m/snap",))
        assert use.skipped_cells == ("food/m/photo",)

    def test_a_cell_that_was_deselected_is_skipped(self, evaluated, compared, baseline):
        request = baseline(
            evaluated("photo"),
            evaluated("plate"),
            suite_cells=("food/m/photo", "food/m/plate"),
        )
        record = compared(evaluated("plate"), request=request)
        assert record.baseline.skipped_cells == ("food/m/photo",)
        assert record.verdict == "pass"

    def test_cells_that_the_command_line_replaced_are_skipped(self, evaluated, compared, baseline):
        request = baseline(evaluated("photo"), evaluated("plate"), suite_cells=None)
        record = compared(evaluated("other"), request=request)
        assert record.baseline.skipped_cells == ("food/m/photo", "food/m/plate")
        assert record.baseline.missing_cells == ()
        assert record.verdict == "pass"

    def test_a_model_of_another_name_is_compared_where_that_is_allowed(
        self, evaluated, compared, baseline
    ):
        now = evaluated(model="next", weights="f")
        for any_model, n_compared in ((True, 1), (False, 0)):
            request = baseline(evaluated(model="m"), any_model=any_model)
            assert len(compared(now, request=request).comparisons) == n_compared

    def test_other_images_are_said_and_not_compared(self, evaluated, compared, baseline):
        record = compared(evaluated(n_images=20), request=baseline(evaluated()))
        assert (record.comparisons, notices(record)) == ((), ["not-compared"])
        assert record.notices[0].message.startswith(
            "food/m/photo, with the baseline baselines/food.json: 10 images only in the base: img-020"
        )

    def test_cells_not_compared_for_one_cause_are_said_once(self, evaluated, compared, baseline):
        names = ("photo", "plate", "snap")
        request = baseline(*(evaluated(name) for name in names))
        record = compared(*(evaluated(name, n_images=20) for name in names), request=request)
        (notice,) = record.notices
        assert notice.message.startswith("food/m/photo and 2 more, with the baseline ")

    @pytest.mark.parametrize("content", [None, "{}"])
    def test_one_that_is_gone_or_broken_by_now_is_an_error(
        self, evaluated, compared, baseline, project, content
    ):
        request = baseline(evaluated())
        file = project / request.baseline
        file.unlink() if content is None else file.write_text(content)
        record = compared(evaluated(), request=request)
        assert (record.verdict, record.baseline) == ("error", None)
        assert notices(record) == ["baseline-lost"]

    def test_changes_of_the_environment_are_told(self, project, evaluated, compared, write_run):
        api.accept(write_run("accepted", evaluated(), packages={"torch": "2.4.0"}, cpu="another"))
        record = compared(evaluated(), request=ComparisonRequest(baseline="baselines/food.json"))
        assert record.baseline.changes == ("torch 2.4.0 -> 2.5.0", "processor another -> a CPU")

    def test_is_found_again_from_another_folder(
        self, project, evaluated, compared, baseline, monkeypatch
    ):
        request = baseline(evaluated(), folder=str(project))
        (project / "elsewhere").mkdir()
        monkeypatch.chdir(project / "elsewhere")
        record = compared(evaluated(), request=request)
        assert (record.verdict, record.baseline.source) == ("pass", "baselines/food.json")


def test_a_run_json_from_before_comparisons_still_reads_and_renders(
    project, evaluated, write_run, compared
):
    folder = write_run("run", evaluated(n_wrong=3), evaluated("plate"))
    loaded = json.loads((folder / "run.json").read_text()) | {"verdict": "fail"}
    for name in NEW_IN_RUNS:
        del loaded[name]
    for cell in loaded["cells"]:
        del cell["sketch"]
        cell["gates"] = [
            {"metric": "top1", "kind": "min", "limit": 0.95, "value": 0.9, "low": None,
             "high": None, "state": "fail", "message": "too low"}
        ]  # fmt: skip
    (folder / "run.json").write_text(json.dumps(loaded))
    record = read_run(folder)
    assert (record.comparisons, record.baseline) == ((), None)
    (gate, _) = (cell.gates[0] for cell in record.cells)
    assert all(not getattr(gate, name) for name in NEW_IN_GATES)
    assert {path.name for path in api.render_report(folder).files} == {
        "report.html", "summary.md", "junit.xml", "top1-1.svg"
    }  # fmt: skip
    assert api.accept(folder).n_cells == 2
    assert api.compare_runs(folder, folder).verdict == "pass"
