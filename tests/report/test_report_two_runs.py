"""The page about two runs: what became of each cell, image by image, and how the confusion changed."""

from dataclasses import replace

import pytest
from axe_playwright_python.sync_playwright import Axe

from clipeval.records import ConfusionChange, Notice, Thumbnail
from clipeval.records.run_comparisons import RunComparison, RunSide
from clipeval.report import render_comparison
from tests.report.conftest import (
    HOSTILE,
    Page,
    make_class_difference,
    make_comparison,
    make_flip,
    make_gate,
    table_named,
    table_rows,
    webp,
)


def make_two_runs(**changes):
    change = ConfusionChange(class_names=("one", "eight"), counts=((3, -3), (0, -8)), n_classes=2)
    comparison = make_comparison(kind="run", confusion_change=change)
    found = RunComparison(
        base=RunSide(source="reports/before", suite="digits", created="2026-03-01T10:00:00+00:00"),
        candidate=RunSide(source="reports/after", suite="digits", created="2026-03-02T10:00:00+00:00"),
        margin=0.01, verdict="fail", comparisons=(comparison,), gates=(make_gate(),),
        only_in_base=("digits/tiny/gone",), only_in_candidate=("digits/tiny/new",),
        environment_changes=("torch 2.9 -> 2.10",),
    )  # fmt: skip
    return replace(found, **changes)


THUMBNAILS = [
    Thumbnail(dataset="digits", sample_id=one, webp=webp(shade))
    for one, shade in (("s0001", 10), ("s0900", 200))
]


def test_says_what_became_of_each_cell():
    page = Page(render_comparison(make_two_runs(), ()))
    assert page.one("p", class_="verdict").words == "✕FAILat most 1 point worse, 1 cell compared"
    (row,) = [
        row for row in table_rows(page, table_named(page, "With the base run")) if "▼" in row[0]
    ]
    assert row[0] == "▼ worse"
    assert row[2].startswith("-2.3 [-3.9, -0.8]".replace("-", "\N{MINUS SIGN}"))
    words = page.one("main").words
    for text in (
        "Only in the base: digits/tiny/gone",
        "Only in the candidate: digits/tiny/new",
        "torch 2.9 -> 2.10",
    ):
        assert text in words


def test_confusion_is_candidate_less_base_and_better_or_worse():
    page = Page(render_comparison(make_two_runs(), ()))
    table = table_named(page, "Change of confusion of digits/tiny/photo")
    minus = "\N{MINUS SIGN}"
    assert table_rows(page, table)[1:] == [["one", "+3", f"{minus}3"], ["eight", "", f"{minus}8"]]
    classes = [one.attributes.get("class", "") for one in page.inside(table, "td")][1:]
    # more on the diagonal and fewer beside it are better
    assert [("right" in one) for one in classes] == [True, True, False, False]
    assert classes[3] == "h10"


def test_images_of_both_runs_stand_beside_what_they_were_taken_for():
    page = Page(render_comparison(make_two_runs(), THUMBNAILS))
    flips = page.all("ul", class_="flips")
    assert [one.words.split(" s0")[0] for one in flips] == ["eight → three", "eight → nine"]
    assert len(page.all("img")) == 2


def test_nothing_that_did_not_change_is_drawn():
    same = make_comparison(kind="run", confusion_change=None)
    page = Page(render_comparison(make_two_runs(comparisons=(same,), environment_changes=()), ()))
    assert not page.all("section", aria_labelledby="matrices-title")
    assert not page.all("section", aria_labelledby="changes-title")


@pytest.mark.parametrize("hostile", HOSTILE)
def test_hostile_names_add_no_element_and_run_nothing(opened, hostile):
    def html(text):
        flip = make_flip(text, path=f"{text}/x", label=text, base=text, candidate=text)
        matrix = ConfusionChange(class_names=(text, text), counts=((1, -1), (2, 0)), n_classes=9)
        one = make_comparison(
            kind="run", confusion_change=matrix, base=text, candidate=text, message=text, newly_wrong=(flip,), newly_right=(flip,),
            per_class=(make_class_difference(text),),
        )  # fmt: skip
        side = RunSide(source=text, suite=text, created=text)
        return render_comparison(
            make_two_runs(
                base=side, candidate=side, comparisons=(one,), only_in_base=(text,),
                only_in_candidate=(text,), environment_changes=(text,), notices=(Notice(text, text),),
            ),
            THUMBNAILS,
        )  # fmt: skip

    page, plain = Page(html(hostile)), Page(html("plain"))
    assert [(one.tag, list(one.attributes)) for one in page.elements] == [
        (one.tag, list(one.attributes)) for one in plain.elements
    ]
    opened(html(hostile))


def test_axe_finds_nothing_and_nothing_sticks_out(opened):
    page = opened(
        render_comparison(make_two_runs(), THUMBNAILS), viewport={"width": 360, "height": 740}
    )
    page.evaluate("document.querySelectorAll('details').forEach((one) => { one.open = true; })")
    assert page.evaluate("document.documentElement.scrollWidth") <= 360
    found = Axe().run(page)
    assert [
        (one["id"], one["nodes"][0]["html"][:200]) for one in found.response["violations"]
    ] == []
