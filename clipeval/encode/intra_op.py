"""How a forward pass on the CPU is spread over cores.

torch splits every layer over all cores and waits for the slowest after each of them: hundreds of times a
batch. Where cores are shared, with the threads that decode or with other processes, each wait is for whoever
was put off. Here every core takes a share of the *images* through the whole tower, and waits once.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import contextmanager

import torch

from clipeval.models import ClipModel

SMALL_TOWER = 2_000_000
"""Parameters. A smaller image tower runs in one thread: beside decoding there is nothing to gain."""
MIN_SHARE = 2
"""Images a thread; a batch with fewer is split by layers, as torch does it."""

RunTower = Callable[[torch.Tensor], torch.Tensor]


@contextmanager
def spread_over_cores(model: ClipModel) -> Iterator[RunTower]:
    """Give a model's `encode_image`, on the CPU spread over as many threads as torch would use.

    The threads that torch gives to a layer are a setting of the process, so it is put back.
    """
    n_threads = torch.get_num_threads()
    if model.device != "cpu" or n_threads == 1:
        yield model.encode_image
        return
    visual = getattr(model.module, "visual", model.module)
    if sum(parameter.numel() for parameter in visual.parameters()) < SMALL_TOWER:
        torch.set_num_threads(1)
        try:
            yield model.encode_image
        finally:
            torch.set_num_threads(n_threads)
        return
    try:
        with ThreadPoolExecutor(
            n_threads, thread_name_prefix="clipeval-tower", initializer=_compute_alone
        ) as pool:

            def run(batch: torch.Tensor) -> torch.Tensor:
                if len(batch) < MIN_SHARE * n_threads:
                    return model.encode_image(batch)
                shares = [
                    pool.submit(model.encode_image, share)
                    for share in batch.tensor_split(n_threads)
                ]
                wait(shares)  # also if one has failed: memory is free again only when all are done
                return torch.cat([share.result() for share in shares])

            yield run
    finally:
        torch.set_num_threads(n_threads)  # the default of threads to come, which was changed too


def _compute_alone() -> None:
    torch.set_num_threads(1)
