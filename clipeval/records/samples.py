"""Labelled images and what is said about them."""

from __future__ import annotations

from dataclasses import dataclass

CONTENT_DIGITS = 8
"""Hex digits of an image's SHA-256 that runs and baselines keep: enough to see that it was changed."""


@dataclass(frozen=True, slots=True)
class Notice:
    """Something the user should know that is not an error; printed, and kept in run.json."""

    code: str
    """Stable kebab-case name, such as `underscore-in-class-name`."""
    message: str
    """One full sentence: where, what, and what to do."""


@dataclass(frozen=True, slots=True)
class ClassLabel:
    """One class of a data set."""

    key: str
    """The class as the source names it (folder name, table value, torchvision class)."""
    names: tuple[str, ...]
    """What prompts say, at least one; the first is the display name, further ones are aliases whose
    prompts are averaged with it."""


@dataclass(frozen=True, slots=True)
class Sample:
    """One labelled image of a data set."""

    sample_id: str
    """Unique in the data set, the same on every machine and under another root folder."""
    path: str
    """Where the image is, relative to the data set's root in POSIX form; empty if it is not a file."""
    label: int
    """Index into the data set's classes."""
    group: str | None = None
    """Images of one group (a burst, one video) are not independent of each other."""


@dataclass(frozen=True, slots=True)
class ImageFailure:
    """An image that could not be used, and why."""

    sample_id: str
    path: str
    cause: str
