"""Runs over time: gathered from folders, oldest first, what cannot be read said."""

from dataclasses import replace

import pytest
from axe_playwright_python.sync_playwright import Axe

from clipeval.api.past_runs import gather_history, write_history
from clipeval.errors import StoreError
from clipeval.records import LatencyOutcome
from clipeval.report import render_history
from clipeval.report.charts import accuracy_chart
from clipeval.store import dump_run, write_benchmark
from tests.report.conftest import (
    HOSTILE,
    Page,
    make_baseline,
    make_cell,
    make_comparison,
    make_dataset,
    make_run,
    table_named,
    table_rows,
)
from tests.report.test_report_latency import make_benchmark, make_gate


def write(folder, run, benchmark=None):
    folder.mkdir(parents=True)
    (folder / "run.json").write_text(dump_run(run), encoding="utf-8")
    (folder / "report.html").write_text("")
    if benchmark is not None:
        write_benchmark(benchmark, folder / "benchmark.json")


def day(number, **changes):
    return make_run([make_cell()], created=f"2026-03-{number:02d}T10:00:00+00:00", **changes)


@pytest.fixture
def nightly(tmp_path):
    """Three runs of one suite, the last one worse than the baseline and too slow, and one of another."""
    root = tmp_path / "nightly"
    write(root / "b", day(2), make_benchmark())
    write(root / "a", day(1), make_benchmark())
    worse = make_cell(confusion=((2, 2, 0), (1, 2, 0), (0, 1, 2)))
    slow = LatencyOutcome(gates=(make_gate(),))
    write(
        root / "deep" / "c",
        make_run(
            [worse], created="2026-03-03T10:00:00+00:00", verdict="fail", latency=slow,
            baseline=make_baseline(accepted="2026-03-02T12:00:00+00:00", is_gated=False),
            comparisons=(make_comparison(kind="baseline", candidate=worse.id, base=worse.id, conclusion="worse"),),
        ),
        make_benchmark(),
    )  # fmt: skip
    write(root / "other", replace(day(1), suite="other"))
    return root


class TestGathering:
    def test_runs_of_each_suite_oldest_first(self, nightly):
        history = gather_history(nightly)
        found = {one.suite: [run.folder for run in one.runs] for one in history.suites}
        own = day(1).suite
        assert found == {"other": ["other"], own: ["a", "b", "deep/c"]}
        assert history.notices == ()

    def test_regressions_of_accuracy_and_latency_are_marked(self, nightly):
        (_, suite) = sorted(gather_history(nightly).suites, key=lambda one: len(one.runs))
        assert [[cell.is_regression for cell in run.cells] for run in suite.runs] == [
            [False],
            [False],
            [True],
        ]
        slow = [
            (run.folder, one.stage)
            for run in suite.runs
            for one in run.timings
            if one.is_regression
        ]
        assert slow == [("deep/c", "encode_image")]
        assert suite.runs[2].accepted == "2026-03-02T12:00:00+00:00"

    def test_a_run_that_cannot_be_read_is_said_and_the_others_are_there(self, nightly):
        (nightly / "b" / "run.json").write_text("{")
        history = gather_history(nightly)
        assert len(history.notices) == 1
        assert str(nightly / "b") in history.notices[0].message
        assert max(len(one.runs) for one in history.suites) == 2

    def test_nothing_to_gather(self, tmp_path):
        with pytest.raises(StoreError, match="no such folder"):
            gather_history(tmp_path / "nowhere")
        with pytest.raises(StoreError, match="has no run of clipeval in it"):
            gather_history(tmp_path)


class TestPage:
    def test_newest_first_with_changes_since_the_run_before(self, nightly):
        page = Page(render_history(gather_history(nightly)))
        rows = table_rows(page, table_named(page, f"Runs of {day(1).suite}"))[1:]
        assert rows[0][0].startswith("2026-03-03 10:00 UTC deep/c")
        assert rows[0][1] == "✕ fail"
        assert rows[0][2].endswith("▼ regression")
        assert [row[4] for row in rows] == ["10", "10", "10"]
        assert [row[5] for row in rows] == ["\N{MINUS SIGN}20.0", "0.0", "\N{EN DASH}"]
        assert "held against the baseline of 2026-03-02 12:00 UTC" in rows[0][0]
        link = page.inside(table_named(page, f"Runs of {day(1).suite}"), "a")[0]
        assert link.attributes["href"] == "deep/c/report.html"

    def test_links_lead_to_the_reports_from_wherever_the_page_is(self, nightly, tmp_path):
        (nightly / "b" / "report.html").unlink()
        page_file = tmp_path / "pages" / "of all.html"
        page_file.parent.mkdir()
        write_history(gather_history(nightly), page_file, folder=nightly)
        links = [one.attributes["href"] for one in Page(page_file.read_text()).all("a")]
        reports = [one for one in links if one.endswith("report.html")]
        assert reports[1:] == ["../nightly/deep/c/report.html", "../nightly/a/report.html"]
        assert all((page_file.parent / one).is_file() for one in reports)

    def test_accuracies_on_other_images_are_not_compared(self, nightly):
        few = make_cell(dataset=make_dataset(samples_sha256="9" * 64))
        write(nightly / "few", make_run([few], created="2026-03-04T10:00:00+00:00"))
        history = gather_history(nightly)
        page = Page(render_history(history))
        rows = table_rows(page, table_named(page, f"Runs of {day(1).suite}"))[1:]
        assert (rows[0][0][:10], rows[0][5]) == ("2026-03-04", "\N{EN DASH}")
        assert rows[1][5] == "\N{MINUS SIGN}20.0"

    def test_timings_stand_in_a_table_with_what_was_beyond_a_limit(self, nightly):
        page = Page(render_history(gather_history(nightly)))
        rows = table_rows(page, table_named(page, f"Timings of {day(1).suite}"))[1:]
        (slow,) = [row for row in rows if row[0].startswith("encode_image")][:1]
        assert slow[0] == "encode_image ▼ beyond a limit in 1 run"
        assert slow[3] == "2026-03-03 10:00 UTC"
        assert slow[5] == "+0.0%"
        timed = {
            (one.stage, one.setting, one.fingerprint)
            for suite in gather_history(nightly).suites
            for run in suite.runs
            for one in run.timings
        }
        assert len(rows) == len(timed)

    def test_an_accepted_baseline_is_a_dashed_line(self, nightly):
        suite = max(gather_history(nightly).suites, key=lambda one: len(one.runs))
        assert "stroke-dasharray" in accuracy_chart(suite).svg
        runs = tuple(replace(run, accepted=None) for run in suite.runs)
        assert "stroke-dasharray" not in accuracy_chart(replace(suite, runs=runs)).svg

    @pytest.mark.parametrize("name", ["a/run.json", "a/report.html", "page"])
    def test_is_not_written_over_what_is_no_page_of_its_own(self, nightly, name):
        before = (nightly / "a" / "run.json").read_bytes()
        with pytest.raises(StoreError, match="--out"):
            write_history(gather_history(nightly), nightly / name, folder=nightly)
        assert (nightly / "a" / "run.json").read_bytes() == before

    def test_charts_of_suites_with_several_runs(self, nightly):
        page = Page(render_history(gather_history(nightly)))
        labels = [
            one.attributes["aria-label"].partition(".")[0]
            for one in page.all("svg", class_="chart")
        ]
        assert labels == ["Accuracy over time", "Latency over time"]
        texts = [one.words for one in page.all("text")]
        assert "▼" in texts

    def test_is_written_whole_and_is_the_same_again(self, nightly):
        history = gather_history(nightly)
        write_history(history, nightly / "history.html", folder=nightly)
        first = (nightly / "history.html").read_bytes()
        write_history(gather_history(nightly), nightly / "history.html", folder=nightly)
        assert (nightly / "history.html").read_bytes() == first

    @pytest.mark.parametrize("hostile", HOSTILE)
    def test_hostile_names_add_no_element_and_run_nothing(self, opened, tmp_path, hostile):
        def html(name, folder):
            run = make_run([make_cell(template=name)], created="2026-03-01T10:00:00+00:00")
            later = replace(run, created="2026-03-02T10:00:00+00:00")
            for number, one in enumerate((run, later)):
                write(tmp_path / folder / f"{number}", replace(one, suite=name))
            return render_history(gather_history(tmp_path / folder))

        drawn = {"line", "g", "path", "text"}
        shapes = [
            [one.tag for one in Page(html(name, folder)).elements if one.tag not in drawn]
            for name, folder in ((hostile.replace("\ud800", ""), "hostile"), ("plain", "plain"))
        ]
        assert shapes[0] == shapes[1]
        opened(render_history(gather_history(tmp_path / "hostile")))


def test_on_a_telephone_and_in_the_dark(opened, nightly):
    page = opened(
        render_history(gather_history(nightly)),
        viewport={"width": 360, "height": 740},
        color_scheme="dark",
    )
    assert page.evaluate("document.documentElement.scrollWidth") <= 360


def test_axe_finds_nothing(opened, nightly):
    found = Axe().run(opened(render_history(gather_history(nightly))))
    assert [
        (one["id"], one["nodes"][0]["html"][:200]) for one in found.response["violations"]
    ] == []
