"""What a suite has timed, on simulated machines: which processes run, and what limits come to."""

from dataclasses import replace

import pytest

from clipeval.api.suite_latency import StoredLatency, measure_latency
from clipeval.api.tradeoffs import tradeoffs
from clipeval.errors import BenchError
from clipeval.records import (
    LatencyGateSpec,
    LatencySpec,
    MetricValue,
    ModelSpec,
    SuiteSpec,
    TemplateSpec,
)
from tests.latency_doubles import ENVIRONMENT, SimulatedMachine
from tests.report.conftest import make_cell, make_model

A = ModelSpec(id="a", kind="tiny", name="tiny")
B = ModelSpec(id="b", kind="random", name="ViT-B-32")


class Machine:
    """Profiles requests, as SimulatedMachine does models."""

    def __init__(self, seconds, **simulated):
        self.simulated = SimulatedMachine(seconds, drift=0, **simulated)
        self.requests = []
        self.broken = set()

    def __call__(self, request):
        self.requests.append(request)
        (model,) = request.models
        if model.id in self.broken:
            raise BenchError(f"profiling '{model.id}' failed")
        self.simulated.stages = request.stages
        records = [
            self.simulated(model.id, batch_size=size, precision=request.precisions[0])
            for size in request.batch_sizes
        ]
        return replace(records[0], profiles=tuple(p for r in records for p in r.profiles))


def suite(*gates, models=(A, B), **latency):
    return SuiteSpec(
        name="s", path=None, datasets=(), models=models, templates=(TemplateSpec(id="photo"), TemplateSpec(id="x")),
        latency=LatencySpec(stages=("encode_image", "end_to_end"), batch_sizes=(1, 4), n_blocks=6, gates=gates, **latency),
        reference_model="a",
    )  # fmt: skip


@pytest.fixture
def cells():
    """Return cells of both models; what `auto` came to is in them."""
    return [
        make_cell(
            model=make_model(id=name),
            template=template,
            metrics={"top1": MetricValue(value=top1, low=top1 - 0.1, high=top1 + 0.1, n=10)},
        )
        for name, template, top1 in (("a", "photo", 0.5), ("a", "x", 0.9), ("b", "photo", 0.6))
    ]


def gate(**limits):
    return LatencyGateSpec(stage="encode_image", batch_sizes=(4,), **limits)


class TestTiming:
    def test_each_model_in_a_process_of_its_own_as_its_cells_ran_it(self, cells):
        machine = Machine({"a": 0.01, "b": 0.02})
        found = measure_latency(
            suite(thread_counts=(2,), sweep_to=8), cells, None, argv=("x",), profile=machine
        )
        assert [request.models for request in machine.requests] == [(A,), (B,)]
        for request in machine.requests:
            assert (request.devices, request.precisions, request.backend) == (
                ("cpu",),
                ("fp32",),
                "torch",
            )
            assert (request.batch_sizes, request.stages) == ((1, 4), ("encode_image", "end_to_end"))
            assert (request.thread_counts, request.sweep_to, request.n_samples) == ((2,), 8, 64)
        assert found.outcome.gates == found.outcome.problems == ()
        assert [
            (p.setting.model, p.stage, p.setting.batch_size) for p in found.record.profiles
        ] == [
            (model, stage, size)
            for model in "ab"
            for size in (1, 4)
            for stage in ("encode_image", "end_to_end")
        ]
        assert found.record.environment == replace(ENVIRONMENT, argv=("x",))

    def test_nothing_without_latency(self, cells):
        machine = Machine({})
        assert (
            measure_latency(replace(suite(), latency=None), cells, None, argv=(), profile=machine)
            is None
        )
        assert machine.requests == []

    def test_one_that_fails_is_a_problem_and_the_others_are_timed(self, cells):
        machine = Machine({"a": 0.01, "b": 0.02})
        machine.broken = {"a"}
        found = measure_latency(suite(), cells, None, argv=(), profile=machine)
        assert found.outcome.problems == ("a on cpu, fp32, torch: profiling 'a' failed",)
        assert {p.setting.model for p in found.record.profiles} == {"b"}
        machine.broken = {"a", "b"}
        none = measure_latency(suite(), cells, None, argv=(), profile=machine)
        assert none.record is None
        assert len(none.outcome.problems) == 2


class TestLimits:
    def test_absolute_ones_run_nothing_more(self, cells):
        machine = Machine({"a": 0.01, "b": 0.02})
        found = measure_latency(suite(gate(max_ms=15)), cells, None, argv=(), profile=machine)
        assert [(one.model, one.state) for one in found.outcome.gates] == [
            ("a", "pass"),
            ("b", "fail"),
        ]
        assert len(machine.requests) == 2

    @pytest.mark.parametrize(("seconds", "state"), [(0.0101, "pass"), (0.015, "fail")])
    def test_against_the_reference_model_in_fresh_processes(self, cells, seconds, state):
        machine = Machine({"a": 0.01, "b": seconds})
        limit = gate(max_slowdown=0.2, against="reference_model")
        found = measure_latency(suite(limit), cells, None, argv=(), profile=machine)
        (result,) = found.outcome.gates  # the reference itself has none
        assert (result.model, result.state, result.against) == ("b", state, "a")
        order = [request.models[0].id for request in machine.requests[2:]]
        assert order == ["a"] * 24 + ["a", "b", "b", "a"] * 6
        for request in machine.requests[2:]:
            assert (request.stages, request.batch_sizes) == (("encode_image",), (4,))

    def test_against_accepted_timings_of_this_machine(self, cells):
        stored = StoredLatency(
            source="s.json",
            record=measure_latency(
                suite(), cells, None, argv=(), profile=Machine({"a": 0.01, "b": 0.02})
            ).record,
        )
        machine = Machine({"a": 0.0102, "b": 0.04}, seed=4)
        found = measure_latency(
            suite(gate(max_slowdown=0.3)), cells, stored, argv=(), profile=machine
        )
        assert [(one.model, one.state) for one in found.outcome.gates] == [
            ("a", "pass"),
            ("b", "fail"),
        ]
        assert [one.against for one in found.outcome.gates] == ["s.json"] * 2
        assert len(machine.requests) == 2 + 40 + 40

    def test_accepted_timings_of_another_machine_are_neither_pass_nor_fail(self, cells):
        record = measure_latency(
            suite(), cells, None, argv=(), profile=Machine({"a": 1, "b": 1})
        ).record
        stored = StoredLatency(source="s.json", record=replace(record, fingerprint="there"))
        machine = Machine({"a": 0.01, "b": 0.02})
        found = measure_latency(
            suite(gate(max_slowdown=0.2)), cells, stored, argv=(), profile=machine
        )
        assert [one.state for one in found.outcome.gates] == ["error", "error"]
        assert "incomparable with s.json" in found.outcome.gates[0].message
        assert len(machine.requests) == 2

    def test_without_accepted_timings(self, cells):
        found = measure_latency(
            suite(gate(max_slowdown=0.2)), cells, None, argv=(), profile=Machine({"a": 1, "b": 1})
        )
        assert [one.state for one in found.outcome.gates] == ["error", "error"]
        assert "clipeval baseline accept RUN" in found.outcome.gates[0].message

    def test_a_stage_that_was_not_accepted(self, cells):
        record = measure_latency(
            suite(), cells[:1], None, argv=(), profile=Machine({"a": 0.01, "b": 1})
        ).record
        found = measure_latency(
            suite(gate(max_slowdown=0.2)), cells, StoredLatency(source="s.json", record=record), argv=(),
            profile=Machine({"a": 0.01, "b": 0.02}),
        )  # fmt: skip
        assert [(one.model, one.state) for one in found.outcome.gates] == [
            ("a", "pass"),
            ("b", "error"),
        ]
        assert "s.json has no timing of it" in found.outcome.gates[1].message

    def test_below_the_noise_of_this_machine(self, cells):
        machine = Machine({"a": 0.01, "b": 0.01}, noise=0.3)
        limit = gate(max_slowdown=0.01, against="reference_model")
        (result,) = measure_latency(
            suite(limit), cells, None, argv=(), profile=machine
        ).outcome.gates
        assert result.state == "error"
        assert "below this machine's noise floor" in result.message

    def test_processes_that_fail_while_comparing_are_an_error(self, cells):
        class Failing(Machine):
            def __call__(self, request):
                if len(self.requests) >= 5:
                    self.broken = {"a", "b"}
                return super().__call__(request)

        limit = gate(max_slowdown=0.2, against="reference_model")
        found = measure_latency(
            suite(limit), cells, None, argv=(), profile=Failing({"a": 0.01, "b": 0.01})
        )
        assert [one.state for one in found.outcome.gates] == ["error"]
        assert found.record is not None


class TestNothingJudged:
    @pytest.mark.parametrize(
        ("gates", "models"),
        [
            ((gate(max_slowdown=0.2, against="reference_model"),), (A,)),
            ((gate(max_ms=5, models=("b",)),), (A,)),
        ],
    )
    def test_a_limit_that_judges_nothing_is_said(self, cells, gates, models):
        found = measure_latency(
            suite(*gates, models=models), cells[:1], None, argv=(), profile=Machine({"a": 0.01})
        )
        assert found.outcome.gates == ()
        (notice,) = found.notices
        assert notice.code == "gate-not-applied"
        assert "the limit on the latency of encode_image is not applied" in notice.message

    def test_one_that_judges_something_is_not(self, cells):
        found = measure_latency(
            suite(gate(max_ms=5)), cells, None, argv=(), profile=Machine({"a": 1, "b": 1})
        )
        assert found.notices == ()


class TestTradeoffs:
    def test_the_reference_template_or_the_first_speaks_for_a_data_set(self, cells):
        record = measure_latency(
            suite(), cells, None, argv=(), profile=Machine({"a": 0.01, "b": 0.02})
        ).record
        found = tradeoffs(suite(), cells, record.profiles)
        assert {(one.setting.model, one.template) for one in found} == {
            ("a", "photo"),
            ("b", "photo"),
        }
        key = cells[0].dataset.key
        other = replace(suite(), reference_templates={key: "x"})
        assert {
            (one.setting.model, one.template) for one in tradeoffs(other, cells, record.profiles)
        } == {("a", "x")}

    def test_front_is_of_each_batch_size_and_takes_end_to_end(self, cells):
        record = measure_latency(
            suite(), cells, None, argv=(), profile=Machine({"a": 0.01, "b": 0.02})
        ).record
        found = record.tradeoffs
        assert {one.stage for one in found} == {"end_to_end"}
        assert sorted((one.setting.batch_size, one.setting.model, one.is_on_front) for one in found) == [
            (1, "a", True), (1, "b", True), (4, "a", True), (4, "b", True),
        ]  # fmt: skip
        slower = measure_latency(
            suite(), cells, None, argv=(), profile=Machine({"a": 0.03, "b": 0.02})
        ).record
        assert {(one.setting.model, one.is_on_front) for one in slower.tradeoffs} == {
            ("a", False),
            ("b", True),
        }

    def test_nothing_of_a_stage_that_says_nothing(self, cells):
        assert tradeoffs(suite(), cells, ()) == ()
