import threading
from dataclasses import replace

import pytest
import torch

from clipeval.encode.intra_op import SMALL_TOWER, spread_over_cores


@pytest.fixture(autouse=True)
def three_threads():
    before = torch.get_num_threads()
    torch.set_num_threads(3)
    yield
    torch.set_num_threads(before)


@pytest.fixture
def large(towers):
    """Return stand-in towers with so many parameters that they are spread."""

    def make(**options):
        tower = towers(**options)
        tower.visual = torch.nn.Linear(SMALL_TOWER, 1, bias=False, device="meta")
        return tower

    return make


def threads_elsewhere():
    found = []
    thread = threading.Thread(target=lambda: found.append(torch.get_num_threads()))
    thread.start()
    thread.join()
    return found[0]


class TestALargeTower:
    @pytest.mark.parametrize("n_images", [6, 7, 64])
    def test_gives_what_it_gives_undivided_in_the_same_order(self, stand_in, large, n_images):
        model = stand_in(large())
        batch = torch.randn(n_images, 3, 4, 4)
        with spread_over_cores(model) as run:
            assert torch.equal(run(batch), model.encode_image(batch))

    def test_is_run_by_threads_that_compute_alone(self, stand_in, large):
        seen = []
        tower = large(
            before=lambda _: seen.append((threading.current_thread().name, torch.get_num_threads()))
        )
        with spread_over_cores(stand_in(tower)) as run:
            run(torch.zeros(7, 3, 4, 4))
        assert sorted(tower.image_calls) == [2, 2, 3]
        assert {n_threads for _, n_threads in seen} == {1}
        assert all(name.startswith("clipeval-tower") for name, _ in seen)

    def test_takes_few_images_undivided(self, stand_in, large):
        tower = large()
        with spread_over_cores(stand_in(tower)) as run:
            run(torch.zeros(5, 3, 4, 4))
        assert tower.image_calls == [5]

    def test_an_error_in_one_share_is_raised_when_all_are_done(self, stand_in, large):
        def fail(n_rows):
            if n_rows == 3:
                raise RuntimeError("broken")

        tower = large(before=fail)
        with spread_over_cores(stand_in(tower)) as run, pytest.raises(RuntimeError, match="broken"):
            run(torch.zeros(7, 3, 4, 4))
        assert sorted(tower.image_calls) == [2, 2, 3]


class TestASmallTower:
    def test_runs_in_one_thread_of_torch(self, stand_in, towers):
        seen = []
        tower = towers(before=lambda _: seen.append(torch.get_num_threads()))
        with spread_over_cores(stand_in(tower)) as run:
            run(torch.zeros(64, 3, 4, 4))
        assert seen == [1]


@pytest.mark.parametrize("size", ["large", "small"])
def test_settings_of_the_process_are_put_back(stand_in, towers, large, size):
    tower = large() if size == "large" else towers()
    with spread_over_cores(stand_in(tower)) as run:
        run(torch.zeros(9, 3, 4, 4))
    assert torch.get_num_threads() == 3
    assert threads_elsewhere() == 3


def test_a_gpu_is_left_alone(stand_in, large):
    model = replace(stand_in(large()), device="mps")
    with spread_over_cores(model) as run:
        assert run == model.encode_image
        assert torch.get_num_threads() == 3
