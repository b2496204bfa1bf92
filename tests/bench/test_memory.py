"""Memory that a test takes on purpose."""

import torch

from clipeval.bench.memory import watch_memory


def test_memory_that_is_taken_and_given_back_is_seen():
    with watch_memory("cpu") as before:
        pass
    with watch_memory("cpu") as during:
        taken = torch.ones(64 * 2**20, dtype=torch.float32)  # 256 MiB
        float(taken.sum())
        del taken
    assert during.peak.rss_bytes - before.peak.rss_bytes > 200 * 2**20
    assert during.peak.device_allocated_bytes is None
