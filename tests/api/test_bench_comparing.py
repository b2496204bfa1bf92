"""Comparisons of latency, on simulated machines: each profile is a process, and takes its noise from there."""

import dataclasses
import math

import pytest

from clipeval.api.bench_comparing import (
    BenchComparison,
    compare_latency,
    compare_models,
    compare_with_stored,
    write_comparison,
)
from clipeval.api.bench_records import joined
from clipeval.api.bench_request import BenchRequest
from clipeval.api.fresh_process import FreshProcess
from clipeval.errors import BenchError, ConfigError, StoreError
from tests.latency_doubles import ENVIRONMENT, SimulatedMachine

REQUEST = BenchRequest(
    models=(), devices=("cpu",), stages=("classify",), batch_sizes=(2,), n_samples=10
)


def in_doubt(machine, *, every=1):
    """Make every so many processes of a machine unsteady."""

    def profile(model):
        record = machine(model)
        if len(machine.order) % every:
            return record
        profiles = tuple(dataclasses.replace(p, is_steady=False) for p in record.profiles)
        return dataclasses.replace(record, profiles=profiles)

    return profile


class TestModels:
    def test_a_model_is_compared_with_itself_first_then_in_the_order_a_b_b_a(self):
        machine = SimulatedMachine({"a": 1.0, "b": 1.0})
        compare_models("a", "b", machine, margin=0.2, n_blocks=6)
        # b once before: one that cannot be profiled is not found out after half an hour
        assert machine.order == ["b"] + ["a"] * 24 + ["a", "b", "b", "a"] * 6

    def test_timings_in_doubt_are_said_and_pass_only_with_room_to_spare(self):
        for margin, verdict in ((0.05, "inconclusive"), (0.2, "pass")):
            machine = SimulatedMachine({"a": 1.0, "b": 1.03}, noise=0.003)
            (found,) = compare_models("a", "b", in_doubt(machine), margin=margin)
            assert found.verdict == verdict
            assert found.doubt == "32 of 32 processes were unsteady or drifted"

    def test_a_few_processes_in_doubt_are_said_and_change_nothing(self):
        machine = SimulatedMachine({"a": 1.0, "b": 1.03}, noise=0.003)
        (found,) = compare_models("a", "b", in_doubt(machine, every=5), margin=0.05)
        assert found.verdict == "pass"
        assert found.doubt == "7 of 32 processes were unsteady or drifted"

    @pytest.mark.parametrize("doubtful", ["a", "b"])
    def test_one_side_all_in_doubt_does_not_hide_behind_the_other(self, doubtful):
        machine = SimulatedMachine({"a": 1.0, "b": 1.03}, noise=0.003)
        unsteady = in_doubt(machine)
        (found,) = compare_models(
            "a", "b", lambda model: (unsteady if model == doubtful else machine)(model), margin=0.05
        )
        assert found.verdict == "inconclusive"
        assert found.doubt == "16 of 32 processes were unsteady or drifted"

    @pytest.mark.parametrize(("seconds", "verdict"), [(1.0, "pass"), (1.3, "fail"), (0.7, "pass")])
    def test_verdict_and_ratio(self, seconds, verdict):
        (found,) = compare_models("a", "b", SimulatedMachine({"a": 1.0, "b": seconds}), margin=0.1)
        assert found.verdict == verdict
        assert found.low <= seconds <= found.high
        assert found.ratio == pytest.approx(seconds, rel=0.05)
        assert 0 < found.noise_floor < 0.1
        assert found.n_blocks == 8

    @pytest.mark.parametrize(
        ("seconds", "shown"), [(1.08, "slower"), (0.92, "faster"), (1.0, "no difference")]
    )
    def test_what_is_tolerated_is_shown_all_the_same(self, seconds, shown):
        machine = SimulatedMachine({"a": 1.0, "b": seconds}, noise=0.01)
        (found,) = compare_models("a", "b", machine, margin=0.2)
        assert (found.verdict, found.shown) == ("pass", shown)

    def test_the_same_model_raises_a_false_alarm_at_most_as_often_as_stated(self):
        verdicts = [
            compare_models("a", "a", SimulatedMachine({"a": 1.0}, seed=seed), margin=0.1)[0].verdict
            for seed in range(60)
        ]
        assert verdicts.count("fail") <= 1
        assert verdicts.count("pass") >= 50

    def test_ten_per_cent_slower_is_found_with_a_margin_of_four(self):
        verdicts = [
            compare_models(
                "a", "b", SimulatedMachine({"a": 1, "b": 1.1}, noise=0.004, seed=seed), margin=0.04
            )[0]
            for seed in range(40)
        ]
        assert sum(one.verdict == "fail" for one in verdicts) >= 36

    def test_a_margin_below_the_noise_is_refused_and_the_floor_is_named(self):
        machine = SimulatedMachine({"a": 1.0, "b": 1.0}, noise=0.2)
        with pytest.raises(
            ConfigError,
            match=r"margin 2\.0% is below this machine's noise floor.*encode_image on cpu.*\d%",
        ):
            compare_models("a", "b", machine, margin=0.02)
        assert machine.order == ["b"] + ["a"] * 32  # nothing was compared

    def test_a_stage_that_the_candidate_cannot_do_is_never_left_out(self):
        machine = SimulatedMachine({"a": 1.0, "b": 1.0}, stages=("encode_image", "encode_text"))

        def profile(model):
            record = machine(model)
            kept = [p for p in record.profiles if model == "a" or p.stage == "encode_image"]
            return dataclasses.replace(record, profiles=tuple(kept))

        found = compare_models("a", "b", profile, margin=0.2)
        assert [(one.point.stage, one.verdict) for one in found] == [
            ("encode_image", "pass"), ("encode_text", "incomparable"),
        ]  # fmt: skip
        assert "could not be timed in every process of b" in found[1].cause
        assert BenchComparison(base="a", candidate="b", comparisons=found).verdict == "error"

    def test_every_stage_by_itself(self):
        machine = SimulatedMachine({"a": 1.0, "b": 1.0}, stages=("encode_image", "encode_text"))
        found = compare_models("a", "b", machine, margin=0.2)
        assert [one.point.stage for one in found] == ["encode_image", "encode_text"]


class TestStored:
    def test_on_this_machine(self):
        stored = SimulatedMachine({"a": 1.0}, drift=0)("a")
        (slower,) = compare_with_stored(
            stored, "b", SimulatedMachine({"b": 1.5}, drift=0), margin=0.1
        )
        assert slower.verdict == "fail"
        assert slower.ratio == pytest.approx(1.5, rel=0.1)
        (same,) = compare_with_stored(
            stored, "b", SimulatedMachine({"b": 1.0}, drift=0, seed=5), margin=0.2
        )
        assert same.verdict == "pass"

    def test_more_blocks_do_not_make_it_surer_than_one_stored_process_can(self):
        widths = []
        for n_blocks in (10, 30):
            stored = SimulatedMachine({"a": 1.0}, drift=0)("a")
            machine = SimulatedMachine({"a": 1.0}, drift=0, seed=1)
            (found,) = compare_with_stored(stored, "a", machine, margin=0.5, n_blocks=n_blocks)
            widths.append(math.log(found.high / found.low))
            assert len(machine.order) == 1 + 4 * n_blocks
        assert widths[1] > 0.6 * widths[0]

    def test_few_blocks_are_as_many_processes_as_it_takes(self):
        machine = SimulatedMachine({"a": 1.0}, drift=0, seed=1)
        stored = SimulatedMachine({"a": 1.0}, drift=0)("a")
        compare_with_stored(stored, "a", machine, margin=0.5, n_blocks=6)
        assert len(machine.order) == 1 + 40

    def test_stored_timings_in_doubt_pass_only_with_room_to_spare(self):
        stored = in_doubt(SimulatedMachine({"a": 1.0}, drift=0))("a")
        for margin, verdict in ((0.12, "inconclusive"), (0.3, "pass")):
            machine = SimulatedMachine({"a": 1.065}, noise=0.003, drift=0, seed=1)
            (found,) = compare_with_stored(stored, "a", machine, margin=margin)
            assert found.verdict == verdict
            assert found.doubt == "the stored timings were unsteady or drifted"

    def test_of_another_machine_with_other_threads_is_incomparable_too(self):
        then = SimulatedMachine({"a": 1.0})("a")
        profiles = tuple(
            dataclasses.replace(p, setting=dataclasses.replace(p.setting, n_threads=8))
            for p in then.profiles
        )
        stored = dataclasses.replace(then, fingerprint="there", profiles=profiles)
        found = compare_with_stored(stored, "a", SimulatedMachine({"a": 1.0}), margin=0.1)
        assert [one.verdict for one in found] == ["incomparable"]

    def test_a_stage_that_was_not_stored_is_never_left_out(self):
        stored = SimulatedMachine({"a": 1.0}, drift=0)("a")
        machine = SimulatedMachine({"a": 1.0}, drift=0, stages=("encode_image", "classify"))
        found = compare_with_stored(stored, "a", machine, margin=0.3)
        assert [one.verdict for one in found] == ["pass", "incomparable"]
        assert found[1].cause == "the stored profile has no timing of it"

    def test_of_another_machine_is_neither_pass_nor_fail(self):
        stored = dataclasses.replace(
            SimulatedMachine({"a": 1.0})("a"),
            fingerprint="there",
            environment=dataclasses.replace(ENVIRONMENT, cpu="Another processor", n_threads=8),
        )
        found = compare_with_stored(stored, "b", SimulatedMachine({"b": 9.0}), margin=0.1)
        assert [one.verdict for one in found] == ["incomparable"]
        assert "cpu: then Another processor, now A processor" in found[0].cause
        assert "n_threads: then 8, now 2" in found[0].cause
        assert BenchComparison(base="x", candidate="b", comparisons=found).verdict == "error"

    def test_of_several_models_is_taken_the_same_one(self):
        both = [SimulatedMachine({"a": 1.0, "b": 5.0}, drift=0)(model) for model in ("a", "b")]
        stored = joined(both, argv=())
        (found,) = compare_with_stored(
            stored, "a", SimulatedMachine({"a": 1.0}, drift=0, seed=3), margin=0.3
        )
        assert found.ratio == pytest.approx(1, rel=0.2)
        with pytest.raises(ConfigError, match="is of a, b, and this one of c"):
            compare_with_stored(stored, "c", SimulatedMachine({"c": 1.0}), margin=0.3)

    def test_without_anything_in_common(self):
        stored = SimulatedMachine({"a": 1.0}, stages=("load",))("a")
        with pytest.raises(ConfigError, match="no stage with the same device"):
            compare_with_stored(stored, "b", SimulatedMachine({"b": 1.0}), margin=0.1)


class TestAgainst:
    """What is named may be a model, a file, or a folder that has one."""

    def compare(self, against, **seconds):
        machine = SimulatedMachine(seconds or {"tiny": 1.0}, stages=("classify",))
        return compare_latency(
            "tiny", against, request=REQUEST, margin=0.5, profile=machine, argv=("x",)
        )

    def test_every_timing_of_every_process_is_kept_with_what_it_hangs_on(self, tmp_path):
        found = self.compare("tiny")
        assert len(found.processes) == 1 + 2 * 32
        assert all(len(p.samples_s) == 20 for process in found.processes for p in process)
        assert (found.fingerprint, found.environment.argv) == ("here", ("x",))
        write_comparison(found, tmp_path / "c.json")
        with pytest.raises(StoreError, match=r"is a comparison.*expected a profile"):
            self.compare(str(tmp_path / "c.json"))

    def test_a_folder_that_is_called_as_a_model_is_does_not_stand_for_it(
        self, tmp_path, monkeypatch
    ):
        monkeypatch.chdir(tmp_path)
        (tmp_path / "tiny").mkdir()
        assert self.compare("tiny").verdict == "pass"

    def test_a_file_that_is_not_there_is_called_a_file(self):
        with pytest.raises(ConfigError, match=r"--against olde\.json: no such file"):
            self.compare("olde.json")

    def test_a_run_without_timings_is_called_that(self, tmp_path):
        (tmp_path / "run.json").write_text("{}")
        with pytest.raises(ConfigError, match="is a run without timings"):
            self.compare(str(tmp_path))

    def test_a_name_that_no_file_can_have(self):
        with pytest.raises(ConfigError, match=r"--against n+"):
            self.compare("n" * 300)


class TestRefused:
    @pytest.mark.parametrize("margin", [0, -0.1, 11, math.nan])
    def test_margins(self, margin):
        with pytest.raises(ConfigError, match="--margin"):
            compare_latency("tiny", "tiny", request=REQUEST, margin=margin)

    def test_few_blocks(self):
        with pytest.raises(ConfigError, match="--blocks 5: fewer than 6"):
            compare_latency("tiny", "tiny", request=REQUEST, margin=0.1, n_blocks=5)

    def test_a_name_that_is_neither_model_nor_file(self):
        with pytest.raises(ConfigError, match="--against: 'nothing' does not name a model"):
            compare_latency("tiny", "nothing", request=REQUEST, margin=0.1)


class TestFreshProcess:
    def test_measures(self):
        record = FreshProcess(request=REQUEST)("tiny")
        assert [one.stage for one in record.profiles] == ["classify"]

    def test_one_that_fails_is_an_error_that_says_what_it_said(self):
        with pytest.raises(
            BenchError, match=r"profiling 'tiny' failed with 2:(.|\n)*unknown device 'gpu'"
        ):
            FreshProcess(request=dataclasses.replace(REQUEST, devices=("gpu",)))("tiny")
