"""A cell's section: how classes moved, which images flipped, what stands beside what, and the tokens."""

from dataclasses import replace

from clipeval.records import ConfusionChange, Flip, SimilaritySample
from clipeval.report import run_page, static_charts
from tests.report.conftest import (
    make_cell,
    make_class_difference,
    make_comparison,
    make_dataset,
    make_difference,
    make_gate,
    make_model,
    make_predictions,
    make_run,
    make_thumbnails,
    page_of,
    table_named,
    table_rows,
)

MINUS = "\N{MINUS SIGN}"


def flip(sample_id, label, base, candidate):
    return Flip(sample_id=sample_id, path="", label=label, base=base, candidate=candidate)


def compared(**changes):
    """Of the first cell: sample 4 newly wrong, sample 0 newly right, class `two` worse beyond chance."""
    return make_comparison(
        n_newly_wrong=1, n_newly_right=3,
        newly_wrong=(flip("s0004", "one", "one", "zero"),),
        newly_right=(flip("s0000", "zero", "two", "zero"),),
        per_class=(
            make_class_difference("one", -0.25, 0.4), make_class_difference("two", -0.5, 0.003),
        ),
        confusion_change=ConfusionChange(
            class_names=("zero", "one"), counts=((2, 0), (1, -1)), n_classes=3
        ),
        **changes,
    )  # fmt: skip


def headings(page):
    return [one.words for one in page.all("h4")]


class TestWithABaseline:
    def page(self, **changes):
        cell = make_cell()
        return page_of(
            make_run([cell], comparisons=(compared(**changes),)), thumbnails=make_thumbnails(cell)
        )

    def test_classes_say_how_far_they_moved(self):
        page = self.page()
        assert "Classes lowest recall first; change since the baseline" in headings(page)
        rows = {row[0]: row for row in table_rows(page, page.one("table", class_="classes"))}
        assert rows["two"][3] == f"{MINUS}50.0 p 0.003"
        assert rows["one"][3] == f"{MINUS}25.0"
        assert rows["zero"][3] == "\N{EN DASH}"

    def test_images_that_flipped_stand_beside_what_they_were_taken_for(self):
        page = self.page()
        assert "Newly wrong All 1, against the baseline." in headings(page)
        assert "Newly right Showing 1 of 3, against the baseline." in headings(page)
        (section,) = page.all("section", data_images="newly wrong")
        (image,) = page.inside(section, "figure")
        assert image.words.startswith("zero 66.2% truth: onebefore: one")
        (section,) = page.all("section", data_images="newly right")
        assert page.inside(section, "figure")[0].words.startswith(
            "no thumbnail zero 40.0% rightbefore: two"
        )

    def test_confusion_shows_what_changed(self):
        page = self.page()
        table = table_named(page, "Change of confusion of digits/tiny/photo")
        assert table_rows(page, table) == [
            ["", "zero", "one"],
            ["zero", "+2", ""],
            ["one", "+1", f"{MINUS}1"],
        ]
        assert "The 2 of 3 classes whose confusion changed most." in [
            one.words for one in page.all("p", class_="note")
        ]

    def test_a_version_says_more_than_a_template(self):
        cell = make_cell(template="bare")
        of_template = compared(kind="template", base="digits/tiny/photo", candidate=cell.id)
        of_baseline = replace(of_template, kind="baseline", base=cell.id)
        for comparisons, against in (
            ((of_template,), "the reference template"),
            ((of_template, of_baseline), "the baseline"),
        ):
            page = page_of(make_run([make_cell(), cell], comparisons=comparisons))
            assert f"Classes lowest recall first; change since {against}" in headings(page)

    def test_flips_that_the_predictions_do_not_have_are_left_out(self):
        page = self.page(candidate="digits/tiny/photo")
        assert page.all("section", data_images="newly wrong")
        gone = compared()
        gone = replace(gone, newly_wrong=(flip("elsewhere", "one", "one", "zero"),))
        page = page_of(make_run([make_cell()], comparisons=(gone,)))
        assert not page.all("section", data_images="newly wrong")


class TestAlone:
    def test_nothing_is_said_of_changes(self):
        page = page_of(make_run([make_cell()]))
        assert "Classes lowest recall first" in headings(page)
        assert len(table_rows(page, table_named(page, "Classes of"))[0]) == 5
        assert not [one for one in headings(page) if one.startswith(("Newly", "Change"))]

    def test_similarity_of_images_and_prompts(self):
        cell = make_cell()
        page = page_of(make_run([cell]), thumbnails=make_thumbnails(cell))
        table = table_named(page, "Cosine similarity")
        assert table_rows(page, table) == [
            ["", "zero", "one", "two"],
            ["zero", "0.30", "0.00", "0.00"],
            ["one", f"{MINUS}0.10", "0.30", f"{MINUS}0.10"],
            ["two", f"{MINUS}0.20", f"{MINUS}0.20", "0.30"],
        ]
        own = [one.words for one in page.inside(table, "td", class_="own")]
        assert own == ["0.30"] * 3
        assert [one.words for one in page.inside(table, "b")] == ["0.30"] * 3
        assert [one.attributes["title"] for one in page.inside(table, "th", scope="col")] == [
            "a photo of zero", "a photo of one", "a photo of two",
        ]  # fmt: skip
        assert len(page.inside(table, "img")) == 1  # of sample 4 there is a thumbnail

    def test_similarity_of_equal_cosines_and_of_none(self):
        same = SimilaritySample(
            classes=(0, 2), sample_ids=("a", "b"), cosines=((0.25, 0.25), (0.25, 0.25))
        )
        page = page_of(make_run([make_cell(similarity=same)]))
        assert len(page.inside(table_named(page, "Cosine similarity"), "td", class_="h10")) == 4
        assert "The first image of 2 of 3 classes; cosines from 0.250 to 0.250." in [
            one.words for one in page.all("p", class_="note")
        ]
        alone = SimilaritySample(classes=(0,), sample_ids=("a",), cosines=((0.25,),))
        for similarity in (None, alone):
            html = page_of(make_run([make_cell(similarity=similarity)]))
            assert not [one for one in headings(html) if one.startswith("Images against")]

    def test_prompts_have_their_tokens(self):
        page = page_of(make_run([make_cell()]))
        assert "Prompts as encoded 3 prompts, 1 for each class; 6 of 77 tokens" in headings(page)
        (first, *_) = page.all("span", class_="tokens")
        assert first.words == "<start>7a8photo9of10zero11<end>12"
        assert first.attributes["aria-label"] == "6 tokens"

    def test_a_run_without_tokens_has_its_prompts(self):
        cell = make_cell()
        cell = replace(cell, template=replace(cell.template, tokenized=()))
        page = page_of(make_run([cell]))
        assert "Prompts as encoded 3 prompts, 1 for each class" in headings(page)
        assert "a photo of two" in [
            one.words for one in page.inside(page.one("ol", class_="prompts"), "li")
        ]
        assert not page.all("span", class_="tokens")

    def test_the_data_set_says_how_many_images_its_classes_have(self):
        section = page_of(make_run([make_cell()])).one("section", id="data")
        assert "Images of a class3 to 4" in section.words
        even = make_cell(confusion=((2, 0, 0), (0, 2, 0), (0, 0, 2)))
        section = page_of(make_run([even])).one("section", id="data")
        assert "Images of a class2 " in section.words

    def test_calibration_is_drawn_for_the_first_cells_and_is_a_table_for_all(self):
        cells = [make_cell(template=f"t{i}") for i in range(42)]
        page = page_of(make_run(cells))
        drawn = [
            one
            for one in page.all("svg", class_="chart")
            if one.attributes["aria-label"].startswith("Calibration. ")
        ]
        assert len(drawn) == 40
        tables = [one for one in page.all("caption") if one.words.startswith("Calibration of")]
        assert len(tables) == 42


class TestModelsSideBySide:
    def run_of_two_models(self):
        other = make_model(id="RN50/openai")
        return make_run(
            [
                make_cell(),
                make_cell(template="bare", confusion=((4, 0, 0), (0, 3, 0), (0, 1, 2))),
                make_cell(model=other, confusion=((4, 0, 0), (0, 3, 0), (0, 0, 3))),
            ]
        )

    def test_a_row_for_each_template_and_a_column_for_each_model(self):
        page = page_of(self.run_of_two_models())
        table = table_named(page, "Models side by side on digits")
        rows = table_rows(page, table)
        assert rows[0] == ["Template", "tiny on cpu in fp32", "RN50/openai on cpu in fp32"]
        assert [row[0] for row in rows[1:]] == ["photo", "bare"]
        assert rows[1][1].startswith("80.0%")
        assert rows[1][2].startswith("100.0%")
        assert rows[2][2] == "\N{EN DASH}"
        assert [one.words for one in page.inside(table, "b")] == ["100.0%"]

    def test_one_model_stands_beside_nothing(self):
        assert "Models side by side" not in " ".join(headings(page_of(make_run([make_cell()]))))


class TestCharts:
    def charts(self, run):
        predictions = [make_predictions(cell) for cell in run.cells]
        return static_charts(run_page(run, predictions, ()))

    def run_of_two_templates(self, **changes):
        cells = [
            make_cell(),
            make_cell(template="bare", confusion=((4, 0, 0), (0, 3, 0), (0, 0, 3))),
        ]
        return make_run(cells, reference_templates={"digits": "photo"}, **changes)

    def test_templates_are_drawn_with_the_reference(self):
        page = page_of(self.run_of_two_templates())
        (chart,) = [
            one
            for one in page.all("svg", class_="chart")
            if one.attributes["aria-label"].startswith("Top-1 by template")
        ]
        assert chart.attributes["aria-label"].endswith(
            "Lines: 95% intervals; dashed: the reference, photo"
        )
        texts = [one.words for one in page.inside(chart, "text")]
        assert texts.count("photo") == texts.count("bare") == 1

    def test_one_cell_is_no_comparison(self):
        assert [one.file for one in self.charts(make_run([make_cell()]))] == [
            "charts/calibration-1.svg"
        ]

    def test_calibration_is_that_of_the_first_cell_of_each_data_set(self):
        ink = make_dataset("ink", ("red", "green", "blue"))
        cells = [make_cell(), make_cell(template="bare"), make_cell(dataset=ink)]
        titles = [one.title for one in self.charts(make_run(cells)) if "calibration" in one.file]
        assert titles == ["Calibration of digits/tiny/photo", "Calibration of ink/tiny/photo"]

    def test_many_templates_are_cut_and_it_says_so(self):
        run = make_run([make_cell(template=f"t{i}") for i in range(45)])
        chart, _ = self.charts(run)
        assert "the first 40 of 45 templates" in chart.svg
        assert ">t39<" in chart.svg
        assert ">t40<" not in chart.svg

    def test_files_stand_alone_in_light_colours_and_are_always_the_same(self):
        chart, calibration = self.charts(self.run_of_two_templates())
        assert chart.file == "charts/top1-1.svg"
        assert chart.title == "Top-1 by template on digits"
        assert chart.svg.startswith('<svg xmlns="http://www.w3.org/2000/svg"')
        assert "var(" not in chart.svg
        assert '<rect width="100%" height="100%" fill="#ffffff"/>' in chart.svg
        assert "var(" not in calibration.svg
        assert (chart, calibration) == self.charts(self.run_of_two_templates())


class TestGatesWithABaseline:
    """A gate's row says what its metric was, how it differs, and whether that is chance."""

    def rows(self, *gates, comparisons):
        run = make_run([make_cell(gates=gates)], comparisons=comparisons)
        page = page_of(run)
        return table_rows(page, table_named(page, "Gates"))

    def test_base_difference_and_p(self):
        gates = (
            make_gate(),
            make_gate(metric="macro_f1"),
            make_gate(metric="ece"),
            make_gate(metric="recall", class_name="two"),
            make_gate(metric="recall", class_name="gone"),
            make_gate(kind="max_drop", against="digits/tiny/other"),
        )
        head, *rows = self.rows(*gates, comparisons=(compared(),))
        assert [one.partition(" ")[0] for one in head] == [
            "State", "Cell", "Gate", "Value", "Limit", "Held", "Message",
        ]  # fmt: skip
        base = f"{100 * compared().top1.base:.1f}%"
        assert rows[0][5] == f"{base} {MINUS}2.3 [{MINUS}3.9, {MINUS}0.8] p 0.007"
        assert f"% {MINUS}2.2 [" in rows[1][5]
        assert " p " not in rows[1][5]
        assert rows[3][5].endswith("p 0.003")
        for row in (rows[2], rows[4], rows[5]):
            assert row[5] == "\N{EN DASH}"

    def test_a_gate_against_a_reference_is_compared_with_that(self):
        of_template = compared(kind="template", base="digits/tiny/other")
        gate = make_gate(kind="max_drop", against="digits/tiny/other")
        (_, row) = self.rows(gate, comparisons=(of_template,))
        assert f"{MINUS}2.3 [" in row[5]

    def test_without_comparisons_there_is_no_such_column(self):
        head, row = self.rows(make_gate(), comparisons=())
        assert len(head) == len(row) == 6


class TestAnswers:
    """At the top, what the templates come to in a sentence; never a claim that was not tested."""

    def answer(self, *comparisons, cells=None, reference="photo"):
        cells = cells or [make_cell(), make_cell(template="bare"), make_cell(template="plate")]
        run = make_run(
            cells,
            comparisons=comparisons,
            reference_templates={"digits": reference} if reference else {},
        )
        page = page_of(run)
        answers = [one.words for one in page.all("ul", class_="answers")]
        assert [one.words for one in page.all("p", class_="lead")][:1] == (
            [answers[0].removeprefix("digits ")]
            if answers
            else [page.all("p", class_="lead")[0].words]
        )
        return answers[0].removeprefix("digits ") if answers else ""

    def of(self, template, value, low, high, conclusion, **changes):
        return make_comparison(
            kind="template", base="digits/tiny/photo", candidate=f"digits/tiny/{template}",
            top1=make_difference(value, low, high), conclusion=conclusion, **changes,
        )  # fmt: skip

    def test_better_worse_and_undecided(self):
        better = self.of("bare", 0.03, 0.01, 0.05, "better")
        worse = self.of("plate", -0.02, -0.04, -0.01, "worse")
        assert self.answer(better, worse) == (
            "“bare” is better than “photo” (80.0%) by 3.0 points [1.0, 5.0]; "
            "“plate” is worse by 2.0 points [1.0, 4.0]."
        )
        open_one = self.of("plate", 0.001, -0.02, 0.02, "inconclusive", detectable=0.024)
        assert self.answer(better, open_one) == (
            "“bare” is better than “photo” (80.0%) by 3.0 points [1.0, 5.0]; "
            "of 1 template no difference is shown (one of 2.4 points would be, in 80% of cases)."
        )

    def test_none_better(self):
        worse = self.of("bare", -0.02, -0.04, -0.01, "worse")
        worst = self.of("plate", -0.5, -0.6, -0.4, "worse")
        assert self.answer(worse, worst) == (
            "No template is shown to be better than “photo” (80.0%); "
            "2 are worse, by up to 50.0 points [40.0, 60.0]."
        )

    def test_several_better(self):
        first = self.of("bare", 0.03, 0.01, 0.05, "better")
        second = self.of("plate", 0.04, 0.02, 0.06, "better")
        assert self.answer(first, second) == (
            "“plate” is better than “photo” (80.0%) by 4.0 points [2.0, 6.0]; 1 more is better."
        )

    def test_without_a_reference_nothing_is_claimed(self):
        best = make_cell(template="bare", confusion=((4, 0, 0), (0, 3, 0), (0, 0, 3)))
        said = self.answer(cells=[make_cell(), best], reference=None)
        assert said == (
            "Top-1 runs from 80.0% with “photo” to 100.0% with “bare”; nothing was tested: name a reference "
            "template to compare them."
        )

    def test_one_template_has_no_answer(self):
        assert not page_of(make_run([make_cell()])).all("ul", class_="answers")
