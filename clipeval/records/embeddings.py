"""What towers give, and what is known of a model without running it."""

from __future__ import annotations

from dataclasses import dataclass

from clipeval.records.results import FloatArray, IntArray, ModelRecord
from clipeval.records.samples import ImageFailure, Notice
from clipeval.records.specs import DEFAULT_BACKEND, BackendName


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageEmbeddings:
    """What the image tower says of some images of a data set."""

    embeddings: FloatArray
    """(N, D) float32, unit rows."""
    indices: IntArray
    """(N,) positions in the data set's samples, ascending."""
    contents: tuple[str, ...]
    """(N) SHA-256 of what each image was read from."""
    failures: tuple[ImageFailure, ...] = ()
    encode_s: float
    """Wall seconds for decoding, preprocessing and encoding; 0 where all came from the cache."""
    read_s: float = 0.0
    """Wall seconds for hashing images and reading the cache."""
    n_encoded: int
    """Images that were encoded rather than read from the cache."""
    backend: BackendName = DEFAULT_BACKEND
    """What ran the image tower."""
    build_s: float = 0.0
    """Wall seconds that a backend took to be ready: compiling, exporting, measuring. Not in `encode_s`."""
    notices: tuple[Notice, ...] = ()


@dataclass(frozen=True, slots=True)
class PromptEmbeddings:
    """What the text tower says of prompts."""

    embeddings: FloatArray
    """(P, D) float32, unit rows, in the order of the prompts."""
    notices: tuple[Notice, ...] = ()
    encode_s: float = 0.0
    """Wall seconds for encoding; 0 where all came from the cache."""
    read_s: float = 0.0
    """Wall seconds for reading the cache."""
    n_encoded: int = 0
    """Distinct prompts that were encoded rather than read from the cache, if there is one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelDescription:
    """A model as it was loaded: all that scoring embeddings needs to know of it."""

    record: ModelRecord
    device: str
    """What the device that was asked for turned out to be."""
    notices: tuple[Notice, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class BackendTiming:
    """How fast a backend runs one image tower at one precision, on one machine."""

    backend: BackendName
    build_s: float
    """Seconds until it is ready: compiling, exporting."""
    s_per_image: float
    problem: str = ""
    """Why it cannot be used, if it cannot: then the times mean nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BackendTimings:
    """What was measured for `backend: auto`, so that it need not be measured again."""

    timings: tuple[BackendTiming, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class MachineFacts:
    """What torch says of the machine."""

    n_threads: int
    """Threads within one operation."""
    gpus: tuple[str, ...]
