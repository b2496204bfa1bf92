"""How alike a few images and the prompts of a few classes are."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class SimilaritySample:
    """Cosines of one image of each of a few classes with the class weights of all of these.

    Source: the figure in CLIP's own notebook, "Interacting with CLIP".
    """

    classes: tuple[int, ...]
    """(K,) class indices, ascending: spread evenly over the classes that have images."""
    sample_ids: tuple[str, ...]
    """(K,) the first image of each class that was scored: the same ones for every template and model."""
    cosines: tuple[tuple[float, ...], ...]
    """(K, K) in [-1, 1]; a row for each image, a column for each class."""
