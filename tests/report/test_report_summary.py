"""summary.md: readable in a terminal, inert in a pull request."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest

from clipeval.records import CellChange, CellError, Notice
from clipeval.report import render_summary
from clipeval.report.summary import MAX_BYTES
from tests.report.conftest import (
    make_baseline,
    make_cell,
    make_class_difference,
    make_comparison,
    make_dataset,
    make_difference,
    make_gate,
    make_holdout,
    make_model,
    make_open_comparison,
    make_reproduced_comparison,
    make_reproduction,
    make_run,
)

M = "\N{MINUS SIGN}"


def test_first_line_is_the_verdict_with_counts(quickstart):
    assert render_summary(quickstart).splitlines()[0] == (
        "**FAIL** quickstart: 5 cells, 20 images, 1 of 2 gates passed, 1 failed"
    )


def test_first_line_of_a_pass():
    run = make_run([make_cell(gates=(make_gate(), make_gate(metric="macro_f1")))])
    assert render_summary(run).splitlines()[0] == (
        "**PASS** quickstart: 1 cell, 10 images, 2 gates passed"
    )


def test_first_line_does_not_say_pass_where_nothing_was_judged():
    assert render_summary(make_run([make_cell()])).startswith(
        "**DONE** quickstart: 1 cell, 10 images, no gates set\n"
    )


def test_gates_that_judge_no_cell_are_named():
    notices = (
        Notice("gate-not-applied", "the gate on top1 is not decided"),
        Notice("something-else", "not for a pull request"),
    )
    summary = render_summary(make_run([make_cell()], notices=notices))
    assert summary.startswith(
        "**DONE** quickstart: 1 cell, 10 images, none of the suite's gates applies to these cells\n\n"
        "Gates of the suite that judge no cell of this run:\n\n"
        "- the gate on top1 is not decided\n\n"
    )
    assert "not for a pull request" not in summary


def test_a_baseline_that_cannot_be_compared_is_one_line_whatever_the_gates():
    first, second = (
        Notice("not-compared", f"{cell}, with the baseline b.json: 10 images only in the base")
        for cell in ("digits/tiny/photo and 2 more", "ink/tiny/photo")
    )
    run = make_run([make_cell(gates=(make_gate(),))], notices=(first,))
    said = (
        "**Not compared**: digits/tiny/photo and 2 more, with the baseline b.json: "
        "10 images only in the base"
    )
    assert f"1 gate passed\n\n{said}.\n\n" in render_summary(run)
    both = replace(run, notices=(first, second))
    assert f"\n\n{said} (1 more in run.json).\n\n" in render_summary(both)


def test_cells_are_a_table():
    lines = render_summary(make_run([make_cell(gates=(make_gate(),))])).splitlines()
    assert len(lines) == 5
    assert lines[2:5] == [
        "| Cell | Top-1 | Mean recall | Macro F1 | NLL | ECE | Images |",
        "| --- | ---: | ---: | ---: | ---: | ---: | ---: |",
        "| digits/tiny/photo | 80.0% [77.9, 81.5] | 77.8% | 76.5% | 0.432 | 3.2% | 10 |",
    ]


def test_cells_fold_away_behind_a_blank_line_when_something_else_is_said(quickstart):
    summary = render_summary(quickstart)
    assert "<details><summary>All cells</summary>\n\n| Cell | Top-1 |" in summary
    assert summary.endswith("|\n\n</details>\n")


def test_green_run_with_comparisons_is_a_few_lines():
    comparisons = (
        make_reproduced_comparison(),
        make_reproduced_comparison(candidate="b", base="b"),
    )
    baseline = make_baseline(changes=("torch 2.5.0 -> 2.6.0",))
    run = make_run([make_cell(gates=(make_gate(),))], comparisons=comparisons, baseline=baseline)
    before, _ = render_summary(run).split("<details>")
    assert before == (
        "**PASS** quickstart: 1 cell, 10 images, 1 gate passed\n\n"
        "2 cells reproduce the baseline: same weights and prompts, 0 flips.\n\n"
    )


def test_failed_gates_have_value_interval_limit_and_reason(quickstart):
    summary = render_summary(quickstart)
    assert (
        "| digits/tiny/bare | Top-1 | fail | 50.0% | [47.9, 51.5] | ≥ 75.0% | too low |" in summary
    )
    assert "| digits/tiny/photo | Top-1 | pass" not in summary


class TestGates:
    """Each kind of limit in its own unit and direction."""

    @staticmethod
    def row(**changes):
        summary = render_summary(make_run([make_cell(gates=(make_gate(**changes),))]))
        return next(
            line for line in summary.splitlines() if line.startswith("| digits/tiny/photo |")
        )

    def test_drop_is_in_signed_points(self):
        row = self.row(
            kind="max_drop", limit=0.01, value=-0.023, low=-0.039, high=-0.008, state="fail",
            against="baseline", message="dropped: top-1 -2.3 points [-3.9, -0.8], p < 0.001",
        )  # fmt: skip
        assert row == (
            f"| digits/tiny/photo | Top-1 drop against baseline | fail | {M}2.3 points | [{M}3.9, {M}0.8] | "
            "drop ≤ 1.0 points | dropped: top-1 -2.3 points [-3.9, -0.8], p < 0.001 |"
        )

    def test_open_flip_rate_says_how_many_images_would_settle_it(self):
        row = self.row(
            kind="max_negative_flip_rate", limit=0.0025, value=0.002, low=0.001, high=0.004,
            state="inconclusive", against="digits/tiny/bare", n_to_settle=2400,
        )  # fmt: skip
        assert row == (
            "| digits/tiny/photo | Newly wrong against digits/tiny/bare | inconclusive | 0.2% | [0.1, 0.4] | "
            "newly wrong ≤ 0.25% | about 2,400 images would settle it |"
        )

    def test_message_that_says_how_many_is_not_repeated(self):
        row = self.row(
            state="inconclusive", n_to_settle=2400, message="2,400 images would settle it"
        )
        assert row.count("2,400") == 1

    def test_class_is_named(self):
        row = self.row(metric="recall", class_name="eight", state="fail", message="too low")
        assert row.startswith("| digits/tiny/photo | Recall of eight | fail | 80.0% |")

    def test_long_message_is_cut(self):
        assert self.row(state="fail", message="x" * 500).endswith(f"| `{'x' * 239}…` |")

    def test_images_are_folded_away_and_capped(self):
        images = tuple(f"s{i}" for i in range(20))
        gate = make_gate(state="fail", images=images, n_behind=1045)
        summary = render_summary(make_run([make_cell(gates=(gate,))]))
        assert (
            "<details><summary>20 of 1,045 images behind <code>digits/tiny/photo</code> <code>Top-1</code></summary>\n\n"
            "Sample ids: " + ", ".join(images) + ", …\n\n</details>"
        ) in summary

    def test_gates_of_a_cell_with_the_same_images_share_a_fold(self):
        gates = [
            make_gate(state="fail", metric=metric, images=("s1",))
            for metric in ("top1", "macro_f1")
        ]
        summary = render_summary(make_run([make_cell(gates=tuple(gates))]))
        assert summary.count("Sample ids: s1") == 1
        assert "<code>Top-1</code>, <code>Macro F1</code></summary>" in summary

    def test_gate_without_images_has_no_fold(self):
        assert "behind" not in render_summary(
            make_run([make_cell(gates=(make_gate(state="fail"),))])
        )

    def test_every_failed_gate_has_its_row_and_comes_before_open_ones(self):
        gates = (make_gate(state="inconclusive"), *(make_gate(state="fail"),) * 53)
        summary = render_summary(make_run([make_cell(gates=gates)]))
        assert summary.count("| Top-1 | fail |") == 53
        assert summary.index("| inconclusive |") > summary.rindex("| fail |")
        assert "left out" not in summary


def open_class(name, **changes):
    gate = make_gate(
        metric="recall", limit=0.9, state="inconclusive", class_name=name, n_to_settle=240,
        images=(f"image-of-{name}",), message=f"recall of '{name}' is below",
    )  # fmt: skip
    return replace(gate, **changes)


class TestOpenGates:
    """More than a few inconclusive gates are told in a line for each cell and kind."""

    @staticmethod
    def lines(*gates):
        return render_summary(make_run([make_cell(gates=gates)])).splitlines()

    def test_three_have_rows(self):
        lines = self.lines(*map(open_class, "abc"))
        assert sum("| inconclusive |" in line for line in lines) == 3
        assert not any("classes" in line for line in lines)

    def test_ten_classes_are_one_line_with_the_smallest_need(self):
        gates = [open_class(name, n_to_settle=250 + i) for i, name in enumerate("abcdefghij")]
        lines = self.lines(*gates)
        assert lines[2:5] == [
            "Inconclusive, each with its numbers in report.html:",
            "",
            (
                "- digits/tiny/photo: Recall ≥ 90.0%, 10 classes: too few images to tell "
                "(smallest need about 250 images of a class)"
            ),
        ]
        assert not any("| inconclusive |" in line or "image-of-" in line for line in lines)

    def test_kinds_and_whole_cells_are_apart(self):
        drop = make_gate(
            kind="max_drop", limit=0.01, value=-0.006, low=-0.02, high=0.008, against="a@b",
            state="inconclusive", n_to_settle=2400,
        )  # fmt: skip
        precise = open_class("d", metric="precision", kind="max", limit=0.5)
        lines = self.lines(*map(open_class, "abc"), precise, drop)
        assert lines[4:7] == [
            (
                "- digits/tiny/photo: Recall ≥ 90.0%, 3 classes: too few images to tell "
                "(smallest need about 240 images of a class)"
            ),
            (
                "- digits/tiny/photo: Precision ≤ 50.0%, 1 class: too few images to tell "
                "(smallest need about 240 images predicted as a class)"
            ),
            (
                f"- digits/tiny/photo: Top-1 drop ≤ 1.0 points against a@b, {M}0.6 points "
                f"[{M}2.0, +0.8]: too few images to tell (about 2,400 images would settle it)"
            ),
        ]

    def test_no_number_of_images_is_no_need(self):
        lines = self.lines(*[open_class(name, n_to_settle=None) for name in "abcd"])
        assert lines[4].endswith("Recall ≥ 90.0%, 4 classes: too close to the limit to tell")

    def test_classes_that_failed_keep_their_rows(self):
        gates = [open_class("z", state="fail"), *map(open_class, "abcd")]
        lines = self.lines(*gates)
        assert sum(line.startswith("| digits/tiny/photo | Recall of") for line in lines) == 1
        assert any("Recall ≥ 90.0%, 4 classes: too few" in line for line in lines)


def test_a_limit_on_classes_is_one_gate_in_the_first_line():
    gates = (make_gate(), *(open_class(name, state="fail") for name in "abc"))
    assert (
        render_summary(make_run([make_cell(gates=gates)]))
        .splitlines()[0]
        .endswith("1 of 2 gates passed, 1 failed")
    )


class TestMoved:
    """Worse first, versions before templates; what did not move is counted."""

    @staticmethod
    def lines(*comparisons, **changes):
        return render_summary(
            make_run([make_cell()], comparisons=comparisons, **changes)
        ).splitlines()

    def test_regression_is_one_line_with_its_worst_classes(self):
        lines = self.lines(make_comparison())
        assert lines[2:5] == [
            "What moved:",
            "",
            (
                f"- ▼ digits/tiny/photo against baseline: top-1 {M}2.3 points [{M}3.9, {M}0.8], 41 newly wrong, "
                f"20 newly right; worst classes: eight {M}12.0 (p 0.003)"
            ),
        ]

    def test_order_is_worse_then_drifted_then_better_and_templates_last(self):
        up = make_comparison(
            conclusion="better", kind="model", base="a/b/c", top1=make_difference(0.041, 0.023, 0.06),
            per_class=(make_class_difference("zero", 0.05, 0.0001),),
        )  # fmt: skip
        far = make_comparison(kind="template", base="t/t/t", top1=make_difference(-0.533, -0.567, -0.498), per_class=())  # fmt: skip
        drifted = make_reproduced_comparison(reproduction=make_reproduction(n_changed=7, n_unexplained=5, is_within=False))  # fmt: skip
        lines = [one for one in self.lines(up, far, drifted, make_comparison(per_class=())) if one.startswith("- ")]  # fmt: skip
        assert lines == [
            f"- ▼ digits/tiny/photo against baseline: top-1 {M}2.3 points [{M}3.9, {M}0.8], 41 newly wrong, 20 newly right",
            f"- ▼ digits/tiny/photo against t/t/t: top-1 {M}53.3 points [{M}56.7, {M}49.8], 41 newly wrong, 20 newly right",
            ("- ! digits/tiny/photo against baseline: top-1 0.0 points [0.0, 0.0], 0 newly wrong, 0 newly right; same "
            "weights and prompts, yet beyond the numeric floor (5 of 7 flips unexplained)"),
            ("- ▲ digits/tiny/photo against a/b/c: top-1 +4.1 points [+2.3, +6.0], 41 newly wrong, 20 newly right; "
            "best classes: zero +5.0 (p < 0.001)"),
        ]  # fmt: skip

    def test_three_classes_are_named_and_the_rest_counted(self):
        classes = tuple(make_class_difference(f"c{i}", -0.1, 0.001 * (i + 1)) for i in range(5))
        line = self.lines(make_comparison(per_class=classes))[4]
        assert line.endswith(
            f"c0 {M}10.0 (p 0.001), c1 {M}10.0 (p 0.002), c2 {M}10.0 (p 0.003) and 2 more"
        )

    @pytest.mark.parametrize(
        ("detectable", "line"),
        [
            ([0.0124], "1 comparison shows no difference; the least it could have seen is 1.2 points."),
            ([0.012, 0.0121], "2 comparisons show no difference; the least any of them could have seen is 1.2 points."),
            ([0.034, 0.0124, 0.02], "3 comparisons show no difference; the least they could have seen is 1.2 to 3.4 points."),
        ],
    )  # fmt: skip
    def test_open_comparisons_are_counted_with_what_they_could_see(self, detectable, line):
        lines = self.lines(*(make_open_comparison(one) for one in detectable))
        assert line in lines
        assert "What moved:" not in lines

    def test_reproductions_are_counted_apart(self):
        lines = self.lines(
            make_reproduced_comparison(reproduction=make_reproduction(n_changed=2)),
            make_reproduced_comparison(kind="model", base="a/b/c"),
        )
        assert "1 cell reproduces the baseline: same weights and prompts, 2 flips." in lines
        assert "1 comparison reproduces the base: same weights and prompts, 0 flips." in lines

    @pytest.mark.parametrize(
        ("cached", "text"),
        [
            ((True, True), "embeddings from the cache"),
            ((True, False), "embeddings of 1 from the cache"),
        ],
    )
    def test_reproductions_from_the_cache_are_said(self, cached, text):
        lines = self.lines(
            *(
                make_reproduced_comparison(reproduction=make_reproduction(is_cached=one))
                for one in cached
            )
        )
        said = f"2 cells reproduce the baseline: same weights and prompts, 0 flips, {text}."
        assert said in lines

    def test_what_changed_about_cells_is_said_once_whatever_came_of_it(self):
        changes = (CellChange(what="prompts", example="'a' -> '<b>'"),)
        same = [
            make_reproduced_comparison(candidate=name, changes=changes)
            for name in ("a/b/c", "a/b/d")
        ]
        run = make_run([make_cell()], comparisons=same, baseline=make_baseline())
        assert (
            render_summary(run)
            .splitlines()
            .count("- prompts of a/b/c, a/b/d changed: `'a' -> '<b>'`")
            == 1
        )

    def test_cell_that_had_another_name_is_said(self):
        assert "against baseline (then a/b/c): " in self.lines(make_comparison(base="a/b/c"))[4]

    def test_thirty_are_listed_and_the_rest_counted(self):
        lines = self.lines(*[make_comparison()] * 33)
        assert sum(one.startswith("- ▼") for one in lines) == 30
        assert (
            "3 comparisons that moved left out here; report.html in the run folder has all."
            in lines
        )


def test_holdout_is_one_sentence():
    assert (
        "Holdout digits, tiny: 'ensemble' won on 450 images with 93.1%; on the 449 held out it has 92.0%, "
        f"0.0 [{M}0.7, +0.7] points against 'photo' (p 0.910)."
    ) in render_summary(make_run([make_cell()], holdouts=(make_holdout(),))).splitlines()


def test_holdouts_of_one_model_are_told_apart_by_their_setting():
    holdouts = (make_holdout(ranking=()), make_holdout(setting="cuda-bf16"))
    summary = render_summary(make_run([make_cell()], holdouts=holdouts))
    assert "Holdout digits, tiny, cpu-fp32: 'ensemble' won on 450 images; on the 449" in summary
    assert "Holdout digits, tiny, cuda-bf16:" in summary


class TestBaseline:
    """Cells that only one side has are named; the environment matters if something moved."""

    BASELINE = make_baseline(
        missing_cells=("digits/tiny/plate",), renamed_cells=(("a/b/pic", "a/b/photo"),), new_cells=("x/y/z",),
        skipped_cells=("ink/tiny/photo",), changes=("torch 2.5.0 -> 2.6.0",),
    )  # fmt: skip

    def test_lost_cells_are_in_the_first_line_and_named(self):
        run = make_run([make_cell()], verdict="fail", baseline=self.BASELINE)
        lines = render_summary(run).splitlines()
        assert lines[0] == (
            "**FAIL** quickstart: 1 cell, 10 images, no gates set, 1 cell of the baseline missing, "
            "1 cell of the baseline renamed"
        )
        assert lines[2:9] == [
            "Baseline baselines/quickstart.json, accepted 2026-11-01 08:00 UTC:",
            "",
            "- **In the baseline, gone from the suite**: digits/tiny/plate",
            "- **In the baseline under another name**: a/b/pic is now a/b/photo",
            "- Not in the baseline: x/y/z",
            "- In the baseline, not asked for this time: ink/tiny/photo",
            "- Changed since: torch 2.5.0 -> 2.6.0",
        ]

    def test_environment_of_a_green_run_is_not_news(self):
        run = make_run([make_cell()], baseline=make_baseline(changes=("torch 2.5.0 -> 2.6.0",)))
        assert "torch" not in render_summary(run)

    def test_environment_of_a_run_that_moved_is(self):
        baseline = make_baseline(changes=("torch 2.5.0 -> 2.6.0",))
        run = make_run([make_cell()], baseline=baseline, comparisons=(make_comparison(),))
        assert "- Changed since: torch 2.5.0 -> 2.6.0" in render_summary(run).splitlines()


def test_a_run_that_ended_after_its_cells_says_what_is_missing():
    cell = make_cell()
    run = make_run([cell], status="partial", planned_cells=(cell.id,))
    said = "**Partial run**: it ended before cells were compared, and models timed."
    assert said in render_summary(run).splitlines()


def test_partial_run_random_weights_failures_and_errors_are_said():
    dataset = make_dataset(n_expected=12, n_failed=2)
    cell = make_cell(dataset=dataset, model=make_model(id="RN50/random", random_weights=True))
    run = make_run(
        [cell], status="partial", planned_cells=(cell.id, "a/b/c", "x/y/z"),
        errors=(CellError(id="x/y/z", message="no\nweights"),),
    )  # fmt: skip
    summary = render_summary(run)
    assert "**Partial run**: 1 of 3 cells missing: a/b/c." in summary
    assert "**Random weights: accuracy here means nothing** (RN50/random)." in summary
    assert "**Images left out** of digits: 2 of 12." in summary
    assert "- x/y/z: no weights" in summary


def test_hostile_names_do_not_break_the_table():
    dataset = make_dataset("a|b\n<script>")
    summary = render_summary(make_run([make_cell(dataset=dataset, template="`x`")]))
    rows = [line for line in summary.splitlines() if line.startswith("| ")]
    assert rows[2].replace("\\|", "").count("|") == rows[0].count("|")


HOSTILE = (
    "<img src=x onerror=alert(1)>",
    "</summary></details>",
    "@team",
    "a|b",
    "x\n\n# heading",
    "[a](http://b)",
    "`x`",
)


@pytest.mark.parametrize("hostile", HOSTILE)
def test_hostile_comparisons_gates_and_baselines_are_inert(hostile):
    gate = make_gate(
        state="fail", message=hostile, images=(hostile,), against=hostile, class_name=hostile
    )
    comparison = make_comparison(
        base=hostile,
        candidate=hostile,
        message=hostile,
        per_class=(make_class_difference(hostile),),
    )
    template = make_comparison(
        kind="template", base=hostile, candidate=f"{hostile}/b", per_class=()
    )
    holdout = make_holdout(dataset=hostile, model=hostile, winner=hostile, opponent=hostile)
    baseline = make_baseline(
        source=hostile, accepted=hostile, missing_cells=(hostile,), renamed_cells=((hostile, hostile),),
        new_cells=(hostile,), skipped_cells=(hostile,), changes=(hostile,),
    )  # fmt: skip
    run = make_run(
        [make_cell(gates=(gate,))], verdict="fail", comparisons=(comparison, template), holdouts=(holdout,),
        baseline=baseline,
    )  # fmt: skip
    summary = render_summary(run)
    outside_code = re.sub(r"<code>.*?</code>|(`+)(?!`).*?(?<!`)\1(?!`)", "", summary)
    for part in ("<img", "</summary></", "@team", "a|b", "# heading", "](http"):
        assert part not in outside_code
    assert not any(line.startswith("# ") for line in summary.splitlines())


LONG = {
    "short": "digits",
    "letters": "a" * 500,
    "pipes": "|`\\\\|" * 150,
    "astral": "\N{SLIGHTLY SMILING FACE}" * 500,
    "html": "<&\"'@team" * 80,
    "backticks": "`" * 500,
    "controls": "\x1b[31m\ud800" * 80,
}


class TestBound:
    """Whatever the run: at most 65,000 bytes, whole rows, and what is missing is said."""

    @staticmethod
    def run_of(name, n):
        """Return a run of which every part is long, with `n` of everything."""
        failed = tuple(
            make_gate(
                metric="recall", class_name=f"{name}{i}", state="fail", message=name, against=name,
                images=(f"{i}{name}",) * 20,
            )
            for i in range(n)
        )  # fmt: skip
        still_open = tuple(
            make_gate(state="inconclusive", metric=name, message=name) for _ in range(n)
        )
        dataset = make_dataset(name, n_expected=12, n_failed=2)
        model = make_model(id=name, random_weights=True)
        first = make_cell(dataset=dataset, model=model, gates=failed + still_open)
        cells = [first, *(replace(first, id=f"{name}{i}", gates=()) for i in range(n))]
        classes = tuple(make_class_difference(f"{name}{i}", -0.1, 0.001) for i in range(5))
        ids = tuple(f"{i}{name}" for i in range(n))
        return make_run(
            cells, suite=name, verdict="fail", status="partial", planned_cells=ids,
            errors=tuple(CellError(id=name, message=name) for _ in range(n)),
            comparisons=(make_comparison(candidate=name, base=name, per_class=classes),) * n,
            holdouts=(make_holdout(dataset=name, model=name, winner=name, opponent=name),) * n,
            baseline=make_baseline(
                source=name, accepted=name, missing_cells=ids, new_cells=ids, skipped_cells=ids,
                renamed_cells=tuple(zip(ids, ids, strict=True)), changes=(name,) * n,
            ),
        )  # fmt: skip

    @pytest.mark.parametrize("n", [1, 30, 400])
    @pytest.mark.parametrize("name", LONG.values(), ids=LONG)
    def test_summary_of_anything_is_short_enough(self, name, n):
        summary = render_summary(self.run_of(name, n))
        assert len(summary.encode("utf-8")) <= MAX_BYTES
        assert summary.startswith("**FAIL** ")
        assert summary.count("<details>") == summary.count("</details>")
        if n == 400:
            assert "left out here; report.html in the run folder has all." in summary
        for head, rows in tables(summary):
            assert {n_columns(row) for row in rows} == {n_columns(head)}

    def test_thousands_of_failed_gates_leave_room_for_what_moved(self):
        gates = tuple(make_gate(state="fail", message="too low") for _ in range(3000))
        run = make_run([make_cell(gates=gates)], comparisons=(make_comparison(),))
        summary = render_summary(run)
        n_rows = summary.count("| Top-1 | fail |")
        assert n_rows > 500
        assert f"{3000 - n_rows:,} gates that did not pass left out here" in summary
        assert "- ▼ digits/tiny/photo against baseline" in summary
        assert summary.endswith("</details>\n")

    def test_a_long_name_keeps_both_ends(self):
        run = make_run([make_cell()], suite=f"start{'-' * 500}end")
        assert re.match(r"\*\*DONE\*\* `start-+…-+end`: ", render_summary(run))


def tables(summary):
    """Return the head of every table, with its rows."""
    blocks = [block.splitlines() for block in summary.split("\n\n") if block.startswith("| ")]
    return [(block[0], block[1:]) for block in blocks]


def n_columns(row):
    assert row.startswith("| ")
    assert row.endswith(" |")
    return len(re.findall(r"(?<!\\)\|", row))
