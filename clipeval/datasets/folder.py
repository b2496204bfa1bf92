"""The `folder` source: one folder of images per class."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from clipeval.datasets.collection import FileImages, Listing
from clipeval.datasets.ordering import natural_key, portable_text
from clipeval.datasets.presence import path_fault
from clipeval.datasets.selection import listed, spec_place
from clipeval.errors import DatasetError
from clipeval.records import ClassLabel, DatasetSpec, FolderSource, Notice, Sample

IMAGE_EXTENSIONS = frozenset(
    {
        ".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".webp", ".bmp", ".dib", ".gif", ".tif",
        ".tiff", ".ppm", ".pgm", ".pbm", ".pnm",
    }
)  # fmt: skip
"""Files with these endings, in any case, are images; their content decides how they
are decoded."""
OTHER_IMAGE_EXTENSIONS = frozenset(
    {
        ".heic", ".heif", ".avif", ".jp2", ".j2k", ".jxl", ".psd", ".svg", ".dng", ".cr2",
        ".nef", ".arw", ".raw", ".ico", ".tga", ".exr", ".hdr",
    }
)  # fmt: skip
"""Pictures in formats that clipeval does not read. They count as images and fail with their cause,
because leaving them out would quietly change what is measured."""

_LITTER = frozenset({"thumbs.db", "desktop.ini", "__macosx", "@eadir"})


@dataclass(frozen=True, slots=True)
class _File:
    sample_id: str
    class_key: str
    path: Path


@dataclass(slots=True)
class _Findings:
    """What a walk through the folders saw beside images."""

    hidden: list[str] = field(default_factory=list)
    strays: list[str] = field(default_factory=list)
    empty: list[str] = field(default_factory=list)
    loops: list[str] = field(default_factory=list)


def list_folder(spec: DatasetSpec, source: FolderSource) -> Listing:
    """List root/CLASS/**/IMAGE; the class is the name of the first folder, as it is written.

    Sample ids are paths relative to the root, in POSIX form and NFC.

    Raises:
        DatasetError: the root is missing or has no class folder with images, a folder cannot be
            listed, or two files have the same id.
    """
    findings = _Findings()
    files = sorted(
        _scan_root(spec, source.root, findings), key=lambda file: natural_key(file.sample_id)
    )
    keys = sorted({file.class_key for file in files}, key=natural_key)
    label_of = {key: label for label, key in enumerate(keys)}
    _refuse_twins(spec, [file.sample_id for file in files])
    return Listing(
        source=f"folder:{portable_text(source.root.name)}",
        classes=tuple(ClassLabel(key, (key,)) for key in keys),
        samples=tuple(
            Sample(file.sample_id, file.sample_id, label_of[file.class_key]) for file in files
        ),
        images=FileImages(tuple(file.path for file in files)),
        notices=tuple(_notices(spec, findings)),
    )


def _scan_root(spec: DatasetSpec, root: Path, findings: _Findings) -> list[_File]:
    if fault := path_fault(root, expected="folder"):
        raise DatasetError(
            f"{spec_place(spec)}: {root} {fault}; expected a folder that holds one folder of images "
            "per class. Correct `path`."
        )
    files: list[_File] = []
    for entry in _visible(spec, root, "", findings):
        name = portable_text(entry.name)
        if not _is_folder(spec, entry):
            findings.strays.append(name)
            continue
        found = list(_walk(spec, Path(entry.path), name, findings, (_identity(spec, root),)))
        files.extend(found)
        if not found:
            findings.empty.append(name)
    if not files:
        raise DatasetError(
            f"{spec_place(spec)}: {root} holds no images in class folders "
            f"({len(findings.empty)} empty folders, {len(findings.strays)} files that are not in a "
            "class folder or are not images); expected CLASS/IMAGE, such as pizza/1.jpg."
        )
    return files


def _walk(
    spec: DatasetSpec,
    folder: Path,
    relative: str,
    findings: _Findings,
    above: tuple[tuple[int, int], ...],
) -> Iterator[_File]:
    """Yield the images below a folder; links are followed, but never in circles."""
    identity = _identity(spec, folder)
    if identity in above:
        findings.loops.append(relative)
        return
    for entry in _visible(spec, folder, relative, findings):
        name = f"{relative}/{portable_text(entry.name)}"
        if _is_folder(spec, entry):
            yield from _walk(spec, Path(entry.path), name, findings, (*above, identity))
        elif _is_image_name(name):
            # Whatever is behind the name (a broken link, a named pipe) fails when it is read.
            yield _File(name, relative.partition("/")[0], Path(entry.path))
        else:
            findings.strays.append(name)


def _visible(
    spec: DatasetSpec, folder: Path, relative: str, findings: _Findings
) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as scan:
            entries = list(scan)
    except OSError as error:
        raise _unusable(spec, folder, "listed", error) from error
    visible = []
    for entry in entries:
        if entry.name.startswith(".") or entry.name.lower() in _LITTER:
            findings.hidden.append(portable_text(f"{relative}/{entry.name}".lstrip("/")))
        else:
            visible.append(entry)
    return visible


def _is_image_name(name: str) -> bool:
    return PurePosixPath(name).suffix.lower() in IMAGE_EXTENSIONS | OTHER_IMAGE_EXTENSIONS


def _is_folder(spec: DatasetSpec, entry: os.DirEntry[str]) -> bool:
    """Return whether an entry is a folder, or a link to one."""
    try:
        return entry.is_dir()
    except OSError as error:  # a link into a closed folder, or to itself
        if _is_image_name(entry.name):
            return False  # counts as an image, which fails by name when it is read
        raise _unusable(spec, Path(entry.path), "followed", error) from error


def _identity(spec: DatasetSpec, folder: Path) -> tuple[int, int]:
    try:
        status = folder.stat()
    except OSError as error:  # the folder above may be listed, but not entered
        raise _unusable(spec, folder, "entered", error) from error
    return status.st_dev, status.st_ino


def _unusable(spec: DatasetSpec, path: Path, done: str, error: OSError) -> DatasetError:
    return DatasetError(
        f"{spec_place(spec)}: {path} cannot be {done}: {error.strerror or error}. "
        "Its images would be missing from every number; make it readable or move it away."
    )


def _refuse_twins(spec: DatasetSpec, sample_ids: list[str]) -> None:
    twins = [sample_id for sample_id, n in Counter(sample_ids).items() if n > 1]
    if twins:
        raise DatasetError(
            f"{spec_place(spec)}: names that differ only in Unicode composition give the same "
            f"sample id: {listed(twins)}; rename one of each."
        )


def _notices(spec: DatasetSpec, findings: _Findings) -> Iterator[Notice]:
    where = spec_place(spec)
    told = (
        ("hidden-ignored", findings.hidden, "hidden or system files and folders are ignored"),
        ("stray-files", findings.strays, "files that are no image in a class folder are ignored"),
        ("empty-class-folder", findings.empty, "folders without an image are not classes"),
        ("folder-loop", findings.loops, "links that lead back to a folder above are not followed"),
    )
    for code, names, what in told:
        if names:
            shown = listed(sorted(names, key=natural_key))
            yield Notice(code, f"{where}: {what} ({len(names)}): {shown}.")
