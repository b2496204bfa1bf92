"""The `torchvision` source: one adapter over its labelled classification sets."""

from __future__ import annotations

import pickle
import tarfile
import zipfile
import zlib
from collections.abc import Sequence
from typing import Any

from filelock import FileLock
from PIL import Image

from clipeval.datasets.collection import FileImages, Listing, RenderedImages
from clipeval.datasets.ordering import natural_key, portable_path
from clipeval.datasets.presence import is_reachable
from clipeval.datasets.selection import spec_place
from clipeval.datasets.torchvision_catalogue import SETS, SetRow, SplitRow, is_present
from clipeval.datasets.torchvision_listings import Label
from clipeval.errors import DatasetError, did_you_mean
from clipeval.records import ClassLabel, DatasetSpec, Notice, Sample, TorchvisionSource

_LOCK = ".clipeval-download.lock"
# What torchvision raises when files are missing, damaged, or not as it expects. Its sets report a
# failed checksum as RuntimeError, and everything else by whatever the parser happens to raise.
_BAD_FILES = (
    RuntimeError, OSError, ValueError, LookupError, AttributeError, TypeError, EOFError,
    ImportError, pickle.UnpicklingError, tarfile.TarError, zipfile.BadZipFile, zlib.error,
)  # fmt: skip


def list_torchvision(spec: DatasetSpec, source: TorchvisionSource, *, download: bool) -> Listing:
    """List one split of one of torchvision's sets, fetching it first if that is asked for.

    Sample ids are paths relative to the root for sets of files, `SPLIT/000123` for sets in arrays.

    Raises:
        DatasetError: unknown set or split, files missing or damaged, or a download that failed.
    """
    row, split = set_and_split(spec, source)
    if not is_present(split, source.root):
        if not download:
            raise DatasetError(how_to_get(spec, source, row, split))
        if split.download_bytes is None:
            raise DatasetError(
                f"{spec_place(spec)}: torchvision cannot download {source.name}: {row.by_hand}. "
                f"Root: {source.root}"
            )
        _download(spec, source, split)
    try:
        dataset = _constructed(source, split, download=False)
        classes = row.classes(dataset)
        labels = row.listing(dataset)
        return _listing(spec, source, row, dataset, classes, labels)
    except _BAD_FILES as error:
        raise DatasetError(
            f"{spec_place(spec)}: {source.name}/{source.split} in {source.root} cannot be opened: "
            f"{error or type(error).__name__}. If files are damaged or missing, delete them and "
            "download them again."
        ) from error


def set_and_split(spec: DatasetSpec, source: TorchvisionSource) -> tuple[SetRow, SplitRow]:
    """Look up a set and its split.

    Raises:
        DatasetError: unknown set or split, with what is available.
    """
    row = SETS.get(source.name)
    if row is None:
        near = did_you_mean(source.name, SETS)
        raise DatasetError(
            f"{spec_place(spec)}: unknown torchvision set '{source.name}'{near}; "
            f"available: {', '.join(SETS)}"
        )
    split = row.splits.get(source.split)
    if split is None:
        near = did_you_mean(source.split, row.splits)
        raise DatasetError(
            f"{spec_place(spec)}: unknown split '{source.split}' of {source.name}{near}; "
            f"available: {', '.join(row.splits)}"
        )
    return row, split


def size_text(n_bytes: int) -> str:
    """Return a download size in the units that people compare with their disk."""
    return f"{n_bytes / 1e9:.1f} GB" if n_bytes >= 1e9 else f"{n_bytes / 1e6:.1f} MB"  # noqa: PLR2004


def how_to_get(spec: DatasetSpec, source: TorchvisionSource, row: SetRow, split: SplitRow) -> str:
    """Return which files of a split are missing, and how to get them."""
    missing = [name for name in split.present if not is_reachable(source.root / name)]
    head = (
        f"{spec_place(spec)}: {source.name}/{source.split} is not there: "
        f"looked in {source.root} for {', '.join(missing)}. "
    )
    if split.download_bytes is None:
        return f"{head}torchvision cannot download it: {row.by_hand}."
    size = size_text(split.download_bytes)
    if source.download:
        return f"{head}The first run downloads {size}."
    return f"{head}It is a download of {size}: set `download: true`, or pass --download."


def _download(spec: DatasetSpec, source: TorchvisionSource, split: SplitRow) -> None:
    """Let torchvision fetch and unpack a set; it draws a progress bar on stderr."""
    try:
        source.root.mkdir(parents=True, exist_ok=True)
        # Test workers would otherwise unpack into the same folder at the same time.
        with FileLock(source.root / _LOCK):
            _constructed(source, split, download=True)
    except _BAD_FILES as error:
        raise DatasetError(
            f"{spec_place(spec)}: {source.name} could not be downloaded into {source.root}: "
            f"{error or type(error).__name__}. Try again, after deleting what an earlier attempt "
            "may have left there, or put the files there yourself."
        ) from error


def _constructed(source: TorchvisionSource, split: SplitRow, *, download: bool) -> Any:  # noqa: ANN401
    # torchvision brings torch, which takes seconds and which the other sources do without.
    from torchvision import datasets  # noqa: PLC0415

    wanted = {"download": True} if download else {}
    return getattr(datasets, source.name)(str(source.root), **split.arguments, **wanted)


def _listing(
    spec: DatasetSpec,
    source: TorchvisionSource,
    row: SetRow,
    dataset: Sequence[tuple[Image.Image, int]],
    classes: tuple[ClassLabel, ...],
    labels: list[Label],
) -> Listing:
    name = f"torchvision:{source.name}/{source.split}"
    notices = (*_count_notices(spec, source, len(labels)), *_naming_notices(spec, row))
    if row.from_array:
        return Listing(
            source=name,
            classes=classes,
            samples=tuple(
                Sample(f"{source.split}/{position:06d}", "", entry.label)
                for position, entry in enumerate(labels)
            ),
            images=RenderedImages(lambda position: dataset[position][0]),
            notices=notices,
        )
    # torchvision's order follows the file system for some sets.
    files = sorted(
        (natural_key(portable_path(path.relative_to(source.root))), path, entry.label)
        for entry in labels
        if (path := entry.path) is not None
    )
    return Listing(
        source=name,
        classes=classes,
        samples=tuple(Sample(relative, relative, label) for (_, relative), _, label in files),
        images=FileImages(tuple(path for _, path, _ in files)),
        notices=notices,
    )


def _naming_notices(spec: DatasetSpec, row: SetRow) -> tuple[Notice, ...]:
    if not row.naming_note:
        return ()
    return (Notice("class-names-differ", f"{spec_place(spec)}: {row.naming_note}"),)


def _count_notices(
    spec: DatasetSpec, source: TorchvisionSource, n_found: int
) -> tuple[Notice, ...]:
    published = SETS[source.name].splits[source.split].n_images
    if n_found == published:
        return ()
    return (
        Notice(
            "unexpected-image-count",
            f"{spec_place(spec)}: {source.root} holds {n_found} images of "
            f"{source.name}/{source.split}; the published set has {published}, so figures do not "
            "compare with published ones.",
        ),
    )
