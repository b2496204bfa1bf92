"""Evaluate and benchmark CLIP models: which prompt, which model, how fast, and is the difference real?"""

from __future__ import annotations

__all__ = ["__version__"]

__version__: str


def __getattr__(name: str) -> str:
    """Resolve the version on first use (PEP 562): reading it takes half as long as all of `--help`."""
    if name != "__version__":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib.metadata import version  # noqa: PLC0415 (what is deferred)

    return version("clipeval")
