"""From an entry of datasets.yaml to labelled images, or to what can be said without opening it."""

from __future__ import annotations

from dataclasses import dataclass

from clipeval.datasets.checking import check_spec
from clipeval.datasets.collection import ImageCollection, ImageDataset, Listing
from clipeval.datasets.digit_scenes import N_TEST, N_TRAIN, class_names
from clipeval.datasets.digits import list_digits
from clipeval.datasets.folder import list_folder
from clipeval.datasets.selection import (
    apply_selection,
    named_classes,
    resolve_classes,
    selection_notices,
    spec_place,
)
from clipeval.datasets.table import count_rows, list_table
from clipeval.datasets.torchvision_catalogue import is_present
from clipeval.datasets.torchvision_sets import list_torchvision, set_and_split, size_text
from clipeval.errors import DatasetError
from clipeval.records import (
    DatasetSpec,
    DigitsSource,
    FolderSource,
    TableSource,
    TorchvisionSource,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class DatasetStatus:
    """What `clipeval list datasets` says of one entry; counts are of the whole source."""

    key: str
    source: str
    present: bool
    """The files seem to be there; they have not been read."""
    n_images: int | None = None
    """None if it cannot be known without the files."""
    n_classes: int | None = None
    download_bytes: int | None = None
    """Size of the download; None if nothing needs, or can, be fetched."""
    root: str = ""
    """Where the files are looked for; empty for generated images."""
    note: str = ""
    """What is wrong, or what to do next; empty if all is well."""


def open_dataset(spec: DatasetSpec, *, download: bool = False) -> ImageDataset:
    """Open a data set: list it, name its classes, select its images. No image is read yet.

    Args:
        spec: the entry.
        download: fetch a missing set, as `download: true` in the entry does.

    Raises:
        DatasetError: anything that is wrong with the source, its class options or its selection.
    """
    check_spec(spec)
    listing = _listed_source(spec, download=download)
    classes = named_classes(spec, listing.classes)
    selection = apply_selection(
        classes,
        listing.samples,
        keep=resolve_classes(spec, listing.classes),
        per_class=spec.per_class,
        limit=spec.limit,
        seed=spec.seed,
    )
    if not selection.samples:
        raise DatasetError(
            f"{spec_place(spec)}: no image is left of {len(listing.samples)} in {listing.source} "
            f"after classes={spec.classes}, per_class={spec.per_class}, limit={spec.limit}; "
            "widen the selection."
        )
    return ImageCollection(
        key=spec.key,
        source=listing.source,
        classes=selection.classes,
        samples=selection.samples,
        notices=(*listing.notices, *selection_notices(spec, selection, wanted=spec.per_class)),
        images=listing.images,
        positions=selection.positions,
    )


def dataset_status(spec: DatasetSpec) -> DatasetStatus:
    """Say what is there, without opening images, downloading or importing torch.

    Never raises for a data set that cannot be opened: the reason is the note.
    """
    try:
        return _status(spec)
    except DatasetError as error:
        return DatasetStatus(
            key=spec.key,
            source=_source_text(spec),
            present=False,
            root=_root(spec),
            note=str(error),
        )


def _listed_source(spec: DatasetSpec, *, download: bool) -> Listing:
    match spec.source:
        case DigitsSource():
            return list_digits(spec.source)
        case FolderSource():
            return list_folder(spec, spec.source)
        case TableSource():
            return list_table(spec, spec.source)
        case TorchvisionSource():
            wanted = download or spec.source.download
            return list_torchvision(spec, spec.source, download=wanted)


def _status(spec: DatasetSpec) -> DatasetStatus:
    match spec.source:
        case DigitsSource(split=split, question=question):
            n_images, n_classes = N_TEST if split == "test" else N_TRAIN, len(class_names(question))
        case FolderSource():
            listing = list_folder(spec, spec.source)
            n_images, n_classes = len(listing.samples), len(listing.classes)
        case TableSource():
            n_images, n_classes = count_rows(spec, spec.source)
        case TorchvisionSource():
            return _torchvision_status(spec, spec.source)
    return DatasetStatus(
        key=spec.key,
        source=_source_text(spec),
        present=True,
        n_images=n_images,
        n_classes=n_classes,
        root=_root(spec),
    )


def _torchvision_status(spec: DatasetSpec, source: TorchvisionSource) -> DatasetStatus:
    row, split = set_and_split(spec, source)
    present = is_present(split, source.root)
    note = ""
    if not present and split.download_bytes is None:
        note = f"cannot be downloaded: {row.by_hand}"
    elif not present and split.download_bytes is not None:
        size = size_text(split.download_bytes)
        note = f"not there; `download: true` or --download fetches {size}"
    return DatasetStatus(
        key=spec.key,
        source=_source_text(spec),
        present=present,
        n_images=split.n_images,
        n_classes=row.n_classes,
        download_bytes=None if present else split.download_bytes,
        root=_root(spec),
        note=note,
    )


def _source_text(spec: DatasetSpec) -> str:
    match spec.source:
        case DigitsSource(split=split, question=question):
            return f"sklearn-digits:{split}/{question}"
        case FolderSource(root=root):
            return f"folder:{root.name}"
        case TableSource(table=table):
            return f"table:{table.name}"
        case TorchvisionSource(name=name, split=split):
            return f"torchvision:{name}/{split}"


def _root(spec: DatasetSpec) -> str:
    return "" if isinstance(spec.source, DigitsSource) else str(spec.source.root)
