"""The one place where torch is imported late: when a model has to be loaded, and not before.

A run whose embeddings are all cached gets by without, which saves it several seconds.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from clipeval.engine import ModelSlot, machine_key
from clipeval.records import MachineFacts, ModelSpec, Precision
from clipeval.store import EmbeddingCache, Memory, default_cache

if TYPE_CHECKING:
    from clipeval.encode import ClipEncoder


def load_encoder(spec: ModelSpec, *, device: str, precision: Precision) -> ClipEncoder:
    """Load a model. Raises: ModelError, DeviceError."""
    from clipeval.encode import ClipEncoder

    return ClipEncoder.load(spec, device=device, precision=precision)


def check_model(spec: ModelSpec) -> None:
    """Find what is wrong with a spec without loading it. Raises: ModelError."""
    from clipeval.models import check_spec

    check_spec(spec)


def check_precision(device: str, precision: Precision) -> None:
    """Refuse a precision that a device cannot compute in. Raises: DeviceError."""
    from clipeval import devices

    devices.check_precision(devices.resolve_device(device), precision)


def machine_facts(memory: Memory | None) -> MachineFacts:
    """Say what torch says of this machine: as it was remembered, or by asking it.

    Where somebody has loaded torch before, it is asked, and its answer is not kept: it may have been told to
    use fewer threads.
    """
    is_fresh = "torch" not in sys.modules
    key = machine_key()
    known = memory.machine(key) if memory is not None and is_fresh else None
    if known is None:
        from clipeval.devices import describe_machine

        known = describe_machine()
        if memory is not None and is_fresh:
            memory.remember_machine(key, known)
    return known


def caches(*, use_cache: bool) -> tuple[EmbeddingCache | None, Memory | None]:
    """Return where embeddings and facts are kept between runs, if they are."""
    if not use_cache:
        return None, None
    cache = default_cache()
    return cache, Memory(cache.root)


def model_slot(memory: Memory | None) -> ModelSlot:
    """Return a place for models that are loaded late."""
    return ModelSlot(load_encoder, memory)
