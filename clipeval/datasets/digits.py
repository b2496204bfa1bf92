"""The `sklearn-digits` source: real handwritten digits in colour, drawn on the fly."""

from __future__ import annotations

from clipeval.datasets.collection import Listing, RenderedImages
from clipeval.datasets.digit_scenes import (
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
    scenes = test_scenes() if source.split == "test" else train_scenes(n_variants=1)
    return Listing(
        source=f"sklearn-digits:{source.split}/{source.question}",
        classes=digit_classes(source.question),
        samples=tuple(
            Sample(f"{source.split}/{scene.index:04d}", "", label(scene, source.question))
            for scene in scenes
        ),
        images=RenderedImages(lambda position: render_scene(scenes[position])),
    )
