"""Timing by a fake clock, on a fake device that works on behind calls that have returned."""

import gc
import time
from dataclasses import dataclass, field

import numpy as np
import pytest

from clipeval.bench.protocol import Effort, Stopwatch, measure


@dataclass
class FakeClock:
    time_s: float = 0.0

    def now(self):
        return self.time_s


@dataclass
class FakeEvents:
    """Marks by the device's own time: when what was queued before them is done."""

    device: "FakeDevice"
    marks: list = field(default_factory=list)

    def start(self):
        self.marks.append(max(self.device.clock.now(), self.device.busy_until_s))

    def stop(self):
        self.marks.append(max(self.device.clock.now(), self.device.busy_until_s))

    def elapsed_s(self):
        return self.marks[1] - self.marks[0]


@dataclass
class FakeDevice:
    """Queues work: a call returns at once, and only waiting lets the clock run on to its end."""

    clock: FakeClock
    has_events: bool = True
    busy_until_s: float = 0.0

    def queue(self, seconds):
        self.busy_until_s = max(self.busy_until_s, self.clock.time_s) + seconds

    def synchronize(self):
        self.clock.time_s = max(self.clock.time_s, self.busy_until_s)

    def events(self):
        return FakeEvents(self) if self.has_events else None


LAUNCH_S = 0.001


@dataclass
class Bench:
    clock: FakeClock = field(default_factory=FakeClock)

    def __post_init__(self):
        self.device = FakeDevice(self.clock)
        self.stopwatch = Stopwatch(self.clock, self.device)

    def call_of(self, seconds):
        """Make a call that takes so long on the device; `seconds` may depend on its number."""

        def call(number):
            self.clock.time_s += LAUNCH_S
            self.device.queue(seconds(number) if callable(seconds) else seconds)

        return call


@pytest.fixture
def bench():
    return Bench()


class TestOneCall:
    def test_takes_as_long_as_the_device_works(self, bench):
        wall_s, device_s = bench.stopwatch.time(bench.call_of(2.0), 0)
        assert wall_s == pytest.approx(2.0 + LAUNCH_S)
        assert device_s == pytest.approx(2.0 + LAUNCH_S)

    def test_does_not_pay_for_what_was_queued_before(self, bench):
        bench.device.queue(100.0)
        wall_s, _ = bench.stopwatch.time(bench.call_of(2.0), 0)
        assert wall_s == pytest.approx(2.0 + LAUNCH_S)

    @pytest.mark.parametrize("forgotten", ["first", "last"])
    def test_a_forgotten_wait_shows(self, bench, forgotten):
        """What the two tests above would say of a stopwatch that forgets one of its two waits."""
        waits = iter([forgotten != "first", forgotten != "last"] * 2)
        wait = bench.device.synchronize
        bench.device.synchronize = lambda: wait() if next(waits) else None
        bench.device.queue(100.0)
        wall_s, _ = bench.stopwatch.time(bench.call_of(2.0), 0)
        assert wall_s != pytest.approx(2.0 + LAUNCH_S, abs=1.0)

    def test_a_device_without_marks_has_wall_time_alone(self, bench):
        bench.device.has_events = False
        assert bench.stopwatch.time(bench.call_of(2.0), 0)[1] is None


class TestWarmUp:
    def test_cold_calls_are_no_samples(self, bench):
        effort = Effort(window=3, max_warmup_s=100, n_samples=10)
        timing = measure(
            bench.call_of(lambda number: 9.0 if number < 4 else 1.0), bench.stopwatch, effort
        )
        assert timing.steadiness == "steady"
        assert timing.samples_s == pytest.approx([1.0 + LAUNCH_S] * 10)
        assert len(timing.warmup_s) >= 4 + 3

    def test_lasts_as_many_calls_and_as_long_as_asked(self, bench):
        effort = Effort(window=1, min_warmup_calls=7, min_warmup_s=0.1, n_samples=10)
        assert len(measure(bench.call_of(1.0), bench.stopwatch, effort).warmup_s) == 7
        effort = Effort(window=2, min_warmup_calls=3, min_warmup_s=20, n_samples=10)
        assert sum(measure(bench.call_of(1.0), bench.stopwatch, effort).warmup_s) >= 20

    def test_what_never_gets_steady_is_said_to_be_unsteady(self, bench):
        effort = Effort(window=2, max_warmup_s=100, n_samples=10)
        timing = measure(bench.call_of(lambda number: 1.0 * 1.03**number), bench.stopwatch, effort)
        assert timing.steadiness == "unsteady"
        assert 100 <= sum(timing.warmup_s) < 110
        assert len(timing.samples_s) == 10

    @pytest.mark.parametrize(("growth", "steadiness"), [(1.015, "steady"), (1.025, "unsteady")])
    def test_two_per_cent_is_the_limit(self, bench, growth, steadiness):
        effort = Effort(window=1, max_warmup_s=60, n_samples=10)
        timing = measure(bench.call_of(lambda number: growth**number), bench.stopwatch, effort)
        assert timing.steadiness == steadiness

    @pytest.mark.parametrize("seconds", [2.5, 3.0, 10.0])
    def test_calls_too_slow_for_whole_windows_are_steady_if_they_agree(self, bench, seconds):
        timing = measure(bench.call_of(seconds), bench.stopwatch, Effort(n_samples=10))
        assert timing.steadiness == "steady"
        assert sum(timing.warmup_s) < 20 + 2 * seconds
        slowing = measure(
            bench.call_of(lambda number: seconds * 1.1**number), bench.stopwatch, Effort()
        )
        assert slowing.steadiness == "unsteady"

    def test_windows_are_compared_when_they_are_full_and_three_have_to_agree(self, bench):
        """Two that agree by chance, as those of noisy calls do, are not enough."""
        effort = Effort(
            window=1, min_warmup_calls=1, min_warmup_s=0, max_warmup_s=100, n_samples=10
        )
        pairs = [1.0, 1.0, 2.0, 2.0, 3.0, 3.0]  # then always the same
        timing = measure(
            bench.call_of(lambda number: pairs[number] if number < 6 else 4.0),
            bench.stopwatch,
            effort,
        )
        assert timing.steadiness == "steady"
        assert len(timing.warmup_s) == 9

    def test_noise_is_seldom_taken_for_steadiness_early_on(self, bench):
        random = np.random.default_rng(0)
        lengths = []
        for _ in range(40):
            calls = np.exp(0.3 * random.standard_normal(100_000))
            timing = measure(
                bench.call_of(lambda number, calls=calls: float(calls[number])),
                bench.stopwatch,
                Effort(max_warmup_s=1000, n_samples=10),
            )
            lengths.append(len(timing.warmup_s))
        assert 100 < np.median(lengths) < 20_000  # and is, once windows are long enough to tell

    def test_a_hundred_thousand_calls_cost_no_time_of_their_own(self, bench):
        started = time.process_time()
        effort = Effort(max_warmup_s=100, n_samples=10)
        measure(
            bench.call_of(lambda number: 0.001 * 1.05 ** (number % 40)), bench.stopwatch, effort
        )
        few = time.process_time() - started
        started = time.process_time()
        effort = Effort(max_warmup_s=400, n_samples=10)
        measure(
            bench.call_of(lambda number: 0.001 * 1.05 ** (number % 40)), bench.stopwatch, effort
        )
        assert time.process_time() - started < 12 * few

    def test_one_slow_call_in_a_window_does_not_count(self, bench):
        effort = Effort(window=3, n_samples=10)
        timing = measure(
            bench.call_of(lambda number: 5.0 if number == 4 else 1.0), bench.stopwatch, effort
        )
        assert timing.steadiness == "steady"
        assert len(timing.warmup_s) == 9


class TestMeasuring:
    def test_calls_are_numbered_on_so_that_inputs_rotate(self, bench):
        numbers = []

        def call(number):
            numbers.append(number)
            bench.clock.time_s += 1.0

        measure(call, bench.stopwatch, Effort(window=2, n_samples=10))
        assert numbers == list(range(len(numbers)))

    def test_ends_when_time_is_up_but_not_before_enough_samples(self, bench):
        effort = Effort(window=2, n_samples=100, min_samples=10, max_s=30)
        assert len(measure(bench.call_of(1.0), bench.stopwatch, effort).samples_s) == 30
        assert len(measure(bench.call_of(100.0), bench.stopwatch, effort).samples_s) == 10

    def test_garbage_is_not_collected_meanwhile(self, bench):
        collecting = []

        def call(number):
            collecting.append(gc.isenabled())
            bench.clock.time_s += 1.0

        assert gc.isenabled()
        measure(call, bench.stopwatch, Effort(window=2, n_samples=10))
        assert not any(collecting)
        assert gc.isenabled()

    def test_collection_is_back_on_after_an_error(self, bench):
        def call(number):
            raise RuntimeError("out of memory")

        with pytest.raises(RuntimeError):
            measure(call, bench.stopwatch, Effort())
        assert gc.isenabled()
