"""The page about two runs: what became of each cell, image by image, and how the confusion changed."""

from dataclasses import replace

import numpy as np
import pytest
from axe_playwright_python.sync_playwright import Axe

from clipeval.errors import StoreError
from clipeval.records import ConfusionChange, Notice, Predictions, Thumbnail
from clipeval.records.run_comparisons import RunComparison, RunImages, RunSide
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
        margin=0.01, verdict="fail", comparisons=(comparison,),
        gates=(make_gate(state="fail"),),
        only_in_base=("digits/tiny/gone",), only_in_candidate=("digits/tiny/new",),
        environment_changes=("torch 2.9 -> 2.10",),
    )  # fmt: skip
    return replace(found, **changes)


CLASSES = ("eight", "three", "nine")
CELL = "digits/tiny/photo"
NOTHING = RunImages(class_names={}, predictions={}, thumbnails=())
MINUS = "\N{MINUS SIGN}"


def make_images(
    predicted, confidence, *, shade=10, cell=CELL, names=CLASSES, pictured=("s0001", "s0900")
):
    """What a run says of two images of an eight, s0001 and s0900."""
    return RunImages(
        class_names={cell: names},
        predictions={
            cell: Predictions(
                cell=cell, sample_ids=("s0001", "s0900"), paths=("a.png", "b.png"), groups=(None, None),
                contents=("00000000", "00000001"), labels=np.array([0, 0]), predicted=np.array(predicted),
                confidence=np.array(confidence, np.float32),
                top5=np.array([[one, (one + 1) % 3, (one + 2) % 3] for one in predicted]),
                top5_scores=np.array([[20.0, 19.0, 18.0]] * 2, np.float32),
            )
        },
        thumbnails=tuple(Thumbnail(dataset="digits", sample_id=one, webp=webp(shade)) for one in pictured),
    )  # fmt: skip


BASE = make_images([0, 2], [0.75, 0.5])
CANDIDATE = make_images([1, 0], [0.625, 0.875])


def rendered(found=None, base=BASE, candidate=CANDIDATE):
    return render_comparison(found or make_two_runs(), base, candidate)


def test_says_what_became_of_each_cell():
    page = Page(rendered())
    assert page.one("p", class_="verdict").words == (
        "✕FAILa drop of more than 1 point in 1 of 1 cell; 1 cell of the base gone"
    )
    (row,) = [row for row in table_rows(page, table_named(page, "With the base")) if "▼" in row[0]]
    assert row[0] == "▼ worse"
    assert row[2].startswith("-2.3 [-3.9, -0.8]".replace("-", "\N{MINUS SIGN}"))
    words = page.one("main").words
    for text in (
        "Only in the base: digits/tiny/gone",
        "Only in the candidate: digits/tiny/new",
        "torch 2.9 -> 2.10",
    ):
        assert text in words


@pytest.mark.parametrize(
    ("state", "reason"),
    [
        ("pass", "no drop of more than 1 point in 1 cell"),
        ("inconclusive", "a drop of more than 1 point not ruled out in 1 of 1 cell"),
    ],
)
def test_the_verdict_says_what_it_rests_on_and_each_cell_has_its_own(state, reason):
    gate = make_gate(state=state, message="top1 0.900 -> 0.877")
    page = Page(rendered(make_two_runs(verdict=state, gates=(gate,), only_in_base=())))
    assert page.one("p", class_="verdict").words.endswith(reason)
    ((mark, cell, message),) = table_rows(page, table_named(page, "Verdicts"))[1:]
    assert (mark.split()[1], cell, message) == (state, CELL, "top1 0.900 -> 0.877")


def test_confusion_is_candidate_less_base_and_better_or_worse():
    page = Page(rendered())
    table = table_named(page, "Change of confusion of digits/tiny/photo")
    assert table_rows(page, table)[1:] == [["one", "+3", f"{MINUS}3"], ["eight", "", f"{MINUS}8"]]
    classes = [one.attributes.get("class", "") for one in page.inside(table, "td")][1:]
    # more on the diagonal and fewer beside it are better
    assert [("right" in one) for one in classes] == [True, True, False, False]
    assert classes[3] == "h10"


class TestImagesThatChangedSides:
    def test_stand_beside_what_either_run_took_them_for(self):
        page = Page(rendered())
        wrong, right = page.all("figure", class_="flip")
        said = [" ".join(one.words.split()) for one in page.inside(wrong, "p", class_="said")]
        assert said == ["✓ eight 75.0%", "✕ three 62.5%"]
        assert [one.words for one in page.inside(wrong, "p", class_="run")] == ["base", "candidate"]
        assert [len(page.inside(one, "img")) for one in (wrong, right)] == [1, 1]
        said = [" ".join(one.words.split()) for one in page.inside(right, "p", class_="said")]
        assert said == ["✕ nine 50.0%", "✓ eight 87.5%"]

    def test_have_the_best_classes_of_either_run_with_probabilities(self):
        page = Page(rendered())
        (wrong, _) = page.all("figure", class_="flip")
        base, candidate = page.inside(wrong, "ol")
        guesses = [one.words for one in page.inside(base, "li")]
        # logits one apart: probabilities e times apart
        assert guesses == ["eight ✓ 75.0%", f"three {75 / np.e:.1f}%", f"nine {75 / np.e**2:.1f}%"]
        assert [one.words.split()[0] for one in page.inside(candidate, "li")] == [
            "three",
            "nine",
            "eight",
        ]

    def test_are_shown_twice_where_the_runs_have_different_pictures(self):
        page = Page(rendered(candidate=make_images([1, 0], [0.6, 0.8], shade=200)))
        (wrong, _) = page.all("figure", class_="flip")
        pictures = page.inside(wrong, "img")
        assert len({one.attributes["src"] for one in pictures}) == 2
        assert [one.attributes["alt"] for one in pictures] == [
            "eight, in the base", "eight, in the candidate",
        ]  # fmt: skip

    def test_of_a_baseline_file_have_its_class_and_no_more(self):
        page = Page(rendered(base=NOTHING))
        (wrong, _) = page.all("figure", class_="flip")
        said = [" ".join(one.words.split()) for one in page.inside(wrong, "p", class_="said")]
        assert said == ["✓ eight", "✕ three 62.5%"]
        assert len(page.inside(wrong, "ol")) == 1

    def test_of_which_there_is_a_picture_come_first_and_the_others_are_counted(self):
        flips = tuple(make_flip(f"s{i:04d}") for i in range(30))
        comparison = make_comparison(
            kind="run", newly_wrong=flips, newly_right=(), n_newly_wrong=30
        )
        shown = make_images([1, 0], [0.6, 0.8], pictured=("s0029",))
        page = Page(rendered(make_two_runs(comparisons=(comparison,)), NOTHING, shown))
        assert [one.attributes["data-sample"] for one in page.all("figure")][:2] == [
            "s0029",
            "s0000",
        ]
        assert len(page.all("figure")) == 24
        assert "Newly wrong Showing 24 of 30." in [one.words for one in page.all("h4")]

    def test_can_be_filtered_by_class_kind_and_cell_and_linked_to(self, opened):
        other = make_comparison(
            kind="run", candidate="digits/tiny/bare", newly_right=(), n_newly_right=0,
            newly_wrong=(make_flip("s0001", label="one", base="one", candidate="two"),),
        )  # fmt: skip
        two = make_two_runs(
            comparisons=(*make_two_runs().comparisons, other), gates=(make_gate(state="fail"),) * 2
        )
        page = opened(rendered(two))
        shown = "figure.flip:visible"
        assert page.locator(shown).count() == 2  # the second cell is closed
        page.locator("#filter [name=class]").fill("one")
        assert page.locator(shown).count() == 1
        assert page.evaluate("location.hash") == "#class=one"
        page.get_by_role("button", name="Show all").click()
        page.locator("#filter [name=images]").select_option("newly right")
        assert [one.get_attribute("data-sample") for one in page.locator(shown).all()] == ["s0900"]
        page.get_by_role("button", name="Show all").click()
        page.locator("#filter [name=cell]").select_option("digits/tiny/bare")
        assert page.locator("details.cell:visible").count() == 1
        assert page.locator("#filter output").inner_text() == "1 of 2 cells"

    def test_are_linked_to_from_the_row_of_their_cell(self, opened):
        page = opened(rendered())
        page.locator("table.comparisons th a").click()
        assert page.evaluate("location.hash") == "#cell-1"


def test_a_table_of_another_run_is_refused():
    with pytest.raises(StoreError, match="not of the same run"):
        rendered(base=make_images([0, 2], [0.7, 0.5], names=("eight",)))


def test_nothing_that_did_not_change_is_drawn():
    same = make_comparison(
        kind="run", confusion_change=None, newly_wrong=(), newly_right=(), conclusion="same"
    )
    page = Page(rendered(make_two_runs(comparisons=(same,), environment_changes=())))
    assert not page.all("section", id="images")
    assert not page.all("section", id="changes")
    assert not page.all("form")
    assert [one.words for one in page.inside(page.one("nav"), "a")] == ["Cells"]


@pytest.mark.parametrize("hostile", HOSTILE)
def test_hostile_names_add_no_element_and_run_nothing(opened, hostile):
    def html(text):
        flip = make_flip("s0001", path=f"{text}/x", label=text, base=text, candidate=text)
        matrix = ConfusionChange(class_names=(text, text), counts=((1, -1), (2, 0)), n_classes=9)
        one = make_comparison(
            kind="run", confusion_change=matrix, base=text, candidate=text, message=text, newly_wrong=(flip,), newly_right=(flip,),
            per_class=(make_class_difference(text),),
        )  # fmt: skip
        side = RunSide(source=text, suite=text, created=text)
        images = make_images([1, 0], [0.6, 0.8], cell=text, names=(text, f"{text}1", f"{text}2"))
        return rendered(
            make_two_runs(
                base=side, candidate=side, comparisons=(one,), only_in_base=(text,),
                only_in_candidate=(text,), environment_changes=(text,), notices=(Notice(text, text),),
            ),
            images,
            images,
        )  # fmt: skip

    page, plain = Page(html(hostile)), Page(html("plain"))
    assert [(one.tag, list(one.attributes)) for one in page.elements] == [
        (one.tag, list(one.attributes)) for one in plain.elements
    ]
    opened(html(hostile))


def test_axe_finds_nothing_and_nothing_sticks_out(opened):
    page = opened(rendered(), viewport={"width": 360, "height": 740})
    page.evaluate("document.querySelectorAll('details').forEach((one) => { one.open = true; })")
    assert page.evaluate("document.documentElement.scrollWidth") <= 360
    found = Axe().run(page)
    assert [
        (one["id"], one["nodes"][0]["html"][:200]) for one in found.response["violations"]
    ] == []
