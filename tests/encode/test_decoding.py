from contextlib import closing

import pytest
import torch

from clipeval.encode.decoding import decode_batches
from clipeval.encode.uploading import upload


def one_by_one(model, dataset, chosen, batch_size):
    """The slow obvious reference: (indices, pixels) of each batch, without those that are broken."""
    for start in range(0, len(chosen), batch_size):
        part = [
            i for i in chosen[start : start + batch_size] if not isinstance(dataset.images[i], str)
        ]
        yield part, [model.preprocess(dataset.images[i]) for i in part]


@pytest.mark.parametrize("batch_size", [1, 2, 3, 50])
@pytest.mark.parametrize("n_workers", [1, 3])
@pytest.mark.parametrize("chosen", [range(11), [1, 4, 9], []], ids=str)
def test_batches_are_those_of_a_plain_loop(stand_in, pictures, batch_size, n_workers, chosen):
    model, dataset = stand_in(), pictures(11, broken=(4, 10))
    options = {"batch_size": batch_size, "n_workers": n_workers}
    wanted = list(one_by_one(model, dataset, chosen, batch_size))
    n_batches = n_read = 0
    with closing(decode_batches(model, dataset, chosen, **options)) as decoded:
        for (indices, pixels), batch in zip(wanted, upload(decoded, "cpu"), strict=True):
            assert list(batch.indices) == indices
            assert batch.contents == tuple(dataset.content_sha256(i) for i in indices)
            assert batch.pixels.shape == (len(indices), 3, 4, 4)
            assert all(torch.equal(a, b) for a, b in zip(batch.pixels, pixels, strict=True))
            n_batches, n_read = n_batches + 1, n_read + batch.n_read
    assert n_batches == len(wanted)
    assert n_read == len(chosen)


def test_two_buffers_serve_any_number_of_batches(stand_in, pictures):
    with closing(
        decode_batches(stand_in(), pictures(20), range(20), batch_size=2, n_workers=2)
    ) as decoded:
        places = {batch.pixels.data_ptr() for batch in decoded}
    assert len(places) == 2
