"""Labelled images: sources, selection, and one policy for reading them."""

from clipeval.datasets.checking import absence_notices, check_spec
from clipeval.datasets.collection import (
    ImageDataset,
    LoadedImage,
    decoded_scaled,
    read_content,
    read_image_file,
)
from clipeval.datasets.images import (
    ACCEPTED_FORMATS,
    ImageReadError,
    plain_jpeg_size,
    read_rgb,
)
from clipeval.datasets.opening import DatasetStatus, dataset_status, open_dataset
from clipeval.datasets.selection import Selection, apply_selection
from clipeval.datasets.torchvision_catalogue import SETS as TORCHVISION_SETS

__all__ = [
    "ACCEPTED_FORMATS",
    "TORCHVISION_SETS",
    "DatasetStatus",
    "ImageDataset",
    "ImageReadError",
    "LoadedImage",
    "Selection",
    "absence_notices",
    "apply_selection",
    "check_spec",
    "dataset_status",
    "decoded_scaled",
    "open_dataset",
    "plain_jpeg_size",
    "read_content",
    "read_image_file",
    "read_rgb",
]
