"""report.html: what moved, comparisons with all their numbers, holdouts and the baseline."""

from __future__ import annotations

from dataclasses import replace

import pytest

from clipeval.records import ConfusionChange, Notice, RankedTemplate, Thumbnail
from clipeval.report.format import DASH
from tests.report.conftest import (
    HOSTILE,
    make_baseline,
    make_cell,
    make_class_difference,
    make_comparison,
    make_difference,
    make_flip,
    make_gate,
    make_holdout,
    make_open_comparison,
    make_reproduced_comparison,
    make_reproduction,
    make_run,
    page_of,
    render,
    table_named,
    table_rows,
    webp,
)

M = "\N{MINUS SIGN}"


def page_with(*comparisons, thumbnails=(), **changes):
    return page_of(make_run([make_cell()], comparisons=comparisons, **changes), thumbnails=thumbnails)  # fmt: skip


class TestMoved:
    """What moved is said in words at the top, with links."""

    def test_regression_links_to_its_comparison(self):
        page = page_with(make_open_comparison(), make_comparison())
        moved = page.one("section", class_="moved")
        link = page.inside(moved, "a")[0]
        assert link.words == (
            f"▼ digits/tiny/photo against baseline: top-1 {M}2.3 points [{M}3.9, {M}0.8], 41 newly wrong, "
            f"20 newly right; worst classes: eight {M}12.0 (p 0.003)"
        )
        assert link.attributes["href"] == "#comparison-2"
        target = page.one("tbody", id="comparison-2")
        assert page.inside(target, "summary")[0].words == "worse by 2.3 points"
        assert page.inside(moved, "p")[0].words == (
            "1 comparison shows no difference; the least it could have seen is 1.2 points."
        )

    def test_five_are_shown_and_the_rest_counted(self):
        page = page_with(*[make_comparison()] * 8)
        moved = page.one("section", class_="moved")
        assert len(page.inside(moved, "li")) == 5
        assert page.inside(moved, "p")[0].words == "and 3 more."

    def test_record_without_comparisons_has_none_of_it(self, quickstart):
        page = page_of(quickstart)
        assert not page.all("section", class_="moved")
        assert not page.all("section", id="comparisons")

    def test_lost_cells_are_alarms_and_in_the_verdict(self):
        baseline = make_baseline(missing_cells=("a/b/c",), renamed_cells=(("x/y/z", "x/y/w"),))
        page = page_with(baseline=baseline, verdict="fail")
        assert [one.words for one in page.all("div", class_="alarm")] == [
            "In the baseline, gone from the suite. The run fails for them. a/b/c",
            "In the baseline under another name. The run fails for them. x/y/z is now x/y/w",
        ]
        assert page.one("p", class_="verdict").words.endswith(
            "no gates set, 1 cell of the baseline missing, 1 cell of the baseline renamed"
        )


class TestTemplateTable:
    """The difference to the reference has its interval and a conclusion."""

    @staticmethod
    def cells_of_difference(*comparisons):
        cells = [make_cell(), make_cell(template="bare"), make_cell(template="number")]
        run = make_run(cells, reference_templates={"digits": "photo"}, comparisons=comparisons)
        page = page_of(run)
        rows = table_rows(page, table_named(page, "Templates on digits"))
        return [row[3] for row in rows]

    def test_worse_and_open(self):
        found = self.cells_of_difference(
            make_comparison(kind="template", candidate="digits/tiny/bare", top1=make_difference(-0.533, -0.567, -0.498)),
            make_open_comparison(kind="template", candidate="digits/tiny/number", detectable=0.011),
        )  # fmt: skip
        assert found == [
            "Difference points, 95% interval", DASH, f"{M}53.3 [{M}56.7, {M}49.8] ▼ worse",
            f"0.0 [{M}0.7, +0.7] ○ no difference shown, could see 1.1",
        ]  # fmt: skip

    def test_adjusted_p_is_said(self):
        better = make_comparison(
            kind="template", candidate="digits/tiny/bare", conclusion="better", q_value=0.0123,
            top1=make_difference(0.02, 0.01, 0.03),
        )  # fmt: skip
        assert self.cells_of_difference(better)[2:] == [
            "+2.0 [+1.0, +3.0] ▲ better, q 0.012",
            "0.0 no test",
        ]

    def test_comparison_of_another_kind_is_not_taken(self):
        other = make_comparison(kind="model", candidate="digits/tiny/bare")
        assert self.cells_of_difference(other) == ["Difference points, no test", DASH, "0.0", "0.0"]


class TestGateTable:
    """Relative limits have their unit, their base, and the images behind them."""

    @staticmethod
    def page_of_gate(**changes):
        cells = [make_cell(), make_cell(template="bare", gates=(make_gate(**changes),))]
        return page_of(make_run(cells))

    def test_drop_is_in_signed_points_around_zero(self):
        page = self.page_of_gate(
            kind="max_drop", limit=0.01, value=-0.023, low=-0.039, high=-0.008, state="fail",
            against="digits/tiny/photo", message="dropped", images=("s1", "s2"),
        )  # fmt: skip
        table = table_named(page, "Gates")
        assert table_rows(page, table)[1] == [
            "✕ fail", "digits/tiny/bare", "Top-1 drop against digits/tiny/photo",
            f"{M}5 to +5 points {M}2.3 points [{M}3.9, {M}0.8]", "drop ≤ 1.0 points",
            "dropped 2 images behind its1s2",
        ]  # fmt: skip
        # the scale goes from -5 to +5 points: -3.9 lies at 11%, -0.8 at 42%, -2.3 at 27%, -1 at 40%
        span = page.inside(table, "rect")[0].attributes
        assert (span["x"], span["width"]) == ("11.00%", "31.00%")
        assert page.inside(table, "line", class_="point")[0].attributes["x1"] == "27.00%"
        assert page.inside(table, "line", class_="limit")[0].attributes["x1"] == "40.00%"
        assert [one.attributes["href"] for one in page.inside(table, "a")] == ["#cell-2", "#cell-1"]
        assert page.inside(table, "td", data_value="-0.023")[0].attributes["title"] == "-0.023"

    def test_flip_rate_is_in_percent_on_a_scale_of_its_own(self):
        page = self.page_of_gate(
            kind="max_negative_flip_rate", limit=0.02, value=0.0456, low=0.03, high=0.06,
            state="inconclusive", against="baseline", n_to_settle=2400,
        )  # fmt: skip
        table = table_named(page, "Gates")
        assert table_rows(page, table)[1] == [
            "? inconclusive", "digits/tiny/bare", "Newly wrong against baseline",
            "0 to 10% 4.6% [3.0, 6.0]", "newly wrong ≤ 2.0%", "about 2,400 images would settle it",
        ]  # fmt: skip
        assert page.inside(table, "line", class_="point")[0].attributes["x1"] == "45.60%"

    def test_class_is_named(self):
        page = self.page_of_gate(metric="recall", class_name="eight", limit=0.7996)
        assert table_rows(page, table_named(page, "Gates"))[1][2:5] == [
            "Recall of eight", "80.0% [77.9, 81.5]", "≥ 79.96%",
        ]  # fmt: skip

    def test_drop_without_a_value_has_no_plot(self):
        page = self.page_of_gate(kind="max_drop", value=None, low=None, high=None, state="error")
        table = table_named(page, "Gates")
        assert table_rows(page, table)[1][3] == DASH
        assert not page.inside(table, "svg")


class TestComparisonTables:
    """One table for each kind; every number is the record's."""

    def test_row_has_every_number(self):
        page = page_with(make_comparison(n_groups=120, q_value=0.0123, n_compared=3))
        table = table_named(page, "With the baseline")
        rows = table_rows(page, table)
        assert rows[0] == [
            "Outcome", "Cell", f"Difference 95% interval; {M}5 to +5 points", "p q is adjusted", "Newly wrong",
            "Newly right", "Wrong flips of all", "Could see points", "Images",
        ]  # fmt: skip
        assert rows[1] == [
            "▼ worse", "digits/tiny/photo against baseline", f"{M}2.3 [{M}3.9, {M}0.8]", "0.007 q 0.012 of 3",
            "41", "20", "4.6%", "2.4", "899 120 groups",
        ]  # fmt: skip
        exact = [one.attributes.get("data-value") for one in page.inside(table, "td")[:8]]
        assert exact == [None, "-0.023", "0.0073", "41", "20", repr(41 / 899), "0.0243", "899"]

    def test_interval_is_drawn_around_zero(self):
        page = page_with(make_comparison())
        row = page.one("tbody", id="comparison-1")
        plot = page.inside(row, "svg")[0]
        assert plot.matches("class", "signed")
        span = page.inside(plot, "rect")[0].attributes
        # from -5 to +5 points
        assert (span["x"], span["width"]) == ("11.00%", "31.00%")

    def test_kinds_have_tables_in_order_and_sort_by_bodies(self):
        page = page_with(
            make_comparison(kind="template", base="a/b/c"), make_comparison(kind="model", base="d/e/f"),
            make_comparison(), make_comparison(),
        )  # fmt: skip
        tables = page.all("table", class_="comparisons")
        assert [page.inside(one, "caption")[0].words for one in tables] == [
            "With the baseline", "With the reference model", "With the reference template",
        ]  # fmt: skip
        assert [one.attributes["id"] for one in page.inside(tables[0], "tbody") if "id" in one.attributes] == [
            "comparison-3", "comparison-4",
        ]  # fmt: skip
        assert ["data-sortable" in one.attributes for one in tables] == [True, False, False]

    def test_link_follows_gates(self):
        page = page_of(
            make_run([make_cell(gates=(make_gate(),))], comparisons=(make_comparison(),))
        )
        links = [one.words for one in page.inside(page.one("nav"), "a")]
        assert links[:4] == ["Gates", "Templates", "Comparisons", "Cells"]

    def test_reproduction_shows_flips_drift_and_floor(self):
        drifted = make_reproduction(
            n_changed=7, n_unexplained=5, image_drift=None, text_drift=None, is_within=False
        )
        page = page_with(make_reproduced_comparison(), make_open_comparison(reproduction=drifted))
        rows = table_rows(page, table_named(page, "With the baseline"))
        rows = [row for row in rows if len(row) == 9]
        assert rows[1][:4] == [
            "= same", "digits/tiny/photo against baseline", "0.0 [0.0, 0.0]", f"0 flips drift 3.1e{M}07 floor 2.0e{M}05",
        ]  # fmt: skip
        assert rows[2][0] == "! not reproduced"
        assert rows[2][3] == f"7 flips, 5 beyond the floor drift unknown floor 2.0e{M}05"
        notes = [one.words for one in page.all("p", class_="note")]
        assert f"drift of embeddings: images 3.1e{M}07, texts 0; numeric floor 2.0e{M}05." in notes


class TestDetails:
    """A row opens to metrics, classes and images."""

    def test_metrics_of_both_sides(self):
        page = page_with(make_comparison(top5=make_difference(-0.01, -0.02, 0.0, base=0.99)))
        rows = table_rows(page, table_named(page, "Metrics of digits/tiny/photo against baseline"))
        assert rows[1:] == [
            ["Top-1", f"{M}2.3 [{M}3.9, {M}0.8]", "90.0%", "87.7%"],
            ["Top-5", f"{M}1.0 [{M}2.0, 0.0]", "99.0%", "98.0%"],
            ["Macro recall", f"{M}2.1 [{M}4.0, {M}0.7]", "90.0%", "87.9%"],
            ["Macro precision", f"{M}2.0 [{M}3.0, {M}1.0]", "90.0%", "88.0%"],
            ["Macro F1", f"{M}2.2 [{M}4.1, {M}0.6]", "90.0%", "87.8%"],
        ]

    def test_method_and_notices_are_said(self):
        notice = Notice("few-images", "899 images see little")
        page = page_with(
            make_comparison(
                q_value=0.02, n_compared=3, n_groups=120, design_effect=2.129, notices=(notice,)
            )
        )
        row = page.one("tbody", id="comparison-1")
        assert (
            page.inside(row, "ul", class_="notices")[0].words == "few-images 899 images see little"
        )
        assert page.inside(row, "p", class_="note")[0].words == (
            "p by McNemar's test with mid-p; q is p adjusted for 3 comparisons with the same reference; images come "
            "in 120 groups, design effect 2.13."
        )

    def test_classes_are_sorted_by_adjusted_p_then_difference(self):
        classes = tuple(
            make_class_difference(name, by, p)
            for name, by, p in (("one", 0.01, 1.0), ("two", -0.02, 1.0), ("eight", -0.12, 0.003))
        )
        page = page_with(make_comparison(per_class=classes))
        rows = table_rows(page, table_named(page, "Classes of digits/tiny/photo against baseline"))
        assert rows[1] == ["eight", f"{M}12.0 [{M}18.0, {M}7.0]", "0.003", "90.0%", "78.0%", "12", "1", "90"]  # fmt: skip
        assert [row[0] for row in rows[1:]] == ["eight", "two", "one"]

    def test_twenty_classes_are_shown_and_the_rest_counted(self):
        classes = tuple(make_class_difference(f"c{i}") for i in range(23))
        page = page_with(make_comparison(per_class=classes))
        table = table_named(page, "Classes of digits/tiny/photo against baseline")
        assert len(table_rows(page, table)) == 21
        assert "3 more classes, of which less is sure." in [
            one.words for one in page.all("p", class_="note")
        ]

    def test_flips_show_truth_prediction_and_thumbnail(self):
        comparison = make_comparison(
            n_newly_wrong=1, newly_wrong=(make_flip("s1"),),
            n_newly_right=1, newly_right=(make_flip("s2", path="s2", base="nine", candidate="eight"),),
        )  # fmt: skip
        thumbnail = Thumbnail(dataset="digits", sample_id="s1", webp=webp())
        page = page_with(comparison, thumbnails=[thumbnail])
        lists = page.all("ul", class_="flips")
        assert [one.words for one in lists] == ["eight → three s1images/s1.png", "eight → nine s2"]
        assert [one.attributes["alt"] for one in page.inside(lists[0], "img")] == [
            "eight, taken for three"
        ]
        assert not page.inside(lists[1], "img")
        heads = [one.words for one in page.all("h4")]
        assert "Newly wrong 1 of 1 shown: true class → what it is taken for now" in heads
        assert "Newly right 1 of 1 shown: true class → what it was taken for before" in heads

    def test_twenty_four_flips_are_shown_of_all_that_there_are(self):
        flips = tuple(make_flip(f"s{i}") for i in range(41))
        page = page_with(
            make_comparison(n_newly_wrong=141, newly_wrong=flips, newly_right=(), n_newly_right=0)
        )
        only = page.one("ul", class_="flips")
        assert len(page.inside(only, "li")) == 24
        assert any(one.words.startswith("Newly wrong 24 of 141 shown") for one in page.all("h4"))

    def test_nothing_listed_is_no_empty_table_or_list(self):
        page = page_with(make_comparison(per_class=(), newly_wrong=(), newly_right=()))
        row = page.one("tbody", id="comparison-1")
        assert not page.inside(row, "ul")
        assert [one.words for one in page.inside(row, "caption")] == [
            "Metrics of digits/tiny/photo against baseline"
        ]


class TestHoldoutsAndBaseline:
    """What else the run was held against."""

    def test_holdout_is_a_sentence_with_its_ranking(self):
        page = page_with(holdouts=(make_holdout(),))
        section = page.one("section", id="comparisons")
        assert [one.words for one in page.inside(section, "p")] == [
            ("Holdout digits, tiny: 'ensemble' won on 450 images with 93.1%; on the 449 held out it has 92.0%, "
            f"0.0 [{M}0.7, +0.7] points against 'photo' (p 0.910)."),
            "On the explored images: ensemble 93.1%, photo 92.0%.",
        ]  # fmt: skip

    def test_ten_ranks_are_shown_and_none_is_no_line(self):
        ranking = tuple(RankedTemplate(template=f"t{i}", top1=0.5) for i in range(12))
        page = page_with(holdouts=(make_holdout(ranking=ranking), make_holdout(ranking=())))
        notes = [one.words for one in page.inside(page.one("section", id="comparisons"), "p", class_="note")]  # fmt: skip
        assert len(notes) == 1
        assert notes[0].endswith("t9 50.0% and 2 more.")

    def test_baseline_has_its_facts_cells_and_changes(self):
        baseline = make_baseline(
            missing_cells=("a/b/c",), renamed_cells=(("x/y/z", "x/y/w"),), new_cells=("n/n/n",),
            skipped_cells=("s/s/s",), changes=("torch 2.5.0 -> 2.6.0",),
        )  # fmt: skip
        page = page_with(baseline=baseline)
        section = page.one("section", id="comparisons")
        assert page.inside(section, "dl")[0].words == (
            "Sourcebaselines/quickstart.json Accepted2026-11-01 08:00 UTC"
        )
        assert [one.words for one in page.inside(section, "h4")] == [
            "In the baseline, gone from the suite the run fails for them",
            "In the baseline under another name the run fails for them",
            "Not in the baseline", "In the baseline, not asked for this time",
        ]  # fmt: skip
        assert [one.words for one in page.inside(section, "ul")] == [
            "a/b/c", "x/y/z is now x/y/w", "n/n/n", "s/s/s",
        ]  # fmt: skip
        environment = page.one("section", id="environment")
        assert [one.words for one in page.inside(environment, "li")] == ["torch 2.5.0 -> 2.6.0"]

    def test_baseline_that_fits_has_facts_alone(self):
        page = page_with(baseline=make_baseline())
        section = page.one("section", id="comparisons")
        assert not page.inside(section, "h4")
        assert not page.inside(section, "table")


class TestSafety:
    """Names in comparisons are as hostile as any."""

    @staticmethod
    def hostile_run(hostile):
        flip = make_flip(
            hostile, path=f"{hostile}/x", label=hostile, base=hostile, candidate=hostile
        )
        gate = make_gate(
            kind="max_drop", value=-0.1, low=-0.2, high=-0.05, state="fail", against=hostile, class_name=hostile,
            message=hostile, images=(hostile,),
        )  # fmt: skip
        change = ConfusionChange(
            class_names=(hostile, hostile), counts=((1, -1), (2, 0)), n_classes=9
        )
        comparison = make_comparison(
            confusion_change=change, base=hostile, candidate=hostile, message=hostile, notices=(Notice(hostile, hostile),),
            per_class=(make_class_difference(hostile),), newly_wrong=(flip,), newly_right=(flip,),
        )  # fmt: skip
        holdout = make_holdout(
            dataset=hostile, model=hostile, winner=hostile, opponent=hostile,
            ranking=(RankedTemplate(template=hostile, top1=0.5),),
        )  # fmt: skip
        baseline = make_baseline(
            source=hostile, accepted=hostile, missing_cells=(hostile,), renamed_cells=((hostile, hostile),),
            new_cells=(hostile,), skipped_cells=(hostile,), changes=(hostile,),
        )  # fmt: skip
        cell = make_cell(gates=(gate,))
        flip = replace(flip, sample_id="s0004")
        own = replace(comparison, candidate=cell.id, newly_wrong=(flip,), newly_right=(flip,))
        return make_run(
            [cell], holdouts=(holdout,), baseline=baseline,
            comparisons=(*(replace(comparison, kind=kind) for kind in ("baseline", "run", "model", "template")), own),
        )  # fmt: skip

    @pytest.mark.parametrize("hostile", HOSTILE)
    def test_hostile_strings_add_no_element_and_no_attribute(self, hostile):
        page, plain = page_of(self.hostile_run(hostile)), page_of(self.hostile_run("plain"))
        assert [one.tag for one in page.elements] == [one.tag for one in plain.elements]
        assert [list(one.attributes) for one in page.elements] == [
            list(one.attributes) for one in plain.elements
        ]

    def test_flip_is_shown_as_text(self):
        page = page_of(self.hostile_run(HOSTILE[0]))
        assert page.all("ul", class_="flips")[0].words == (
            f"{HOSTILE[0]} → {HOSTILE[0]} {HOSTILE[0]}{HOSTILE[0]}/x"
        )

    def test_script_does_not_depend_on_comparisons(self, quickstart):
        assert page_of(quickstart).one("script").words == page_with(make_comparison()).one("script").words  # fmt: skip


class TestAccessibility:
    """Labelled, reachable, linked."""

    @pytest.fixture
    def page(self):
        comparisons = (make_comparison(), make_open_comparison(kind="model", base="a/b/c"), make_reproduced_comparison())  # fmt: skip
        return page_with(*comparisons, baseline=make_baseline(missing_cells=("a/b/c",)))

    def test_tables_have_captions_and_scoped_headers(self, page):
        for table in page.all("table"):
            assert page.inside(table, "caption")
            assert all(one.attributes.get("scope") for one in page.inside(table, "th"))

    def test_every_link_leads_somewhere(self, page):
        ids = [one.attributes["id"] for one in page.elements if "id" in one.attributes]
        assert len(ids) == len(set(ids))
        links = {one.attributes["href"] for one in page.all("a")}
        assert {one for one in links if "=" not in one} <= {f"#{one}" for one in ids}

    def test_outcome_is_told_by_mark_and_word(self, page):
        marks = {one.words for one in page.all("span", class_="conclusion")}
        assert marks == {"▼ worse", "○ no difference shown", "= same"}


def test_same_run_gives_same_bytes():
    run = make_run([make_cell()], comparisons=(make_comparison(),), holdouts=(make_holdout(),))
    assert render(run) == render(run)


@pytest.mark.parametrize(("p", "shown"), [(0.0498, "0.0498"), (0.0004, "< 0.001")])
def test_p_values_are_never_shown_on_the_other_side_of_significance(p, shown):
    comparison = make_comparison(p_value=p, per_class=(make_class_difference(adjusted_p=p),))
    page = page_with(comparison)
    row = table_rows(page, table_named(page, "With the baseline"))[1]
    assert shown in row
    classes = table_rows(page, table_named(page, "Classes of"))[1]
    assert shown in classes
