"""report.html: what it says, that it says nothing else, and that nothing in it can run."""

from __future__ import annotations

import base64
import hashlib
import re
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest

from clipeval.errors import StoreError
from clipeval.records import CellError, ImageFailure, Notice, Thumbnail
from clipeval.report.format import DASH
from tests.report.conftest import (
    HOSTILE,
    Page,
    make_cell,
    make_dataset,
    make_environment,
    make_gate,
    make_model,
    make_predictions,
    make_run,
    make_thumbnails,
    page_of,
    render,
    rendered,
    table_named,
    table_rows,
    webp,
)


class TestHeader:
    """The verdict and the size of the run come first."""

    def test_verdict_is_said_in_words_and_marks(self, quickstart):
        verdict = page_of(quickstart).one("p", class_="verdict")
        assert verdict.words == "✕FAIL1 of 2 gates passed, 1 failed"
        assert "fail" in verdict.attributes["class"].split()

    def test_title_names_verdict_and_suite(self, quickstart):
        assert page_of(quickstart).one("title").words == f"FAIL {DASH} quickstart {DASH} clipeval"

    def test_images_of_a_data_set_count_once(self, quickstart):
        facts = page_of(quickstart).one("dl", class_="headline").words
        assert facts.startswith("Images20 Cells5 Modeltiny")

    def test_run_without_gates_says_so(self):
        verdict = page_of(make_run([make_cell()])).one("p", class_="verdict")
        assert verdict.words == "•DONEno gates set"


class TestComparison:
    """Templates of one data set, against the reference that the suite names."""

    def test_row_has_rounded_numbers_and_difference(self, quickstart):
        page = page_of(quickstart)
        rows = table_rows(page, table_named(page, "Templates on digits"))
        # 8, 9 and 6 of 10 right; intervals are -0.0213 / +0.0152 in the factory
        assert rows[1] == ["photo reference", "3", "80.0% [77.9, 81.5]", DASH, "77.8%", "76.5%", "0.432", "3.2%"]  # fmt: skip
        assert rows[2][:4] == ["number", "3", "90.0% [87.9, 91.5]", "+10.0"]
        assert rows[3][:4] == ["bare", "3", "50.0% [47.9, 51.5]", "\N{MINUS SIGN}30.0"]

    def test_difference_claims_no_test(self, quickstart):
        heads = [one.words for one in page_of(quickstart).all("th", scope="col")]
        assert "Difference points, no test" in heads

    def test_without_reference_there_is_no_difference_column(self, quickstart):
        page = page_of(quickstart)
        head = table_rows(page, table_named(page, "Templates on ink"))[0]
        assert [one.split(" ")[0] for one in head] == ["Template", "Prompts", "Top-1", "Mean", "Macro", "NLL", "ECE"]  # fmt: skip

    def test_exact_value_stands_beside_the_rounded_one(self, quickstart):
        page = page_of(quickstart)
        found = page.all("td", data_value="0.7654321")
        assert found
        assert all(one.attributes["title"] == "0.7654321" for one in found)
        assert {one.words for one in found} == {"76.5%"}

    def test_interval_is_drawn_on_the_scale_from_0_to_100(self, quickstart):
        page = page_of(quickstart)
        table = table_named(page, "Classes of digits/tiny/photo")
        row = next(one for one in page.inside(table, "tr") if one.words.startswith("two"))
        span = page.inside(row, "rect")[0].attributes
        point = page.inside(row, "line", class_="point")[0].attributes
        recall = next(one for one in quickstart.cells[0].per_class if one.name == "two")
        ends = (recall.recall_low, recall.recall_high - recall.recall_low, recall.recall)
        assert (span["x"], span["width"], point["x1"]) == tuple(f"{100 * end:.2f}%" for end in ends)

    def test_models_side_by_side_are_compared_within_each_model(self):
        other = make_model(id="RN50/openai")
        cells = [
            make_cell(),
            make_cell(template="bare", confusion=((4, 0, 0), (0, 3, 0), (0, 1, 2))),
            make_cell(model=other, confusion=((2, 2, 0), (1, 2, 0), (0, 1, 2))),
            make_cell(model=other, template="bare"),
        ]
        page = page_of(make_run(cells, reference_templates={"digits": "photo"}))
        rows = table_rows(page, table_named(page, "Templates on digits"))
        assert [row[0] for row in rows[1:]] == [
            "tiny on cpu in fp32", "photo reference", "bare", "RN50/openai on cpu in fp32", "photo reference", "bare",
        ]  # fmt: skip
        assert [rows[3][3], rows[6][3]] == ["+10.0", "+20.0"]


class TestGates:
    """What needs attention comes first."""

    def test_failed_gate_is_above_passed_one(self, quickstart):
        page = page_of(quickstart)
        rows = table_rows(page, table_named(page, "Gates"))
        assert rows[1] == ["✕ fail", "digits/tiny/bare", "Top-1", "50.0% [47.9, 51.5]", "≥ 75.0%", "too low"]  # fmt: skip
        assert rows[2][:2] == ["✓ pass", "digits/tiny/photo"]

    def test_gate_without_a_value_is_shown_without_a_number(self):
        gate = make_gate(
            metric="top5", value=None, low=None, high=None, state="error", message="absent"
        )
        page = page_of(make_run([make_cell(gates=(gate,))], verdict="error"))
        rows = table_rows(page, table_named(page, "Gates"))
        assert rows[1] == ["! error", "digits/tiny/photo", "Top-5", DASH, "≥ 75.0%", "absent"]


class TestCells:
    """One section per cell."""

    def test_first_cell_of_each_data_set_is_open(self, quickstart):
        cells = page_of(quickstart).all("details", class_="cell")
        assert ["open" in one.attributes for one in cells] == [True, False, False, True, False]

    def test_classes_are_sorted_from_the_lowest_recall(self, quickstart):
        page = page_of(quickstart)
        rows = table_rows(page, table_named(page, "Classes of digits/tiny/photo"))
        assert [row[:2] for row in rows[1:]] == [["one", "3"], ["two", "3"], ["zero", "4"]]
        assert rows[3][2:] == ["100.0% [80.0, 100.0]", "80.0%", "88.9%"]

    def test_ratio_without_denominator_is_a_dash(self):
        cell = make_cell(confusion=((4, 0, 0), (1, 2, 0), (0, 0, 0)))
        page = page_of(make_run([cell]))
        rows = table_rows(page, table_named(page, "Classes of"))
        assert rows[-1] == ["two", "0", DASH, DASH, DASH]

    def test_confusion_has_counts_and_shades_by_share_of_the_row(self, quickstart):
        page = page_of(quickstart)
        table = table_named(page, "Confusion matrix of digits/tiny/photo")
        rows = table_rows(page, table)
        assert rows[1:] == [["zero", "4", "", "", "4"], ["one", "1", "2", "", "3"], ["two", "", "1", "2", "3"]]  # fmt: skip
        shaded = next(one for one in page.inside(table, "td") if one.words == "1")
        assert shaded.attributes == {"class": "h6", "title": "one taken for zero: 1 of 3 (33.3%)"}

    def test_confused_pairs_have_their_share_of_the_class(self, quickstart):
        page = page_of(quickstart)
        rows = table_rows(page, table_named(page, "Most confused pairs of digits/tiny/bare"))
        assert rows[1] == ["one", "zero", "2", "66.7%"]

    def test_empty_calibration_bins_are_left_out(self, quickstart):
        page = page_of(quickstart)
        rows = table_rows(page, table_named(page, "Calibration of digits/tiny/photo"))
        assert rows[1:] == [[f"50{DASH}100%", "10", "85.0%", "80.0%", "+5.0"]]

    def test_timings_have_units(self, quickstart):
        page = page_of(quickstart)
        rows = table_rows(page, table_named(page, "Timings of digits/tiny/photo"))
        assert rows == [["Load", "500.0 ms"], ["Encode image", "3.25 s"], ["Images per second", "1,234"]]  # fmt: skip

    def test_cached_embeddings_are_said(self):
        html = render(make_run([make_cell(image_embeddings="cached")]))
        assert (
            "Image embeddings came from the cache: encode image is the time to read them." in html
        )
        assert "Text embeddings" not in html
        html = render(make_run([make_cell(text_embeddings="cached")]))
        assert "Text embeddings came from the cache: encode text is the time to read them." in html
        assert "Image embeddings" not in html

    def test_first_prompts_are_shown_and_the_rest_counted(self):
        names = [f"class {i}" for i in range(25)]
        eye = tuple(tuple(int(i == j) for j in range(25)) for i in range(25))
        cell = make_cell(dataset=make_dataset(class_names=names, n_images=25), confusion=eye)
        page = page_of(make_run([cell]))
        prompts = page.inside(page.one("ol", class_="prompts"), "li")
        assert [one.words.partition("<start>")[0] for one in prompts] == [
            f"a photo of class {i}" for i in range(20)
        ]
        assert "and 5 more in run.json." in [one.words for one in page.all("p", class_="note")]

    def test_notices_of_the_cell_are_shown(self):
        cell = make_cell(notices=(Notice("odd-prompt", "prompt 3 looks odd"),))
        notices = page_of(make_run([cell])).one("ul", class_="notices")
        assert notices.words == "odd-prompt prompt 3 looks odd"


class TestManyClasses:
    """Sixty classes fit a matrix; more are cut down to the worst, and the page says so."""

    @staticmethod
    def run_of(n_classes):
        confusion = [[0] * n_classes for _ in range(n_classes)]
        for i in range(n_classes):
            confusion[i][i] = 9
        confusion[7][3] = 5
        confusion[30][3] = 2
        names = [f"class {i}" for i in range(n_classes)]
        dataset = make_dataset(class_names=names, n_images=9 * n_classes + 7)
        return make_run([make_cell(dataset=dataset, confusion=tuple(map(tuple, confusion)))])

    def test_sixty_classes_are_shown_whole(self):
        page = page_of(self.run_of(60))
        assert len(page.inside(table_named(page, "Confusion matrix"), "tr")) == 61

    def test_more_classes_show_the_block_of_the_worst_pairs(self):
        page = page_of(self.run_of(61))
        rows = table_rows(page, table_named(page, "Confusion matrix"))
        assert rows == [
            ["", "class 3", "class 7", "class 30", "n"],
            ["class 3", "9", "", "", "9"],
            ["class 7", "5", "9", "", "14"],
            ["class 30", "2", "", "9", "11"],
        ]
        assert any(
            "block of the 3 classes in the most confused pairs" in one.words
            for one in page.all("p", class_="note")
        )

    def test_block_has_at_most_twenty_classes(self):
        n = 70
        confusion = tuple(tuple(5 if i == j else int(j == (i + 1) % n) for j in range(n)) for i in range(n))  # fmt: skip
        dataset = make_dataset(class_names=[f"c{i}" for i in range(n)], n_images=6 * n)
        page = page_of(make_run([make_cell(dataset=dataset, confusion=confusion)]))
        assert len(page.inside(table_named(page, "Confusion matrix"), "tr")) == 21

    def test_no_mistakes_means_no_matrix(self):
        n = 70
        confusion = tuple(tuple(2 * (i == j) for j in range(n)) for i in range(n))
        dataset = make_dataset(class_names=[f"c{i}" for i in range(n)], n_images=2 * n)
        html = render(make_run([make_cell(dataset=dataset, confusion=confusion)]))
        assert "Confusion matrix" not in html
        assert "Most confused" not in html
        assert "Misclassified" not in html


def images_of(page):
    return [one for one in page.all("figure") if "data-class" in one.attributes]


class TestMistakes:
    """Thumbnails are joined by data set and sample, the most confident first."""

    def test_figure_tells_truth_prediction_confidence_and_sample(self):
        cell = make_cell()
        page = page_of(make_run([cell]), thumbnails=make_thumbnails(cell))
        figures = images_of(page)
        # images 4 (one -> zero) and 7 (two -> one) of ten; confidence grows from 0.4 to 0.99
        assert [one.words.split(" Top")[0] for one in figures] == [
            "one 85.9% truth: two",
            "zero 66.2% truth: one",
        ]
        assert figures[0].words.endswith("s0007images/s0007.png")
        assert page.inside(figures[0], "li", class_="true")[0].words.startswith("two")

    def test_image_is_embedded_byte_for_byte(self):
        cell = make_cell()
        thumbnails = make_thumbnails(cell)
        sources = [one.attributes["src"] for one in page_of(make_run([cell]), thumbnails=thumbnails).all("img")]  # fmt: skip
        decoded = {base64.b64decode(one.removeprefix("data:image/webp;base64,")) for one in sources}
        assert decoded == {one.webp for one in thumbnails}

    def test_thumbnail_of_another_data_set_is_not_used(self):
        cell = make_cell()
        stray = [Thumbnail(dataset="ink", sample_id="s0004", webp=webp())]
        page = page_of(make_run([cell]), thumbnails=stray)
        assert not page.all("img")
        assert len(page.all("div", class_="no-image")) == 2

    def test_least_sure_ones_are_shown_where_most_have_thumbnails(self):
        cell = make_cell()
        kept = [
            Thumbnail(dataset=cell.dataset.key, sample_id=f"s{i:04d}", webp=webp(i))
            for i in range(10)
        ]
        page = page_of(make_run([cell]), thumbnails=kept)
        assert "Least sure 10 of 10, least confident first." in [
            one.words for one in page.all("h4")
        ]
        least_sure = page.all("div", class_="gallery")[1]
        confidences = [
            float(one.words.partition("%")[0].split()[-1])
            for one in page.inside(least_sure, "figure")
        ]
        assert confidences == sorted(confidences)
        assert page.inside(least_sure, "figure")[0].words.startswith("zero 40.0% right")
        few = page_of(make_run([cell]), thumbnails=kept[:5])
        assert len(few.all("div", class_="gallery")) == 1

    def test_bars_are_probabilities(self):
        cell = make_cell()
        predictions = make_predictions(cell)
        page = page_of(make_run([cell]))
        figure = images_of(page)[0]
        widths = [float(one.attributes["width"].rstrip("%")) for one in page.inside(figure, "rect")]
        i = predictions.sample_ids.index("s0007")
        scores = predictions.top5_scores[i].astype(float)
        expected = 100 * float(predictions.confidence[i]) * np.exp(scores - scores[0])
        assert widths == pytest.approx(list(expected), abs=0.01)

    def test_cap_is_stated(self):
        cell = make_cell(confusion=((4, 61, 0), (0, 2, 0), (0, 0, 2)))
        page = page_of(make_run([cell]))
        assert len(images_of(page)) == 24
        assert "Misclassified Showing 24 of 61: the surest, with one of each common kind." in [
            one.words for one in page.all("h4")
        ]

    def test_missing_predictions_are_said(self):
        html = rendered(make_run([make_cell()]), [], [])
        assert "no predictions of this cell" in html

    def test_predictions_by_cell_id_are_the_same_as_a_list(self):
        cell = make_cell()
        run, predictions = make_run([cell]), make_predictions(cell)
        assert rendered(run, {cell.id: predictions}, []) == rendered(run, [predictions], [])

    def test_predictions_of_an_unknown_cell_are_refused(self):
        stray = make_predictions(make_cell(template="other"))
        with pytest.raises(StoreError, match=r"cell 'digits/tiny/other'.*not of the same run"):
            rendered(make_run([make_cell()]), [stray], [])

    def test_class_index_out_of_range_is_refused(self):
        cell = make_cell()
        predictions = make_predictions(cell)
        wrong = replace(predictions, predicted=predictions.predicted + 2)
        with pytest.raises(StoreError, match=r"class index 2 to 4.*classes 0 to 2"):
            rendered(make_run([cell]), [wrong], [])


class TestAlarms:
    """What casts doubt on the numbers is said before them."""

    def test_missing_cells_of_a_partial_run_are_named(self):
        cell = make_cell()
        run = make_run([cell], status="partial", planned_cells=(cell.id, "digits/tiny/bare"))
        alarm = page_of(run).one("div", class_="alarm")
        assert alarm.words == "Partial run. 1 of 2 cells is missing. digits/tiny/bare"

    def test_a_run_that_ended_after_its_cells_says_what_is_missing(self):
        cell = make_cell()
        run = make_run([cell], status="partial", planned_cells=(cell.id,))
        assert page_of(run).one("div", class_="alarm").words == (
            "Partial run. It ended before cells were compared, and models timed."
        )

    def test_errors_show_their_message(self):
        run = make_run([], planned_cells=("a/b/c",), verdict="error", errors=(CellError(id="a/b/c", message="boom <b>"),))  # fmt: skip
        alarm = page_of(run).one("div", class_="alarm")
        assert alarm.words == "Errors. 1 cell could not be evaluated. a/b/cboom <b>"

    def test_random_weights_are_loud(self):
        cell = make_cell(model=make_model(id="ViT-B-32/random", random_weights=True))
        page = page_of(make_run([cell]))
        alarms = [one.words for one in page.elements if one.matches("class", "alarm")]
        # once for the run, once in the cell and once beside the model
        assert len(alarms) == 3
        assert all(one.startswith("Random weights: accuracy here means nothing.") for one in alarms)

    def test_what_was_noticed_about_a_data_set_stands_with_its_account_and_not_in_each_cell(self):
        of_data, of_cell = Notice("few-images", "one class has 2"), Notice("article", "a apple")
        dataset = make_dataset(notices=(of_data,))
        cells = [
            make_cell(dataset=dataset, template=one, notices=(of_data, of_cell)) for one in "ab"
        ]
        page = page_of(make_run(cells))
        said = [one.words for one in page.inside(page.one("section", id="data"), "li")]
        assert said == ["few-images one class has 2"]
        assert [one.words for one in page.inside(page.one("section", id="cells"), "ul", class_="notices")] == [
            "article a apple", "article a apple",
        ]  # fmt: skip

    def test_failures_are_counted_and_listed_up_to_fifty(self):
        failures = tuple(ImageFailure(f"s{i}", f"{i}.jpg", "truncated") for i in range(53))
        dataset = make_dataset(n_expected=63, n_failed=53, failures=failures)
        page = page_of(make_run([make_cell(dataset=dataset)]))
        assert len(table_rows(page, table_named(page, "Failures of digits"))) == 51
        assert "and 3 more in run.json." in [one.words for one in page.all("p", class_="note")]
        assert any("63 expected = 10 scored + 53 failed" in one.words for one in page.all("h3"))

    def test_healthy_run_has_no_alarm(self, quickstart):
        assert not [one for one in page_of(quickstart).elements if one.matches("class", "alarm")]


class TestSections:
    """Sections with nothing to say are absent."""

    def test_run_without_gates_and_notices_has_neither_section(self):
        page = page_of(make_run([make_cell()]))
        anchors = [one.attributes["id"] for one in page.all("section") if "id" in one.attributes]
        assert anchors == ["templates", "cells", "models", "data", "environment"]
        links = [one.attributes["href"] for one in page.inside(page.one("nav"), "a")]
        assert links == [f"#{anchor}" for anchor in anchors]

    def test_run_without_cells_still_renders(self):
        run = make_run([], status="partial", verdict="error", planned_cells=("a/b/c",))
        page = page_of(run)
        anchors = [one.attributes["id"] for one in page.all("section") if "id" in one.attributes]
        assert anchors == ["environment"]

    def test_run_notices_have_a_section(self):
        page = page_of(make_run([make_cell()], notices=(Notice("cpu-only", "no GPU"),)))
        assert page.one("section", id="notices").words == "Notices cpu-only no GPU"

    def test_each_model_and_data_set_is_described_once(self, quickstart):
        page = page_of(quickstart)
        assert len(page.inside(page.one("section", id="models"), "article")) == 1
        assert len(page.inside(page.one("section", id="data"), "article")) == 2

    def test_every_link_leads_somewhere(self, quickstart):
        page = page_of(quickstart)
        ids = [one.attributes["id"] for one in page.elements if "id" in one.attributes]
        assert len(ids) == len(set(ids))
        links = {one.attributes["href"] for one in page.all("a")}
        assert {one for one in links if "=" not in one} <= {f"#{one}" for one in ids}
        pair = "#class=two&predicted=one&template=photo&model=tiny&dataset=digits&at=cell-1-images"
        assert pair in links
        assert "cell-1-images" in ids

    def test_command_is_quoted_and_without_the_folder_of_the_program(self, quickstart):
        assert page_of(quickstart).one("pre").words == "clipeval run 'my suite.yaml' --limit 10"

    def test_unknown_facts_are_left_out(self):
        run = make_run([make_cell()], environment=make_environment(git_commit=None, argv=()))
        html = render(run)
        assert "Git commit" not in html
        assert "Run it again" not in html


class TestAccessibility:
    """Labelled, and reachable by keyboard."""

    def test_every_table_has_a_caption_and_scoped_headers(self, quickstart):
        page = page_of(quickstart)
        for table in page.all("table"):
            assert page.inside(table, "caption")
            assert all(one.attributes.get("scope") for one in page.inside(table, "th"))

    def test_every_scroll_frame_is_a_labelled_tab_stop(self, quickstart):
        frames = [one for one in page_of(quickstart).elements if one.matches("class", "scroll")]
        assert frames
        for one in frames:
            assert one.attributes["tabindex"] == "0"
            assert one.attributes["role"] == "region"
            assert one.attributes["aria-label"]

    def test_every_image_has_a_text(self):
        cell = make_cell()
        page = page_of(make_run([cell]), thumbnails=make_thumbnails(cell))
        texts = {one.attributes["alt"] for one in page.all("img")}
        # "" beside the name of the class that it is of
        assert texts == {"two, taken for one", "one, taken for zero", ""}


class TestSafety:
    """Names are hostile; nothing runs but the package's own script."""

    @staticmethod
    def hostile_run():
        dataset = make_dataset(
            HOSTILE[0], HOSTILE, n_failed=1,
            failures=(ImageFailure(HOSTILE[1], HOSTILE[2], HOSTILE[0]),),
        )  # fmt: skip
        n = len(HOSTILE)
        confusion = tuple(tuple(1 + 4 * (i == j) for j in range(n)) for i in range(n))
        model = make_model(id=HOSTILE[1], spec=HOSTILE[2], pretrained=HOSTILE[4], preprocessing={HOSTILE[0]: HOSTILE[1]})  # fmt: skip
        gates = tuple(make_gate(metric=one, message=one, state="fail") for one in HOSTILE)
        notices = tuple(Notice(one, one) for one in HOSTILE)
        cells = [
            make_cell(dataset=dataset, template=one, confusion=confusion, model=model, gates=gates, notices=notices)
            for one in HOSTILE
        ]  # fmt: skip
        cells = [replace(cell, device=HOSTILE[0], timings={HOSTILE[1]: 1.0}) for cell in cells]
        similarity = replace(cells[0].similarity, sample_ids=HOSTILE[:3])
        cells = [replace(cell, similarity=similarity) for cell in cells]
        environment = make_environment(platform=HOSTILE[0], packages={HOSTILE[1]: HOSTILE[2]}, argv=HOSTILE)  # fmt: skip
        return make_run(
            cells, suite=HOSTILE[0], created=HOSTILE[1], environment=environment, notices=notices,
            errors=tuple(CellError(id=one, message=one) for one in HOSTILE), planned_cells=HOSTILE,
            reference_templates={HOSTILE[0]: HOSTILE[0]},
        )  # fmt: skip

    def test_hostile_strings_add_no_element_and_no_attribute(self):
        page = page_of(self.hostile_run())
        assert {one.tag for one in page.elements} <= {
            "html", "head", "meta", "title", "style", "body", "header", "nav", "main", "footer", "section", "article",
            "div", "p", "h1", "h2", "h3", "h4", "ul", "ol", "li", "a", "dl", "dt", "dd", "table", "caption", "thead",
            "tbody", "tr", "th", "td", "svg", "line", "rect", "span", "b", "small", "strong", "code", "pre", "bdi",
            "time", "details", "summary", "figure", "figcaption", "br", "script", "form", "label", "input", "select",
            "option", "datalist", "button", "output", "g", "path", "text",
        }  # fmt: skip
        attributes = {key for one in page.elements for key in one.attributes}
        assert not [key for key in attributes if key.startswith("on") or key in {"style", "srcdoc"}]
        assert len(page.all("script")) == len(page.all("style")) == 1

    def test_hostile_class_name_is_shown_as_text(self):
        page = page_of(self.hostile_run())
        names = {one.words for one in page.all("th", scope="row")}
        assert {HOSTILE[0], HOSTILE[1], HOSTILE[4], HOSTILE[5]} <= names

    def test_page_encodes_and_holds_no_control_character(self):
        html = render(self.hostile_run())
        html.encode("utf-8")
        assert not re.search("[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u202e]", html)

    def test_nothing_is_loaded_from_anywhere(self, quickstart):
        page = page_of(quickstart, thumbnails=make_thumbnails(quickstart.cells[0]))
        for one in page.elements:
            for key in ("src", "href", "srcset", "poster", "action", "data"):
                target = one.attributes.get(key, "#")
                assert target.startswith(("#", "data:image/webp;base64,"))
        own = page.one("style").words + page.one("script").words
        assert not re.search(r"https?:|@import|url\(|fetch|XMLHttp|import\(", own)

    def test_policy_allows_exactly_the_inline_style_and_script(self, quickstart):
        html = render(quickstart)
        page = Page(html)
        policy = next(
            one.attributes["content"]
            for one in page.all("meta")
            if one.attributes.get("http-equiv") == "Content-Security-Policy"
        )
        hashes = {}
        for tag in ("style", "script"):
            body = re.search(f"<{tag}>(.*?)</{tag}>", html, re.DOTALL).group(1)
            digest = base64.b64encode(hashlib.sha256(body.encode()).digest()).decode()
            hashes[tag] = f"'sha256-{digest}'"
        assert policy.split("; ") == [
            "default-src 'none'",
            f"style-src {hashes['style']}",
            f"script-src {hashes['script']}",
            "img-src data:",
            "base-uri 'none'",
            "form-action 'none'",
        ]

    def test_style_and_script_do_not_depend_on_the_run(self, quickstart):
        bodies = [
            re.findall(r"<(?:style|script)>.*?</(?:style|script)>", html, re.DOTALL)
            for html in (render(quickstart), render(self.hostile_run()))
        ]
        assert bodies[0] == bodies[1]


class TestDeterminism:
    """The same run gives the same bytes."""

    def test_rendering_twice_is_identical(self, quickstart):
        thumbnails = make_thumbnails(quickstart.cells[0])
        assert render(quickstart, thumbnails=thumbnails) == render(
            quickstart, thumbnails=thumbnails
        )

    def test_order_of_thumbnails_does_not_matter(self, quickstart):
        thumbnails = make_thumbnails(quickstart.cells[0])
        assert render(quickstart, thumbnails=thumbnails) == render(quickstart, thumbnails=thumbnails[::-1])  # fmt: skip


def test_importing_the_report_does_not_import_torch():
    code = "import sys, clipeval.report; sys.exit(any(m in sys.modules for m in ('torch', 'open_clip')))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
