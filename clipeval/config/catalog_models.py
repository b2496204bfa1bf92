"""The shape of datasets.yaml. Field docstrings become the help that editors show."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator, Field, RootModel
from pydantic.json_schema import SkipJsonSchema

from clipeval.config.problems import quote
from clipeval.config.text_types import Name, Text
from clipeval.config.validation import StrictModel, problem
from clipeval.records import OnError, Question

ClassKeys = Annotated[
    list[Text], Field(min_length=2, max_length=100_000, json_schema_extra={"uniqueItems": True})
]


TABLE_SUFFIXES = (".csv", ".parquet")


def _check_table_name(text: str) -> str:
    if not text.lower().endswith(TABLE_SUFFIXES):
        raise problem(f"got {quote(text)}; expected a table that ends in .csv or .parquet")
    return text


class DatasetEntry(StrictModel):
    """What every kind of data set may say."""

    classes: ClassKeys | SkipJsonSchema[None] = None
    """Keep these classes only, in this order, named as the source names them."""
    per_class: Annotated[int, Field(ge=1)] | SkipJsonSchema[None] = None
    """Keep at most so many images of each class, chosen by seed."""
    limit: Annotated[int, Field(ge=1)] | SkipJsonSchema[None] = None
    """Keep at most so many images in all, chosen by seed, spread over the classes."""
    seed: Annotated[int, Field(ge=0, le=2**32 - 1)] = 0
    """Seed of the choice that per_class and limit make."""
    class_names: dict[Text, Text] = Field(default_factory=dict)
    """Class as the source names it -> name that prompts use instead."""
    aliases: dict[Text, Annotated[list[Text], Field(min_length=1)]] = Field(default_factory=dict)
    """Class as the source names it -> further names, whose prompts are averaged with the first."""
    on_error: OnError = "fail"
    """Images that cannot be read: fail after listing all of them, or skip them and say so."""


class DigitsEntry(DatasetEntry):
    """scikit-learn's handwritten digits in colour: nothing to download."""

    source: Literal["sklearn-digits"]
    """scikit-learn's handwritten digits, composited in colour."""
    split: Literal["train", "test"] = "test"
    """Half of the digits; the embedded model tiny was trained on train."""
    question: Question = "digit"
    """What is asked of each image: the digit, the ink colour or the background colour."""


class FolderEntry(DatasetEntry):
    """Images in one folder per class."""

    source: Literal["folder"]
    """One folder of images per class."""
    path: Text
    """Folder that holds the class folders, relative to this file."""


class TableEntry(DatasetEntry):
    """Images listed in a CSV or Parquet file."""

    source: Literal["table"]
    """A CSV or Parquet file with columns image, label and optionally id, group."""
    path: Annotated[str, AfterValidator(_check_table_name)]
    """The table, relative to this file."""
    root: Text | SkipJsonSchema[None] = None
    """Folder that the image column is relative to; the table's own folder if left out."""


class TorchvisionEntry(DatasetEntry):
    """One of torchvision's labelled classification sets."""

    source: Literal["torchvision"]
    """One of torchvision's labelled classification sets."""
    name: Name
    """torchvision's class name, such as Food101."""
    split: Text
    """Which part, as torchvision names it, such as test."""
    root: Text | SkipJsonSchema[None] = None
    """Folder with the images; $CLIPEVAL_DATA or the user cache if left out."""
    download: bool = False
    """Whether a missing data set may be downloaded."""


Entry = DigitsEntry | FolderEntry | TableEntry | TorchvisionEntry
ENTRIES: dict[str, type[DatasetEntry]] = {
    "sklearn-digits": DigitsEntry,
    "folder": FolderEntry,
    "table": TableEntry,
    "torchvision": TorchvisionEntry,
}


class CatalogModel(RootModel[dict[Name, Annotated[Entry, Field(discriminator="source")]]]):
    """Data sets that suites refer to by key."""
