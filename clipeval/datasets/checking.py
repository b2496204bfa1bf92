"""What is wrong with an entry, or missing on this machine, without opening any file or torch."""

from __future__ import annotations

from clipeval.datasets.digits import digit_classes
from clipeval.datasets.presence import path_fault
from clipeval.datasets.selection import check_classes, spec_place
from clipeval.datasets.torchvision_catalogue import is_present
from clipeval.datasets.torchvision_sets import how_to_get, set_and_split
from clipeval.records import (
    ClassLabel,
    DatasetSpec,
    DigitsSource,
    FolderSource,
    Notice,
    TableSource,
    TorchvisionSource,
)


def check_spec(spec: DatasetSpec) -> None:
    """Refuse what no file could make right: an unknown set, split or class.

    Classes are checked where they are known without files: for the digits, and for torchvision's
    sets whose names are tables of clipeval.

    Raises:
        DatasetError: all that is wrong with the entry, one problem per line.
    """
    classes = _known_classes(spec)
    if classes is not None:
        check_classes(spec, classes)


def absence_notices(spec: DatasetSpec) -> tuple[Notice, ...]:
    """Say if the files of a data set are not on this machine; looks at no image.

    Raises:
        DatasetError: unknown set or split.
    """
    missing = _missing(spec)
    return (Notice("data-not-here", missing),) if missing else ()


def _known_classes(spec: DatasetSpec) -> tuple[ClassLabel, ...] | None:
    match spec.source:
        case DigitsSource():
            return digit_classes(spec.source.question)
        case TorchvisionSource():
            row, _ = set_and_split(spec, spec.source)
            return row.known_classes
        case FolderSource() | TableSource():
            return None


def _missing(spec: DatasetSpec) -> str:
    """Return one sentence about what is missing, or an empty string."""
    match spec.source:
        case DigitsSource():
            return ""
        case FolderSource(root=root):
            faults = {f"folder {root}": path_fault(root, expected="folder")}
        case TableSource(table=table, root=root):
            faults = {
                f"table {table}": path_fault(table, expected="file"),
                f"folder {root}": path_fault(root, expected="folder"),
            }
        case TorchvisionSource():
            return _missing_set(spec, spec.source)
    said = " and ".join(f"{what} {fault}" for what, fault in faults.items() if fault)
    return f"{spec_place(spec)}: {said}; a run on this machine will be refused." if said else ""


def _missing_set(spec: DatasetSpec, source: TorchvisionSource) -> str:
    row, split = set_and_split(spec, source)
    return "" if is_present(split, source.root) else how_to_get(spec, source, row, split)
