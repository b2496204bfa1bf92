"""Latency in the page, the summary and junit: what was measured, and nothing where nothing was."""

import math
import re
import xml.etree.ElementTree as ET
from dataclasses import replace

import pytest

from clipeval.records import LatencyGateResult, LatencyOutcome
from clipeval.records.latency import (
    BatchSweep,
    BenchmarkRecord,
    LatencySummary,
    ModelSize,
    PeakMemory,
    Roof,
    StageProfile,
    Tradeoff,
)
from clipeval.records.latency_gates import LatencyPoint, LatencySetting
from clipeval.report import format as fmt
from clipeval.report import render_junit, render_summary
from clipeval.report.charts import (
    batch_sweep_chart,
    distribution_chart,
    roofline_chart,
    tradeoff_chart,
)
from clipeval.report.charts.distribution import MAX_POINTS
from tests.report.conftest import (
    HOSTILE,
    Page,
    make_cell,
    make_environment,
    make_predictions,
    make_run,
    rendered,
    table_named,
    table_rows,
)

SUMMARY = LatencySummary(
    n=3, median_s=0.0412, low_s=0.0401, high_s=0.0423, q1_s=0.0405, q3_s=0.0421, p90_s=None, p95_s=0.05, p99_s=None
)  # fmt: skip


ROOF = Roof(device="cpu", precision="fp32", n_threads=2, flop_per_s=1.4e11, bytes_per_s=1.5e10)


def make_setting(model="tiny", **changes):
    setting = LatencySetting(
        model=model, device="cpu", precision="fp32", backend="torch", batch_size=8, n_threads=2
    )
    return replace(setting, **changes)


def make_profile(stage="encode_image", model="tiny", **changes):
    profile = StageProfile(
        stage=stage, setting=make_setting(model), samples_s=(0.040, 0.0412, 0.043), summary=SUMMARY,
        items_per_s=8 / 0.0412, flop_per_item=8.8e9, flop_share=0.61, flop_per_byte=200.0,
    )  # fmt: skip
    return replace(profile, **changes)


def make_gate(state="fail", model="tiny", **changes):
    gate = LatencyGateResult(
        model=model, point=LatencyPoint.of("encode_image", make_setting()), kind="max_ms", limit=30.0,
        value=41.2, low=40.1, high=42.3, state=state, message=f"{model} takes 41.2 ms; at most 30 ms",
    )  # fmt: skip
    return replace(gate, **changes)


def make_tradeoff(model="tiny", *, is_on_front=True, **changes):
    point = Tradeoff(
        dataset="digits", template="photo", stage="end_to_end", setting=make_setting(model), median_s=0.05,
        items_per_s=160.0, top1=0.9, top1_low=0.88, top1_high=0.92, is_on_front=is_on_front,
    )  # fmt: skip
    return replace(point, **changes)


def make_benchmark(model="tiny", **changes):
    sweep = BatchSweep(
        profiles=(make_profile(model=model), make_profile(model=model, setting=make_setting(model, batch_size=16))),
        knee=16, largest_that_fits=16, smallest_too_large=None,
    )  # fmt: skip
    benchmark = BenchmarkRecord(
        environment=make_environment(), fingerprint="f" * 64,
        profiles=(make_profile(model=model), make_profile("end_to_end", model, flop_per_byte=None)),
        sweeps=(sweep,), roofs=(ROOF,), models={model: ModelSize(n_parameters=4_000_000, flop_per_image=8.8e9, flop_per_prompt=6e9)},
        tradeoffs=(make_tradeoff(model), make_tradeoff(f"{model}-slow", is_on_front=False)),
    )  # fmt: skip
    return replace(benchmark, **changes)


def latency_run(*gates, problems=(), verdict="fail"):
    outcome = LatencyOutcome(gates=gates, problems=problems)
    return make_run([make_cell()], latency=outcome, verdict=verdict)


def page_of(run, benchmark):
    return Page(rendered(run, [make_predictions(cell) for cell in run.cells], (), benchmark))


class TestPage:
    def test_numbers_are_those_of_the_record(self):
        page = page_of(latency_run(make_gate()), make_benchmark())
        (limit,) = table_rows(page, table_named(page, "Limits on latency"))[1:]
        assert limit == [
            "✕ fail", "tiny", "encode_image", "cpu fp32 torch, batch 8, 2 threads", "at most 30 ms",
            "tiny takes 41.2 ms; at most 30 ms",
        ]  # fmt: skip
        first = table_rows(page, table_named(page, "Stage by stage"))[1]
        assert first == [
            "encode_image", "tiny", "cpu fp32 torch, 2 threads", "8", "41.2 ms [40.1 ms, 42.3 ms]", "1.6 ms",
            "n too small", "50 ms", "n too small", "194.2", "61.0%", fmt.DASH,
        ]  # fmt: skip
        front = table_rows(page, table_named(page, "Accuracy against latency"))[1:]
        assert [row[-1] for row in front] == [
            "● on the front",
            "another in this batch is faster and as accurate, or as fast and more accurate",
        ]
        assert [
            one.words
            for one in page.all("figcaption")
            if "chart" in str(one.parents[-1].attributes)
        ]

    def test_four_charts_that_run_nothing_and_load_nothing(self):
        page = page_of(latency_run(make_gate()), make_benchmark())
        charts = page.inside(page.one("section", id="latency"), "svg", class_="chart")
        assert [one.attributes["aria-label"].partition(".")[0] for one in charts] == [
            "Time of every call", "Throughput by batch size", "Roofline", "Accuracy against latency",
        ]  # fmt: skip
        inside = [one for one in page.elements if any(parent in charts for parent in one.parents)]
        assert {one.tag for one in inside} <= {"g", "path", "text", "line", "rect"}
        for one in inside:
            assert not {
                name
                for name in one.attributes
                if name.startswith("on") or name in {"style", "href", "id"}
            }

    def test_the_top_of_the_page_says_how_long_each_model_takes(self):
        page = page_of(latency_run(make_gate()), make_benchmark())
        (said,) = [one.words for one in page.all("li") if one.words.startswith("speed ")]
        assert re.fullmatch(
            r"speed ((; )?\S+ takes [\d.,]+ (ms|s|µs) a call of \w+ \(cpu fp32, batch \d+\))+\.",
            said,
        )
        page = page_of(latency_run(problems=("no model b",), verdict="error"), None)
        assert not [one for one in page.all("li") if one.words.startswith("speed ")]

    def test_doubts_are_named(self):
        doubtful = make_profile(is_steady=False, drift=0.14)
        lost = make_profile(
            "end_to_end", summary=None, samples_s=(), problem="out of memory with a batch of 8"
        )
        page = page_of(
            latency_run(make_gate("pass"), problems=("no model b",), verdict="error"),
            make_benchmark(profiles=(doubtful, lost)),
        )
        rows = table_rows(page, table_named(page, "Stage by stage"))[1:]
        assert rows[0][0] == "encode_image unsteady drifts +14%"
        assert rows[1][0] == "end_to_end out of memory with a batch of 8"
        assert any(one.words == "Not timed: no model b" for one in page.all("p", class_="alarm"))

    def test_nothing_where_nothing_was_timed(self):
        page = page_of(make_run([make_cell()]), None)
        assert not page.all("section", id="latency")
        assert not page.all("a", href="#latency")

    def test_what_was_to_be_timed_and_could_not_has_its_section(self):
        page = page_of(latency_run(problems=("no model b",), verdict="error"), None)
        assert not page.inside(page.one("section", id="latency"), "svg", class_="chart")

    def test_the_same_input_gives_the_same_bytes(self):
        run, benchmark = latency_run(make_gate()), make_benchmark()
        assert rendered(run, (), (), benchmark) == rendered(run, (), (), benchmark)

    @pytest.mark.parametrize("hostile", HOSTILE)
    def test_hostile_strings_add_no_element_and_no_attribute(self, hostile):
        def shape(text):
            gate = make_gate(message=text, against=text, model=text)
            run = latency_run(gate, problems=(text,), verdict="error")
            points = [make_tradeoff(text, dataset=text, template=text)]
            benchmark = make_benchmark(text, tradeoffs=points)
            page = page_of(run, benchmark)
            return [
                (one.tag, sorted(one.attributes))
                for one in page.elements
                if one.tag not in {"line", "g", "path", "text"}
            ]

        assert shape(hostile) == shape("plain")


class TestTimings:
    def row(self, **changes):
        page = Page(self.html(make_benchmark(profiles=(make_profile(**changes),))))
        table = table_named(page, "Stage by stage")
        head, row = table_rows(page, table)
        return dict(zip((one.partition(" ")[0] for one in head), row, strict=True))

    def html(self, benchmark):
        run = latency_run()
        return rendered(run, [make_predictions(cell) for cell in run.cells], (), benchmark)

    def test_quantiles_that_cannot_be_stated_say_so(self):
        row = self.row()
        assert (row["p90"], row["p95"], row["p99"]) == ("n too small", "50 ms", "n too small")

    def test_a_gpu_s_own_clock_and_memory_stand_beside_the_wall_and_the_process(self):
        memory = PeakMemory(
            rss_bytes=2**30, device_allocated_bytes=2**29, device_reserved_bytes=2**31
        )
        row = self.row(device_summary=replace(SUMMARY, median_s=0.039), memory=memory)
        assert row["GPU"] == "39 ms"
        assert row["Memory"] == f"{fmt.size(2**30)}, GPU {fmt.size(2**29)} of {fmt.size(2**31)}"
        assert "GPU" not in self.row()

    def test_what_a_model_costs_by_its_shape(self):
        page = Page(self.html(make_benchmark()))
        rows = table_rows(page, table_named(page, "What models cost by their shape"))[1:]
        assert rows == [["tiny", "4,000,000", "8.8 GFLOP", "6 GFLOP"]]

    def test_a_model_that_competes_with_none_has_no_front(self):
        page = Page(self.html(make_benchmark(tradeoffs=(make_tradeoff(),))))
        assert not [one for one in page.all("h3") if one.words == "Accuracy against latency"]

    def test_doubts_stand_beside_the_speed_at_the_top(self):
        slow = make_profile(drift=-0.87, is_steady=False)
        page = Page(self.html(make_benchmark(profiles=(slow,))))
        (speed,) = [one for one in page.all("li") if one.words.startswith("speed")]
        assert "(cpu fp32, batch 8, unsteady, drifts -87%)" in speed.words


class TestCharts:
    def test_every_call_is_drawn_up_to_a_hundred_the_extremes_among_them(self):
        few = distribution_chart([make_profile()])
        assert few.svg.count("<path") > distribution_chart(
            [make_profile(samples_s=(0.1, 0.2))]
        ).svg.count("<path")
        many = make_profile(samples_s=tuple(0.01 + i / 1e5 for i in range(100_000)))
        drawn = distribution_chart([many]).svg
        assert drawn.count("<path") < MAX_POINTS + 60
        assert len(drawn) < 60_000

    def test_none_without_anything_to_draw(self):
        assert distribution_chart([make_profile("load", samples_s=(1.0,))]) is None
        assert batch_sweep_chart([]) is None
        assert tradeoff_chart([]) is None
        assert roofline_chart(make_benchmark(roofs=())) is None
        assert roofline_chart(make_benchmark(profiles=())) is None

    def test_the_knee_is_named(self):
        assert ">knee<" in batch_sweep_chart(make_benchmark().sweeps).svg

    def test_colours_are_those_of_the_page(self):
        svg = tradeoff_chart([make_tradeoff(), make_tradeoff("b", is_on_front=False)]).svg
        assert "var(--right)" in svg
        assert "var(--wrong)" in svg


class TestSummary:
    def test_limits_come_before_what_is_folded_away(self):
        text = render_summary(
            latency_run(
                make_gate(),
                make_gate("pass"),
                make_gate("inconclusive", message="tiny may be slow"),
            ),
            make_benchmark(),
        )
        assert "**FAIL**" in text.splitlines()[0]
        assert "1 of 3 gates passed, 1 failed, 1 inconclusive" in text.splitlines()[0]
        assert "- **fail** tiny takes 41.2 ms; at most 30 ms" in text
        assert "- inconclusive tiny may be slow" in text
        assert "- 1 limit on latency kept" in text
        assert text.index("**fail**") < text.index("<details><summary>Latency</summary>")
        assert "| tiny | `cpu fp32 torch, 2 threads` | 8 | encode_image | 41.2 ms |" in text

    def test_timings_in_doubt_say_why(self):
        doubtful = make_profile(is_steady=False, drift=0.14)
        text = render_summary(latency_run(), make_benchmark(profiles=(doubtful,)))
        assert "41.2 ms (unsteady, drifts +14%)" in text

    def test_nothing_where_nothing_was_timed(self):
        assert "atency" not in render_summary(make_run([make_cell()]))


class TestJunit:
    def cases(self, run, benchmark):
        root = ET.fromstring(render_junit(run, benchmark))
        return root, {case.get("name"): case for case in root.iter("testcase")}

    def test_a_setting_is_a_case_with_its_timings_and_its_limits(self):
        root, cases = self.cases(
            latency_run(make_gate(), make_gate("inconclusive", message="maybe")), make_benchmark()
        )
        case = cases["latency[tiny-cpu-fp32-torch-b8-t2]"]
        assert case.find("failure").get("message") == "tiny takes 41.2 ms; at most 30 ms"
        properties = {one.get("name"): one.get("value") for one in case.iter("property")}
        assert math.isclose(float(properties["encode_image.median_s"]), 0.0412)
        assert properties["inconclusive"] == "maybe"
        assert "encode_image.p99_s" not in properties
        assert root.get("failures") == "1"

    def test_a_drift_is_a_property(self):
        benchmark = make_benchmark(profiles=(make_profile(drift=0.14),))
        _, cases = self.cases(latency_run(make_gate()), benchmark)
        case = cases["latency[tiny-cpu-fp32-torch-b8-t2]"]
        properties = {one.get("name"): one.get("value") for one in case.iter("property")}
        assert properties["encode_image.drift"] == "0.14"

    def test_what_could_not_be_timed_fails(self):
        _, cases = self.cases(latency_run(problems=("no model b",), verdict="error"), None)
        assert cases["latency"].find("failure").get("message") == "no model b"

    def test_nothing_where_nothing_was_timed(self):
        _, cases = self.cases(make_run([make_cell()]), None)
        assert not [name for name in cases if name.startswith("latency")]
