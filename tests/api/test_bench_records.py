"""Profiles of several processes as one record, on a simulated machine."""

from dataclasses import replace

import pytest

from clipeval.api.bench_records import NOT_PROFILED, bench_in_fresh_processes, joined
from clipeval.api.bench_request import BenchRequest
from clipeval.errors import BenchError
from clipeval.records.latency import Roof
from tests.latency_doubles import SimulatedMachine

REQUEST = BenchRequest(models=("a", "b"), batch_sizes=(1, 4), thread_counts=(1, 2))


class Processes:
    def __init__(self, broken=()):
        self.machine = SimulatedMachine({"a": 1.0, "b": 2.0})
        self.broken, self.requests = broken, []

    def __call__(self, request):
        self.requests.append(request)
        (model,) = request.models
        if model in self.broken:
            raise BenchError(f"profiling '{model}' failed")
        return self.machine(model)


class TestProcesses:
    def test_every_configuration_has_one(self):
        alone = Processes()
        bench_in_fresh_processes(REQUEST, profile=alone)
        assert len(alone.requests) == 2 * 2 * 2
        assert {(r.models, r.batch_sizes, r.thread_counts) for r in alone.requests} == {
            ((model,), (size,), (n,)) for model in "ab" for size in (1, 4) for n in (1, 2)
        }

    def test_batch_sizes_may_share_one(self):
        alone = Processes()
        bench_in_fresh_processes(REQUEST, is_split=False, profile=alone)
        assert [one.batch_sizes for one in alone.requests] == [(1, 4)] * 4

    def test_one_that_fails_leaves_the_others_and_is_told(self):
        record = bench_in_fresh_processes(REQUEST, profile=Processes(broken=("a",)))
        assert {one.setting.model for one in record.profiles} == {"b"}
        assert {(one.code, one.message) for one in record.notices} == {
            (NOT_PROFILED, "profiling 'a' failed")
        }

    def test_where_all_fail_there_is_no_record(self):
        with pytest.raises(BenchError, match="profiling 'a' failed\nprofiling 'b' failed"):
            bench_in_fresh_processes(REQUEST, profile=Processes(broken=("a", "b")))


def test_shares_of_the_peak_are_of_the_highest_that_any_process_saw():
    machine = SimulatedMachine({"a": 1.0})
    records = []
    for flop_per_s, bytes_per_s in ((2e9, 5e9), (4e9, 3e9)):
        record = machine("a")
        roof = Roof(
            device="cpu",
            precision="fp32",
            n_threads=2,
            flop_per_s=flop_per_s,
            bytes_per_s=bytes_per_s,
        )
        profiles = tuple(
            replace(p, flop_per_item=1e9, flop_share=p.items_per_s * 1e9 / flop_per_s)
            for p in record.profiles
        )
        records.append(replace(record, roofs=(roof,), profiles=profiles))
    found = joined(records, argv=())
    (roof,) = found.roofs
    assert (roof.flop_per_s, roof.bytes_per_s) == (4e9, 5e9)
    for one in found.profiles:
        assert one.flop_share == pytest.approx(one.items_per_s * 1e9 / 4e9)
