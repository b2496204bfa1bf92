"""What is known about torchvision's labelled classification sets without importing torchvision.

One row per set. Sizes are those of the archives that torchvision fetches, counts those of the
published sets. Sources: torchvision.datasets (files, folders, splits), the checksum lists of
TensorFlow Datasets and the data sets' own pages (bytes; rounded where only "11 GB" is published).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from clipeval.datasets.presence import is_reachable
from clipeval.datasets.torchvision_listings import (
    Label,
    NamesTable,
    caltech101,
    class_attribute,
    imagenet_classes,
    labelled_array,
    labelled_files,
    pairs,
    patch_camelyon,
    spaced_class_attribute,
)
from clipeval.records import ClassLabel


@dataclass(frozen=True, slots=True, kw_only=True)
class SplitRow:
    """One split of one set."""

    arguments: Mapping[str, str | bool] = field(default_factory=dict)
    """Keyword arguments that make torchvision's constructor take this split."""
    present: tuple[str, ...]
    """Files or folders below the root that are there once the split is."""
    n_images: int
    """As published."""
    download_bytes: int | None
    """What a download fetches; None if torchvision cannot download it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SetRow:
    """One of torchvision's sets."""

    splits: Mapping[str, SplitRow]
    n_classes: int
    classes: Callable[[object], tuple[ClassLabel, ...]]
    """From torchvision's data set to the classes in label order."""
    listing: Callable[[object], list[Label]]
    """From torchvision's data set to the label of each image, and its file if it has one."""
    from_array: bool = False
    """The images are in one array rather than in files."""
    by_hand: str = ""
    """How to get the files where torchvision cannot fetch them."""
    naming_note: str = ""
    """Where class names differ from those that published figures were made with."""

    @property
    def known_classes(self) -> tuple[ClassLabel, ...] | None:
        """All classes of the set, if they are known without its files."""
        return self.classes.all_classes() if isinstance(self.classes, NamesTable) else None


def _splits(
    present: str,
    counts: Mapping[str, int],
    download_bytes: int | Mapping[str, int] | None,
    *,
    option: str = "split",
    folder: Mapping[str, str] | None = None,
) -> dict[str, SplitRow]:
    """Return rows for splits that differ in one option; `{}` in `present` is the split's folder."""
    return {
        split: SplitRow(
            arguments={option: split},
            present=tuple(present.format((folder or {}).get(split, split)).split()),
            n_images=n_images,
            download_bytes=(
                download_bytes[split] if isinstance(download_bytes, Mapping) else download_bytes
            ),
        )
        for split, n_images in counts.items()
    }


def _train_test(
    train_files: str, test_files: str, n_train: int, n_test: int, download_bytes: int
) -> dict[str, SplitRow]:
    """Return rows for the sets whose constructor says `train=True` or `train=False`."""
    return {
        "train": SplitRow(
            arguments={"train": True},
            present=tuple(train_files.split()),
            n_images=n_train,
            download_bytes=download_bytes,
        ),
        "test": SplitRow(
            arguments={"train": False},
            present=tuple(test_files.split()),
            n_images=n_test,
            download_bytes=download_bytes,
        ),
    }


def _whole(present: str, n_images: int, download_bytes: int) -> dict[str, SplitRow]:
    """Return the row of a set that has no splits."""
    return {"all": SplitRow(present=(present,), n_images=n_images, download_bytes=download_bytes)}


def _mnist(folder: str, download_bytes: int) -> dict[str, SplitRow]:
    files = "{0}/raw/{1}-images-idx3-ubyte {0}/raw/{1}-labels-idx1-ubyte"
    return _train_test(
        files.format(folder, "train"), files.format(folder, "t10k"), 60_000, 10_000, download_bytes
    )


SETS: Mapping[str, SetRow] = {
    "CIFAR10": SetRow(
        splits=_train_test(
            "cifar-10-batches-py/data_batch_1", "cifar-10-batches-py/test_batch",
            50_000, 10_000, 170_498_071,
        ),
        n_classes=10,
        classes=class_attribute("classes"),
        listing=labelled_array("targets"),
        from_array=True,
    ),
    "CIFAR100": SetRow(
        splits=_train_test(
            "cifar-100-python/train", "cifar-100-python/test", 50_000, 10_000, 169_001_437
        ),
        n_classes=100,
        classes=spaced_class_attribute("classes"),
        listing=labelled_array("targets"),
        from_array=True,
    ),
    "Caltech101": SetRow(
        splits=_whole("caltech101/101_ObjectCategories", 8_677, 137_414_764),
        n_classes=101,
        classes=NamesTable("caltech101", subset="categories"),
        listing=caltech101,
    ),
    "Country211": SetRow(
        splits=_splits(
            "country211/{}", {"train": 31_650, "valid": 10_550, "test": 21_100}, 11_000_000_000
        ),
        n_classes=211,
        classes=NamesTable("country211", subset="classes"),
        listing=pairs("samples"),
    ),
    "DTD": SetRow(
        splits=_splits(
            "dtd/dtd/labels/{}1.txt dtd/dtd/images",
            {"train": 1_880, "val": 1_880, "test": 1_880},
            625_239_812,
        ),
        n_classes=47,
        classes=spaced_class_attribute("classes"),
        listing=labelled_files("_image_files", "_labels"),
    ),
    "EuroSAT": SetRow(
        splits=_whole("eurosat/2750", 27_000, 94_280_567),
        n_classes=10,
        classes=NamesTable("eurosat", subset="classes"),
        listing=pairs("samples"),
    ),
    "FGVCAircraft": SetRow(
        splits=_splits(
            "fgvc-aircraft-2013b/data/images_variant_{}.txt fgvc-aircraft-2013b/data/images",
            {"train": 3_334, "val": 3_333, "trainval": 6_667, "test": 3_333},
            2_770_575_360,
        ),
        n_classes=100,
        classes=class_attribute("classes"),
        listing=labelled_files("_image_files", "_labels"),
    ),
    "FashionMNIST": SetRow(
        splits=_mnist("FashionMNIST", 30_878_645),
        n_classes=10,
        classes=NamesTable("fashion_mnist"),
        listing=labelled_array("targets"),
        from_array=True,
    ),
    "Flowers102": SetRow(
        splits=_splits(
            "flowers-102/jpg flowers-102/imagelabels.mat flowers-102/setid.mat",
            {"train": 1_020, "val": 1_020, "test": 6_149},
            344_877_999,
        ),
        n_classes=102,
        classes=NamesTable("flowers102"),
        listing=labelled_files("_image_files", "_labels"),
    ),
    "Food101": SetRow(
        splits=_splits(
            "food-101/meta/{}.json food-101/images",
            {"train": 75_750, "test": 25_250},
            4_996_278_331,
        ),
        n_classes=101,
        classes=spaced_class_attribute("classes"),
        listing=labelled_files("_image_files", "_labels"),
    ),
    "GTSRB": SetRow(
        splits=_splits(
            "gtsrb/GTSRB/{}",
            {"train": 26_640, "test": 12_630},
            {"train": 187_490_228, "test": 89_078_240},
            folder={"train": "Training", "test": "Final_Test/Images"},
        ),
        n_classes=43,
        classes=NamesTable("gtsrb"),
        listing=pairs("_samples"),
    ),
    "ImageNet": SetRow(
        splits=_splits("{} meta.bin", {"train": 1_281_167, "val": 50_000}, None),
        n_classes=1000,
        classes=imagenet_classes,
        naming_note=(
            "OpenAI's list names two classes 'missile' and two 'sunglasses'; the second 'missile' is "
            "'projectile' and the first 'sunglasses' is 'sunglass' here, so published figures may differ "
            "by a hundredth of a point."
        ),
        listing=pairs("samples"),
        by_hand=(
            "register at https://image-net.org, put ILSVRC2012_devkit_t12.tar.gz and "
            "ILSVRC2012_img_val.tar (or _train.tar) into the root, and let "
            "torchvision.datasets.ImageNet unpack them once"
        ),
    ),
    "MNIST": SetRow(
        splits=_mnist("MNIST", 11_594_722),
        n_classes=10,
        classes=NamesTable("digits"),
        listing=labelled_array("targets"),
        from_array=True,
    ),
    "OxfordIIITPet": SetRow(
        splits=_splits(
            "oxford-iiit-pet/annotations/{}.txt oxford-iiit-pet/images",
            {"trainval": 3_680, "test": 3_669},
            811_092_049,
        ),
        n_classes=37,
        classes=class_attribute("classes"),
        listing=labelled_files("_images", "_labels"),
    ),
    "PCAM": SetRow(
        splits=_splits(
            "pcam/camelyonpatch_level_2_split_{0}_x.h5 pcam/camelyonpatch_level_2_split_{0}_y.h5",
            {"train": 262_144, "val": 32_768, "test": 32_768},
            {"train": 6_421_374_840, "val": 805_968_358, "test": 800_878_969},
            folder={"val": "valid"},
        ),
        n_classes=2,
        classes=NamesTable("pcam"),
        listing=patch_camelyon,
        from_array=True,
    ),
    "RenderedSST2": SetRow(
        splits=_splits(
            "rendered-sst2/{0}/negative rendered-sst2/{0}/positive",
            {"train": 6_920, "val": 872, "test": 1_821},
            131_000_000,
            folder={"val": "valid"},
        ),
        n_classes=2,
        classes=class_attribute("classes"),
        listing=pairs("_samples"),
    ),
    "STL10": SetRow(
        splits=_splits(
            "stl10_binary/{0}_X.bin stl10_binary/{0}_y.bin",
            {"train": 5_000, "test": 8_000},
            2_640_397_119,
        ),
        n_classes=10,
        classes=NamesTable("stl10"),
        listing=labelled_array("labels"),
        from_array=True,
    ),
    "SUN397": SetRow(
        splits=_whole("SUN397/ClassName.txt", 108_754, 39_077_296_924),
        n_classes=397,
        classes=spaced_class_attribute("classes"),
        listing=labelled_files("_image_files", "_labels"),
    ),
    "SVHN": SetRow(
        splits=_splits(
            "{}_32x32.mat",
            {"train": 73_257, "test": 26_032, "extra": 531_131},
            {"train": 182_040_794, "test": 64_275_384, "extra": 1_329_278_602},
        ),
        n_classes=10,
        classes=NamesTable("digits"),
        listing=labelled_array("labels"),
        from_array=True,
    ),
    "StanfordCars": SetRow(
        splits={
            "train": SplitRow(
                arguments={"split": "train"},
                present=("stanford_cars/devkit/cars_train_annos.mat", "stanford_cars/cars_train"),
                n_images=8_144,
                download_bytes=None,
            ),
            "test": SplitRow(
                arguments={"split": "test"},
                present=(
                    "stanford_cars/cars_test_annos_withlabels.mat", "stanford_cars/cars_test"
                ),
                n_images=8_041,
                download_bytes=None,
            ),
        },
        n_classes=196,
        classes=class_attribute("classes"),
        listing=pairs("_samples"),
        by_hand=(
            "its original address is gone; lay out a copy as torchvision.datasets.StanfordCars "
            "documents: stanford_cars/{devkit,cars_train,cars_test}"
        ),
    ),
}  # fmt: skip


def is_present(row: SplitRow, root: Path) -> bool:
    """Return whether a split seems to lie below root; cheap, opens no file."""
    return all(is_reachable(root / relative) for relative in row.present)
