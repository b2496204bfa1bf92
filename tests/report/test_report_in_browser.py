"""The report as Chromium shows it: sorted, searched, linked to, dark, narrow, printed, and hostile."""

import pytest
from axe_playwright_python.sync_playwright import Axe

from tests.report import test_report_comparisons
from tests.report.conftest import (
    HOSTILE,
    make_cell,
    make_comparison,
    make_dataset,
    make_flip,
    make_model,
    make_run,
    make_thumbnails,
    render,
    rendered,
)
from tests.report.test_report_latency import latency_run, make_benchmark, make_gate

NARROW = {"viewport": {"width": 360, "height": 740}}


@pytest.fixture
def report(quickstart):
    return render(quickstart, thumbnails=make_thumbnails(quickstart.cells[0]))


def columns(page, caption, column):
    """Texts of one column of the table with a caption."""
    return page.evaluate(
        """([caption, column]) => {
            const table = [...document.querySelectorAll("caption")]
                .find((one) => one.textContent.startsWith(caption)).closest("table");
            return [...table.tBodies[0].rows].map((row) => row.cells[column].textContent.trim());
        }""",
        [caption, column],
    )


def test_it_opens_without_a_word(opened, report):
    page = opened(report)
    assert page.title().startswith("FAIL ")
    assert page.locator("h1").inner_text()


def test_a_click_on_a_heading_sorts_and_another_turns_it_round(opened, report):
    page = opened(report)
    head = page.locator("table.gates th button", has_text="Cell")
    head.click()
    ascending = columns(page, "Gates", 1)
    assert ascending == sorted(ascending)
    head.click()
    assert columns(page, "Gates", 1) == ascending[::-1]
    assert page.locator("table.gates th[aria-sort=descending]").count() == 1


def values(page, table, column):
    """What a column of numbers holds, row by row; None where there is none."""
    return [
        float(one) if one else None
        for one in page.locator(f"{table} tbody tr > :nth-child({column + 1})").evaluate_all(
            "(all) => all.map((one) => one.dataset.value)"
        )
    ]


def test_numbers_are_sorted_as_numbers_largest_first_and_what_is_missing_comes_last(opened):
    dataset = make_dataset(class_names=[f"c{i}" for i in range(12)], n_images=77)
    # recalls of 100, 9.1, 20, 0% ...: as text, 9 would come after 20; the last class has no image
    rights = (1, 1, 1, 0, 2, 3, 1, 5, 1, 2, 1, 0)
    totals = (1, 11, 5, 4, 9, 7, 2, 25, 3, 4, 6, 0)
    confusion = [[0] * 12 for _ in range(12)]
    for i, (right, total) in enumerate(zip(rights, totals, strict=True)):
        confusion[i][i] = right
        confusion[i][(i + 1) % 12] += total - right
    page = opened(
        render(make_run([make_cell(dataset=dataset, confusion=tuple(map(tuple, confusion)))]))
    )
    table = "table.classes"
    head = page.locator(f"{table} th button", has_text="Recall")
    head.click()
    found = values(page, table, 2)
    assert found[-1] is None
    assert found[:-1] == sorted((one for one in found if one is not None), reverse=True)
    assert len(set(found)) > 6
    head.click()
    again = values(page, table, 2)
    assert again[-1] is None
    assert again[:-1] == found[:-1][::-1]
    page.locator(f"{table} th button", has_text="n").first.click()
    assert values(page, table, 1) == sorted(map(float, totals), reverse=True)


def test_rows_of_a_comparison_stay_together_and_a_link_opens_it(opened):
    cells = [make_cell(template=one) for one in "abc"]
    comparisons = [
        make_comparison(
            kind="template", base=cells[0].id, candidate=cell.id, n_newly_wrong=n, message=f"about {cell.template.id}"
        )
        for cell, n in zip(cells[1:], (9, 12), strict=True)
    ]  # fmt: skip
    run = make_run(cells, comparisons=tuple(comparisons))
    page = opened(render(run))
    table = "table.comparisons"
    page.locator(f"{table} > thead th button", has_text="Newly wrong").click()
    bodies = page.locator(f"{table} > tbody")
    shown = [one.locator("summary").inner_text() for one in bodies.all()]
    assert shown == ["about c", "about b"]
    assert [one.locator(":scope > tr").count() for one in bodies.all()] == [2, 2]
    linked = opened(render(run), fragment="#comparison-2")
    assert linked.locator("#comparison-2 details").get_attribute("open") is not None
    assert linked.locator("#comparison-1 details").get_attribute("open") is None


def test_rows_of_a_group_stay_below_its_title(opened):
    models = [make_model(id=one) for one in ("b-model", "a-model")]
    cells = [make_cell(model=model, template=one) for model in models for one in ("x", "y")]
    page = opened(render(make_run(cells)))
    table = page.locator("section#templates table").first
    table.locator("th button", has_text="Template").click()
    table.locator("th button", has_text="Template").click()
    for body in table.locator("tbody").all():
        assert "group" in (body.locator("tr").first.get_attribute("class") or "")
        assert body.locator("tr:not(.group) > th").all_inner_texts() == ["y", "x"]


def test_the_skip_link_keeps_what_is_shown(opened, report):
    page = opened(report, fragment="#class=one")
    page.locator("a.skip").focus()
    page.keyboard.press("Enter")
    assert page.get_by_label("Class", exact=True).input_value() == "one"
    assert page.evaluate("document.activeElement.id") == "main"


def test_what_a_link_goes_to_is_not_below_the_bars_at_the_top(opened):
    """However many lines the bar of choices takes: long names make it wrap."""
    models = [
        make_model(id=f"a model with a very long name number {i} " + "x" * 40) for i in range(2)
    ]
    cells = [
        make_cell(model=model, template=f"template {one} " + "y" * 30)
        for model in models
        for one in "ab"
    ]
    page = opened(render(make_run(cells)), viewport={"width": 1000, "height": 700})
    for anchor in ("templates", "cells", "environment"):
        page.locator(f"nav a[href='#{anchor}']").click()
        heading = page.locator(f"#{anchor} h2").bounding_box()
        bar = page.locator("#filter").bounding_box()
        at_end = page.evaluate("innerHeight + scrollY >= document.body.scrollHeight - 2")
        assert at_end or heading["y"] >= bar["y"] + bar["height"]


def test_axe_finds_nothing_on_a_partial_run_with_many_cells_missing(opened):
    cell = make_cell()
    planned = (cell.id, *(f"digits/tiny/t{i}" for i in range(60)))
    html = render(make_run([cell], status="partial", planned_cells=planned))
    found = Axe().run(opened(html, **NARROW))
    assert [one["id"] for one in found.response["violations"]] == []


def test_headings_are_reached_and_used_by_the_keyboard(opened, report):
    page = opened(report)
    button = page.locator("table.gates th button", has_text="Cell")
    button.focus()
    page.keyboard.press("Enter")
    assert page.locator("table.gates th[aria-sort=ascending]").count() == 1


def test_a_link_to_a_closed_section_opens_it(opened, report):
    page = opened(report)
    closed = page.locator("details.cell:not([open])").first.get_attribute("id")
    linked = opened(report, fragment=f"#{closed}")
    assert linked.locator(f"#{closed}").get_attribute("open") is not None


def test_dark_where_the_reader_wants_it_dark(opened, report):
    colours = [
        opened(report, color_scheme=scheme).evaluate(
            "getComputedStyle(document.body).backgroundColor"
        )
        for scheme in ("light", "dark")
    ]
    light, dark = (sum(map(int, one[4:-1].split(", "))) for one in colours)
    assert light > 700
    assert dark < 150


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_charts_follow_the_colours_of_the_page(opened, scheme):
    html = rendered(latency_run(make_gate()), (), (), make_benchmark())
    page = opened(html, color_scheme=scheme)
    ink, drawn = page.evaluate(
        """() => {
            const probe = document.createElement("i");
            document.body.append(probe);
            probe.style.setProperty("color", "var(--ink)");
            const text = [...document.querySelectorAll("svg.chart text")]
                .find((one) => one.getAttribute("fill") === "var(--ink)");
            return [getComputedStyle(probe).color, getComputedStyle(text).fill];
        }"""
    )
    assert ink == drawn


def test_nothing_sticks_out_on_a_telephone(opened, report):
    for html in (report, rendered(latency_run(make_gate()), (), (), make_benchmark())):
        page = opened(html, **NARROW)
        page.evaluate("document.querySelectorAll('details').forEach((one) => { one.open = true; })")
        assert page.evaluate("document.documentElement.scrollWidth") <= 360


def test_it_prints_within_the_paper_and_with_its_colours(opened, report):
    names = [f"a class of dishes {i}" for i in range(45)]
    eye = tuple(tuple(5 * (i == j) + (j == i + 1) for j in range(45)) for i in range(45))
    many = make_cell(dataset=make_dataset(class_names=names), confusion=eye)
    for html in (report, render(make_run([many]))):
        page = opened(html, viewport={"width": 1032, "height": 700})  # A4 across, less its margins
        assert page.pdf(prefer_css_page_size=True).startswith(b"%PDF")
        page.emulate_media(media="print")
        assert page.evaluate("document.documentElement.scrollWidth") <= 1032
        assert (
            page.locator("p.verdict").evaluate("(one) => getComputedStyle(one).printColorAdjust")
            == "exact"
        )
        assert page.locator("nav").is_hidden()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing(opened, report, scheme):
    for html in (report, rendered(latency_run(make_gate()), (), (), make_benchmark())):
        page = opened(html, color_scheme=scheme)
        page.evaluate("document.querySelectorAll('details').forEach((one) => { one.open = true; })")
        found = Axe().run(page)
        assert [
            (one["id"], one["nodes"][0]["html"][:200]) for one in found.response["violations"]
        ] == []


@pytest.mark.parametrize("hostile", HOSTILE)
def test_hostile_names_run_nothing(opened, hostile):
    """Whatever ran would alert, ask for something or complain, which `opened` does not bear."""
    page = opened(render(test_report_comparisons.TestSafety.hostile_run(hostile)))
    assert page.evaluate("document.querySelectorAll('script').length") == 1
    gate = make_gate(message=hostile, model=hostile)
    latency = latency_run(gate, problems=(hostile,), verdict="error")
    opened(rendered(latency, (), (), make_benchmark(hostile)))


def test_the_command_of_the_run_can_be_copied(opened, report):
    page = opened(report, permissions=["clipboard-read", "clipboard-write"])
    button = page.locator("pre.command + button")
    assert button.inner_text() == "Copy"
    button.focus()
    page.keyboard.press("Enter")
    page.wait_for_function("document.querySelector('pre.command + button').textContent !== 'Copy'")
    assert button.inner_text() == "Copied"
    copied = page.evaluate("navigator.clipboard.readText()")
    assert copied == page.locator("pre.command").inner_text()


def test_where_copying_is_not_allowed_it_says_so(opened, report):
    page = opened(report)
    page.evaluate(
        "() => { navigator.clipboard.writeText = () => Promise.reject(new Error('no')); }"
    )
    button = page.locator("pre.command + button")
    button.click()
    page.wait_for_function("document.querySelector('pre.command + button').textContent !== 'Copy'")
    assert button.inner_text() == "Not allowed: select it"


class TestFilter:
    def shown(self, page, selector):
        return page.locator(f"{selector}:visible").count()

    def test_a_class_leaves_its_rows_and_the_images_it_is_the_truth_or_the_prediction_of(
        self, opened, report
    ):
        page = opened(report)
        page.evaluate(
            "document.querySelectorAll('details.cell').forEach((one) => { one.open = true; })"
        )
        n_all = self.shown(page, "figure[data-class]")
        page.get_by_label("Class", exact=True).fill("one")
        names = page.locator("figure[data-class]:visible").evaluate_all(
            "(all) => all.map((one) => [one.dataset.class, one.dataset.predicted])"
        )
        assert 0 < len(names) < n_all
        assert all("one" in pair for pair in names)
        rows = page.locator("table.classes tr[data-class]:visible").evaluate_all(
            "(all) => [...new Set(all.map((one) => one.dataset.class))]"
        )
        assert rows == ["one"]
        page.get_by_role("button", name="Show all").click()
        assert self.shown(page, "figure[data-class]") == n_all

    def test_part_of_a_name_is_looked_for_in_all_names(self, opened, report):
        page = opened(report)
        page.get_by_label("Class", exact=True).fill("R")
        rows = page.locator("table.classes tr[data-class]:not([hidden])").evaluate_all(
            "(all) => [...new Set(all.map((one) => one.dataset.class))]"
        )
        assert sorted(rows) == ["green", "red", "zero"]

    def test_a_link_says_what_is_shown_and_survives_a_reload(self, opened, report):
        page = opened(report)
        page.get_by_label("Template", exact=True).select_option("bare")
        page.get_by_label("Class", exact=True).fill("red")
        assert page.evaluate("location.hash") == "#class=red&template=bare"
        for _ in range(2):
            assert page.get_by_label("Template", exact=True).input_value() == "bare"
            assert page.get_by_label("Class", exact=True).input_value() == "red"
            assert self.shown(page, "details.cell") == 2
            assert page.locator("details.cell[open]:visible").count() == 2
            assert page.locator("#filter output").inner_text().startswith("2 of 5 cells, 1 class")
            page.reload()

    def test_such_a_link_from_elsewhere(self, opened, report):
        page = opened(report, fragment="#template=number")
        assert self.shown(page, "details.cell") == 1
        page.evaluate("location.hash = '#dataset=ink'")
        page.wait_for_function(
            "document.querySelectorAll('details.cell:not([hidden])').length === 2"
        )

    def test_a_name_that_nothing_has(self, opened, report):
        page = opened(report)
        page.get_by_label("Class", exact=True).fill("nothing")
        assert self.shown(page, "figure[data-class]") == 0
        content = page.locator(".gallery").first.evaluate(
            "(one) => getComputedStyle(one, '::after').content"
        )
        assert content == '"None of the images shown here."'
        said = page.locator("#filter output").inner_text()
        assert said.startswith(
            "There is no class “nothing” here. 5 of 5 cells, 0 classes, 0 images"
        )

    def test_without_scripts_there_is_no_filter_and_all_is_there(self, opened, report):
        page = opened(report, java_script_enabled=False)
        assert page.locator("#filter").is_hidden()
        assert page.locator("details.cell").count() == 5

    def test_a_pair_opens_the_images_of_that_mistake_of_that_cell(self, opened, report):
        page = opened(report)
        page.locator("table[data-sortable] td.name a").first.click()
        assert page.get_by_label("Class", exact=True).input_value() == "one"
        assert page.get_by_label("Taken for", exact=True).input_value() == "zero"
        assert page.get_by_label("Template", exact=True).input_value() == "photo"
        assert self.shown(page, "details.cell") == 1
        pairs = page.locator("figure[data-predicted]:visible").evaluate_all(
            "(all) => all.map((one) => [one.dataset.class, one.dataset.predicted].join())"
        )
        assert pairs == ["one,zero"]
        assert page.locator("#cell-1-images").evaluate(
            "(one) => one.getBoundingClientRect().top < innerHeight"
        )
        page.reload()
        assert page.get_by_label("Class", exact=True).input_value() == "one"

    def test_back_and_forward_undo_and_redo(self, opened, report):
        page = opened(report)
        n_all = self.shown(page, "details.cell")
        page.locator("table[data-sortable] td.name a").first.click()
        assert self.shown(page, "details.cell") == 1
        page.go_back()
        assert self.shown(page, "details.cell") == n_all
        assert page.get_by_label("Class", exact=True).input_value() == ""
        page.go_forward()
        assert self.shown(page, "details.cell") == 1

    def test_going_to_a_section_keeps_what_is_shown(self, opened, report):
        page = opened(report)
        page.get_by_label("Template", exact=True).select_option("bare")
        page.locator("nav a", has_text="Gates").click()
        assert page.evaluate("location.hash") == "#template=bare&at=gates"
        page.reload()
        assert page.get_by_label("Template", exact=True).input_value() == "bare"
        assert page.locator("#gates").evaluate(
            "(one) => one.getBoundingClientRect().top < innerHeight / 2"
        )

    def test_a_link_to_a_cell_that_is_hidden_shows_all_again(self, opened, report):
        page = opened(report, fragment="#template=bare")
        assert page.locator("#cell-1").is_hidden()
        page.locator("table.templates a[href='#cell-1']").click()
        assert page.locator("#cell-1").is_visible()
        assert page.evaluate("location.hash") == "#cell-1"
        page.locator("#cell-1 summary").first.click()  # closed; the same link opens it again
        page.locator("table.templates a[href='#cell-1']").click()
        assert page.locator("#cell-1").get_attribute("open") is not None

    def test_what_a_link_names_and_the_report_lacks_is_said(self, opened, report):
        page = opened(report, fragment="#template=nosuch&class=one")
        said = page.locator("#filter output").inner_text()
        assert said.startswith(
            "There is no template \u201cnosuch\u201d here. 5 of 5 cells, 1 class, "
        )

    def test_a_shared_link_shows_the_cell_that_it_is_about(self, opened, report):
        page = opened(report, fragment="#template=bare&dataset=ink")
        shown = page.locator("details.cell:visible")
        assert shown.count() == 1
        assert shown.evaluate("(one) => one.getBoundingClientRect().top < innerHeight / 2")

    @pytest.mark.parametrize(
        "name",
        [
            "a & b=c",
            "100% #1 +",
            "new\nline",
            "\u5bff\u53f8 \N{SUSHI}",
            'it\'s "so"',
            "\u05d0\u05d1",
            "a/b",
        ],
    )
    def test_any_name_can_be_linked_to(self, opened, name):
        dataset = make_dataset(class_names=(name, "other", "third"))
        page = opened(render(make_run([make_cell(dataset=dataset)])))
        page.locator("table[data-sortable] td.name a").first.click()
        for _ in range(2):
            assert self.shown(page, "figure[data-class]") == 1
            page.reload()

    def test_taken_for_alone_leaves_what_was_taken_for_it(self, opened, report):
        page = opened(report)
        page.get_by_label("Taken for", exact=True).fill("one")
        predicted = page.locator("[data-predicted]:not([hidden])").evaluate_all(
            "(all) => all.map((one) => one.dataset.predicted)"
        )
        assert predicted
        assert set(predicted) == {"one"}

    def test_images_are_chosen_by_what_they_were_chosen_for(self, opened):
        cell = make_cell()
        flips = {"newly_wrong": (make_flip("s0004"),), "newly_right": (make_flip("s0000"),)}
        html = render(
            make_run([cell], comparisons=(make_comparison(**flips),)),
            thumbnails=make_thumbnails(cell),
        )
        page = opened(html)
        chosen = page.get_by_label("Images", exact=True)
        assert chosen.locator("option").all_inner_texts() == [
            "all", "misclassified", "newly wrong", "newly right",
        ]  # fmt: skip
        chosen.select_option("newly right")
        assert page.evaluate("location.hash") == "#images=newly+right"
        assert page.locator("[data-images]:visible h4").all_inner_texts() == [
            "Newly right Showing 1 of 20, against the baseline."
        ]
        assert page.locator("#filter output").inner_text() == "1 of 1 cell, 1 image shown"
