"""Everything clipeval raises on purpose.

    ClipEvalError
    ├── ConfigError        suites, datasets.yaml, command-line values
    ├── PromptError        templates, prompts, class names
    ├── DatasetError       a data set cannot be opened, or images failed to decode
    ├── ModelError         a model cannot be found, loaded or trusted
    ├── DeviceError        a device or precision is not available here
    ├── BackendError       a backend is not installed, cannot do what is asked, or does not agree with torch
    ├── BenchError         timings cannot be taken, or not be compared
    ├── EncodingError      embeddings are not finite, or do not fit in memory
    ├── ScoringError       arrays that cannot be scored or counted
    ├── ComparisonError    two cells or runs that cannot be paired image by image
    └── StoreError         a run folder, baseline or cache entry cannot be read or written

The command line prints the message on stderr and exits with 2; there is never a traceback for these.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class ClipEvalError(Exception):
    """Base of every error that clipeval raises on purpose; `str()` is one complete message."""


class ConfigError(ClipEvalError):
    """A suite, a catalogue of data sets or a command-line value is wrong."""


class PromptError(ClipEvalError):
    """A template or a prompt cannot be used as written."""


class DatasetError(ClipEvalError):
    """A data set cannot be opened, or images in it failed."""


class ModelError(ClipEvalError):
    """A model cannot be found, loaded or trusted."""


class DeviceError(ClipEvalError):
    """A device or a precision is not available on this machine."""


class BackendError(ClipEvalError):
    """A backend is not installed, cannot run what is asked of it, or gives something else than torch."""


class BenchError(ClipEvalError):
    """Timings cannot be taken, or not be compared."""


class EncodingError(ClipEvalError):
    """Embeddings are not finite, or a batch of one does not fit in memory."""


class ScoringError(ClipEvalError):
    """Arrays that cannot be scored or counted."""


class ComparisonError(ClipEvalError):
    """Two cells or runs cannot be compared image by image; the message says what differs."""

    def __init__(self, message: str, *, cause: str | None = None) -> None:
        """Keep the cause apart, so that cells of one cause can be told of together.

        Args:
            message: all there is to say.
            cause: what differs, without the names of the cells; the message if None.
        """
        super().__init__(message)
        self.cause = cause or message


class StoreError(ClipEvalError):
    """A run folder, a baseline or a cache entry cannot be read or written."""


def without_traceback(error: ClipEvalError) -> ClipEvalError:
    """Return the same error to keep: a traceback would keep models and batches in memory."""
    return type(error)(str(error))


def did_you_mean(got: str, allowed: Iterable[str]) -> str:
    """Return ` (did you mean 'x'?)` for the nearest allowed value, or an empty string."""
    near = difflib.get_close_matches(got, list(allowed), n=1, cutoff=0.6)
    return f" (did you mean '{near[0]}'?)" if near else ""
