"""How classes and labels are read off torchvision's data-set objects.

torchvision has no common way to ask for files, labels and class names without decoding every image;
each function here returns a reader for one of the handful of ways that its classes keep them.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from importlib.resources import files
from operator import attrgetter
from pathlib import Path
from typing import Any

from clipeval.records import ClassLabel


@dataclass(frozen=True, slots=True)
class Label:
    """The label of one image, and its file if it is one."""

    label: int
    path: Path | None = None


ReadClasses = Callable[[Any], tuple[ClassLabel, ...]]
ReadLabels = Callable[[Any], list[Label]]


def class_attribute(name: str) -> ReadClasses:
    """Return a reader of class names that are fit for people as they are."""
    return lambda dataset: tuple(ClassLabel(key, (key,)) for key in _attribute(dataset, name))


def spaced_class_attribute(name: str) -> ReadClasses:
    """Return a reader of class names whose `_` and `/` stand for spaces."""
    return lambda dataset: tuple(
        ClassLabel(key, (" ".join(key.replace("_", " ").replace("/", " ").split()),))
        for key in _attribute(dataset, name)
    )


@dataclass(frozen=True, slots=True)
class NamesTable:
    """A reader of class names that takes them from class_names/TABLE.json, in label order."""

    table: str
    """File of an object `{source, names: {class key: name}}`."""
    subset: str | None = None
    """Attribute with the class keys in label order, where a copy on disk may lack classes; None if
    the labels count through the table."""

    def __call__(self, dataset: object) -> tuple[ClassLabel, ...]:
        """Return the classes of torchvision's data set."""
        if self.subset is None:
            return self.all_classes()
        names = self._names()
        keys: Iterable[str] = _attribute(dataset, self.subset)
        return tuple(ClassLabel(key, (names[key],)) for key in keys)

    def all_classes(self) -> tuple[ClassLabel, ...]:
        """Return every class of the table."""
        return tuple(ClassLabel(key, (name,)) for key, name in self._names().items())

    def _names(self) -> dict[str, str]:
        resource = files("clipeval.datasets").joinpath("class_names", f"{self.table}.json")
        names: dict[str, str] = json.loads(resource.read_text(encoding="utf-8"))["names"]
        return names


IMAGENET_RENAMED = {744: "projectile", 836: "sunglass"}
"""Places whose name in OpenAI's list is another class's, too (657 is "missile" as well, 837
"sunglasses"), with the first WordNet synonym: no prompt can tell two classes of one name apart."""


def imagenet_classes(dataset: object) -> tuple[ClassLabel, ...]:
    """Return WordNet ids and the class names that open_clip evaluates ImageNet with, two renamed.

    A label's place among all thousand ids decides its name, so that a copy with fewer class folders
    is named right, too.
    """
    from open_clip import IMAGENET_CLASSNAMES  # noqa: PLC0415  imports torch
    from torchvision.datasets.imagenet import load_meta_file  # noqa: PLC0415  imports torch

    all_ids = sorted(load_meta_file(_attribute(dataset, "root"))[0])
    names = [IMAGENET_RENAMED.get(i, name) for i, name in enumerate(IMAGENET_CLASSNAMES)]
    name_of = dict(zip(all_ids, names, strict=True))
    return tuple(ClassLabel(wnid, (name_of[wnid],)) for wnid in _attribute(dataset, "wnids"))


def pairs(name: str) -> ReadLabels:
    """Return a reader of one attribute that holds (file, label) pairs."""
    return lambda dataset: [
        Label(int(label), Path(path)) for path, label in _attribute(dataset, name)
    ]


def labelled_files(files_name: str, labels_name: str) -> ReadLabels:
    """Return a reader of two attributes, files and labels, of equal length."""
    return lambda dataset: [
        Label(int(label), Path(path))
        for path, label in zip(
            _attribute(dataset, files_name), _attribute(dataset, labels_name), strict=True
        )
    ]


def labelled_array(labels_name: str) -> ReadLabels:
    """Return a reader of the labels of images that are not files."""
    return lambda dataset: [Label(int(label)) for label in _attribute(dataset, labels_name)]


def caltech101(dataset: object) -> list[Label]:
    """Return files and labels of Caltech101, which keeps a number per image instead of a path."""
    folder = Path(_attribute(dataset, "root")) / "101_ObjectCategories"
    categories, numbers = _attribute(dataset, "categories"), _attribute(dataset, "index")
    return [
        Label(label, folder / categories[label] / f"image_{number:04d}.jpg")
        for label, number in zip(_attribute(dataset, "y"), numbers, strict=True)
    ]


def patch_camelyon(dataset: object) -> list[Label]:
    """Return the labels of PCAM with one read; asking image by image opens its file each time."""
    name = _attribute(dataset, "_FILES")[_attribute(dataset, "_split")]["targets"][0]
    with _attribute(dataset, "h5py").File(_attribute(dataset, "_base_folder") / name) as stored:
        return [Label(int(label)) for label in stored["y"][:].ravel()]


def _attribute(dataset: object, name: str) -> Any:  # noqa: ANN401  torchvision has no stubs
    return attrgetter(name)(dataset)
