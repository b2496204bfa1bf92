"""Less at a time when memory does not suffice: what comes out is the same, and it is said."""

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from clipeval.encode import BackingOff
from clipeval.errors import EncodingError


class Tower:
    """Gives (i, 1) for a number i, `rows_of(i)` times; more numbers at once than `fits` are too many."""

    def __init__(self, *, fits, error=None, rows_of=lambda _number: 1):
        self.fits, self.rows_of = fits, rows_of
        self.error = error or torch.OutOfMemoryError("out of memory: tried to allocate\nmore")
        self.calls = []

    def __call__(self, batch):
        self.calls.append(len(batch))
        if len(batch) > self.fits:
            raise self.error
        rows = [[float(number), 1.0] for number in batch for _ in range(self.rows_of(number))]
        return torch.tensor(rows)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])  # it keeps nothing
@given(n=st.integers(1, 40), batch_size=st.integers(1, 50), fits=st.integers(1, 50))
def test_every_row_comes_out_once_and_in_order(stand_in, n, batch_size, fits):
    tower = Tower(fits=fits, rows_of=lambda number: 1 + number % 3)
    tried = BackingOff(stand_in(), tower, batch_size, unit="packs of prompts")
    found = tried.features(list(range(n)))[:, 0].tolist()
    assert found == [number for number in range(n) for _ in range(1 + number % 3)]
    assert max(tower.calls) <= batch_size
    assert bool(tried.notices) == (min(n, batch_size) > fits)


def test_the_batch_is_halved_until_it_fits_and_stays_so(stand_in):
    tower = Tower(fits=3)
    tried = BackingOff(stand_in(), tower, 16, unit="packs of prompts")
    tried.features(list(range(16)))
    assert tower.calls == [16, 8, 4, 2, 2, 2, 2, 2, 2, 2, 2]
    tower.calls.clear()
    tried.features(list(range(5)))
    assert tower.calls == [2, 2, 1]


@pytest.mark.parametrize(
    ("unit", "advice"),
    [
        ("images", "; set batch_size: 2 to save the detour"),
        ("prompts", ""),
        ("packs of prompts", ""),
    ],
)
def test_the_size_that_fits_is_said_once(stand_in, unit, advice):
    tried = BackingOff(stand_in(), Tower(fits=2), 8, unit=unit)
    tried.features(list(range(8)))
    (notice,) = tried.notices
    assert notice.code == "batch-size-halved"
    assert notice.message == (
        f"model 'stand-in': out of memory on cpu with 4 {unit} a batch: went on with 2{advice}"
    )


def test_a_slice_of_a_tensor_is_a_batch_too(stand_in):
    tried = BackingOff(stand_in(), Tower(fits=2), 8, unit="images")
    assert tried.features(torch.arange(5))[:, 0].tolist() == [0, 1, 2, 3, 4]


def test_encode_gives_unit_rows_in_float32(stand_in):
    def run(batch):
        return torch.tensor([[3.0, 4.0]] * len(batch), dtype=torch.bfloat16)

    rows = BackingOff(stand_in(), run, 2, unit="images").encode([1, 2, 3])
    assert rows.dtype == torch.float32
    np.testing.assert_allclose(rows, [[0.6, 0.8]] * 3, atol=1e-6)


@pytest.mark.parametrize("unit", ["images", "prompts", "packs of prompts"])
def test_one_that_does_not_fit_is_an_error_without_what_torch_says_further_down(stand_in, unit):
    tried = BackingOff(stand_in(), Tower(fits=0), 4, unit=unit)
    with pytest.raises(EncodingError) as raised:
        tried.features([1, 2, 3])
    assert str(raised.value) == (
        f"model 'stand-in' does not fit in the memory of cpu even with one of the {unit}: out of memory: "
        "tried to allocate; use a smaller model, another --device or a lower --precision"
    )


@pytest.mark.parametrize("error", [RuntimeError("shapes do not fit"), TypeError("no tensor")])
def test_other_errors_are_left_as_they_are(stand_in, error):
    tower = Tower(fits=0, error=error)
    with pytest.raises(type(error), match=str(error)):
        BackingOff(stand_in(), tower, 4, unit="prompts").features([1, 2, 3])
    assert tower.calls == [3]
