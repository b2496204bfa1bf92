"""The sweep, on a device of a known size and a known speed."""

import pytest

from clipeval.bench.sweep import doubling, sweep_batch_sizes
from clipeval.records.latency import StageProfile
from clipeval.records.latency_gates import LatencySetting


def device(*, fits, speed):
    """Make a device that holds batches up to `fits`, and does `speed(size)` items a second."""
    tried = []

    def profile_at(size):
        tried.append(size)
        setting = LatencySetting(
            model="m",
            device="cuda",
            precision="fp32",
            backend="torch",
            batch_size=size,
            n_threads=1,
        )
        if size > fits:
            return StageProfile(stage="encode_image", setting=setting, problem="out of memory")
        return StageProfile(stage="encode_image", setting=setting, items_per_s=speed(size))

    profile_at.tried = tried
    return profile_at


def saturating(size):
    return 1000 * size / (size + 8)


def test_sizes_double_up_to_the_largest():
    assert list(doubling(1)) == [1]
    assert list(doubling(16)) == [1, 2, 4, 8, 16]
    assert list(doubling(20)) == [1, 2, 4, 8, 16, 20]


def test_the_knee_is_where_throughput_has_nearly_stopped_growing():
    sweep = sweep_batch_sizes(device(fits=10_000, speed=saturating), largest=1024)
    # 95% of the speed at 1024 (992) is reached at size / (size + 8) >= 0.9427: from 132 on.
    assert sweep.knee == 256
    assert sweep.largest_that_fits == 1024
    assert sweep.smallest_too_large is None


@pytest.mark.parametrize("fits", [1, 2, 37, 100, 511])
def test_memory_ends_between_what_fits_and_what_does_not(fits):
    sweep = sweep_batch_sizes(device(fits=fits, speed=saturating), largest=1024)
    assert sweep.largest_that_fits <= fits < sweep.smallest_too_large
    assert sweep.smallest_too_large - sweep.largest_that_fits <= max(
        1, sweep.largest_that_fits // 8
    )
    assert [one.setting.batch_size for one in sweep.profiles] == sorted(
        one.setting.batch_size for one in sweep.profiles
    )


def test_nothing_is_tried_beyond_what_did_not_fit():
    profile_at = device(fits=37, speed=saturating)
    sweep_batch_sizes(profile_at, largest=4096)
    assert max(profile_at.tried) == 64


def test_where_not_even_one_fits_there_is_no_knee():
    sweep = sweep_batch_sizes(device(fits=0, speed=saturating), largest=64)
    assert (sweep.knee, sweep.largest_that_fits, sweep.smallest_too_large) == (None, 0, 1)


def test_a_speed_that_falls_again_has_its_knee_before():
    sweep = sweep_batch_sizes(
        device(fits=99, speed=lambda size: 100 if size == 4 else 50), largest=64
    )
    assert sweep.knee == 4
