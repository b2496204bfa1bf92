"""The `sklearn-digits` source: real handwritten digits in colour, drawn on the fly."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cache
from typing import Literal

from PIL import Image

from clipeval.datasets.collection import Listing, LoadedImage, RenderedImages
from clipeval.datasets.digit_scenes import (
    DigitScene,
    class_names,
    label,
    render_scene,
    test_scenes,
    train_scenes,
)
from clipeval.records import ClassLabel, DigitsSource, Question, Sample


def digit_classes(question: Question) -> tuple[ClassLabel, ...]:
    """Return the classes of a question, in label order."""
    return tuple(ClassLabel(name, (name,)) for name in class_names(question))


def list_digits(source: DigitsSource) -> Listing:
    """List one split of the digits, labelled with the answers to one question.

    The sample ids do not contain the question: the same image has the same id under all three.
    """
    images = _drawn(source.split)
    return Listing(
        source=f"sklearn-digits:{source.split}/{source.question}",
        classes=digit_classes(source.question),
        samples=tuple(
            Sample(f"{source.split}/{scene.index:04d}", "", label(scene, source.question))
            for scene in images.scenes
        ),
        images=images,
    )


@dataclass(frozen=True, slots=True)
class DrawnDigits:
    """Images of one split. Each is always drawn alike, so its hash is made once."""

    scenes: tuple[DigitScene, ...]
    _contents: dict[int, str] = field(default_factory=dict)

    def load(self, position: int) -> LoadedImage:
        """Draw one image, and hash it as it was drawn."""
        loaded = RenderedImages(self._render).load(position)
        self._contents[position] = loaded.content_sha256
        return loaded

    def content_sha256(self, position: int) -> str:
        """Hash mode, size and pixels of one image."""
        if position not in self._contents:
            self._contents[position] = RenderedImages(self._render).content_sha256(position)
        return self._contents[position]

    def _render(self, position: int) -> Image.Image:
        return render_scene(self.scenes[position])


@cache
def _drawn(split: Literal["train", "test"]) -> DrawnDigits:
    """Return the images of a split, the same for all questions about them."""
    return DrawnDigits(test_scenes() if split == "test" else train_scenes(n_variants=1))
