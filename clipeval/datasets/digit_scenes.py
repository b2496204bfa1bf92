"""Handwritten digits in colour: the images behind the `sklearn-digits` data set.

Each image is one of scikit-learn's 8x8 handwritten digits (UCI ML "Optical recognition of
handwritten digits"), drawn in one colour on another, so that several zero-shot questions have an
answer on the same picture: which digit, which ink, which background.

The split is by position in `load_digits()`: the first 898 are `train`, the last 899 are `test`.
The halves are not shuffled because the source lists its images writer by writer, so that most of
the writers of the test half are unseen in training.
"""

import gzip
import math
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import TypeAlias

import numpy as np
import numpy.typing as npt
from PIL import Image

from clipeval.records import Question

Rgb: TypeAlias = tuple[int, int, int]

IMAGE_SIZE_PX = 64
N_TRAIN = 898
N_TEST = 899

DIGIT_WORDS: tuple[str, ...] = (
    "zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine",
)  # fmt: skip
COLOURS: tuple[str, ...] = (
    "red", "orange", "yellow", "green", "blue", "purple", "white", "black",
)  # fmt: skip
BASE_RGB: tuple[Rgb, ...] = (
    (208, 36, 36),
    (240, 136, 24),
    (240, 216, 56),
    (44, 150, 70),
    (44, 84, 204),
    (140, 64, 172),
    (236, 236, 232),
    (28, 28, 32),
)
JITTER = 18
"""Largest change of one channel (0..255) from a colour's base, either way."""
MIN_CONTRAST = 120.0
"""Least Euclidean distance in RGB between the base colours of ink and background."""

_TEST_SEED = 20_240_601
_TRAIN_SEED = 20_240_602
_SOURCE_SIZE_PX = 8
_PAD_PX = 2


@dataclass(frozen=True, slots=True)
class Pose:
    """Where and how the digit lies in the image; lengths in pixels of the 64x64 image."""

    centre_x_px: float
    centre_y_px: float
    width_px: float
    """Width of the source's 8 columns; the ink itself is usually narrower."""
    height_px: float
    rotation_deg: float
    """Clockwise, as the image is shown."""
    shear: float
    """Sideways shift per unit of height."""


@dataclass(frozen=True, slots=True)
class DigitScene:
    """Everything that `render_scene` needs to draw one image, and its three labels."""

    index: int
    """Position in `load_digits()`."""
    digit: int
    ink: int
    """Index into `COLOURS`."""
    background: int
    """Index into `COLOURS`, never equal to `ink`."""
    ink_rgb: Rgb
    background_rgb: Rgb
    pose: Pose
    noise: int
    """Amplitude of the pixel noise, in levels of 0..255."""
    noise_seed: tuple[int, int, int]


@dataclass(frozen=True, slots=True)
class _PoseRange:
    """How far a pose may stray; every value is drawn uniformly."""

    size_px: tuple[float, float]
    stretch: float
    rotation_deg: float
    shear: float


_TEST_POSES = _PoseRange(size_px=(50.0, 58.0), stretch=0.04, rotation_deg=6.0, shear=0.04)
# Wider than the test range: 898 digits are few, and unseen writers slant and stretch differently.
_TRAIN_POSES = _PoseRange(size_px=(48.0, 59.0), stretch=0.10, rotation_deg=10.0, shear=0.12)


def test_scenes() -> tuple[DigitScene, ...]:
    """Return the 899 scenes of the test half, in the order of `load_digits()`.

    The same on every machine: all that varies comes from PCG64 with a fixed seed and the index.
    """
    indices = range(N_TRAIN, N_TRAIN + N_TEST)
    return tuple(_draw_scene(index, 0, seed=_TEST_SEED, poses=_TEST_POSES) for index in indices)


def train_scenes(*, n_variants: int) -> tuple[DigitScene, ...]:
    """Return `n_variants` scenes of each of the 898 training digits, one digit after another.

    Drawn from another seed stream than `test_scenes`, with wider poses.
    """
    return tuple(
        _draw_scene(index, variant, seed=_TRAIN_SEED, poses=_TRAIN_POSES)
        for index in range(N_TRAIN)
        for variant in range(n_variants)
    )


def class_names(question: Question) -> tuple[str, ...]:
    """Return the class names of a question: "zero".."nine", or the eight colours."""
    return DIGIT_WORDS if question == "digit" else COLOURS


def label(scene: DigitScene, question: Question) -> int:
    """Return the right answer to a question, as an index into `class_names(question)`."""
    if question == "digit":
        return scene.digit
    return scene.ink if question == "ink" else scene.background


def render_scene(scene: DigitScene) -> Image.Image:
    """Draw a scene.

    Returns:
        An RGB image of 64x64 pixels.
    """
    coverage = _coverage(scene.index, scene.pose)[:, :, np.newaxis]
    ink = np.array(scene.ink_rgb, dtype=np.float64)
    background = np.array(scene.background_rgb, dtype=np.float64)
    flat = background + coverage * (ink - background)
    pixels = np.clip(np.rint(flat + _noise(scene)), 0, 255).astype(np.uint8)
    return Image.fromarray(pixels)


@cache
def colour_pairs() -> tuple[tuple[int, int], ...]:
    """Return the (ink, background) pairs of `COLOURS` that are far enough apart to be read."""
    return tuple(
        (ink, background)
        for ink, ink_rgb in enumerate(BASE_RGB)
        for background, background_rgb in enumerate(BASE_RGB)
        if ink != background and math.dist(ink_rgb, background_rgb) >= MIN_CONTRAST
    )


@dataclass(frozen=True, slots=True)
class _Digits:
    images: npt.NDArray[np.uint8]
    """(1797, 8, 8), 0..255."""
    labels: npt.NDArray[np.int64]
    """(1797,), 0..9."""


@cache
def _digits() -> _Digits:
    table = _table_of_digits()
    # The source counts ink in 4x4 blocks: 0..16.
    images = np.rint(table[:, :-1].reshape(-1, 8, 8) * (255 / 16)).astype(np.uint8)
    return _Digits(images=images, labels=table[:, -1].astype(np.int64))


def _table_of_digits() -> npt.NDArray[np.float64]:
    """Return what scikit-learn's load_digits() reads: (1797, 65), pixels and the digit.

    scikit-learn takes a second to import, so the file is read here; where it lies elsewhere, by load_digits.
    """
    found = find_spec("sklearn")
    folders = () if found is None else found.submodule_search_locations or ()
    for folder in folders:
        file = Path(folder) / "datasets" / "data" / "digits.csv.gz"
        if file.is_file():
            with gzip.open(file, "rt", encoding="ascii") as lines:
                return np.loadtxt(lines, delimiter=",")
    from sklearn.datasets import load_digits  # noqa: PLC0415

    bunch = load_digits()
    return np.column_stack([bunch.data, bunch.target])


def _draw_scene(index: int, variant: int, *, seed: int, poses: _PoseRange) -> DigitScene:
    random = np.random.Generator(np.random.PCG64((seed, index, variant)))
    pairs = colour_pairs()
    ink, background = pairs[int(random.integers(len(pairs)))]
    return DigitScene(
        index=index,
        digit=int(_digits().labels[index]),
        ink=ink,
        background=background,
        ink_rgb=_jittered(BASE_RGB[ink], random),
        background_rgb=_jittered(BASE_RGB[background], random),
        pose=_draw_pose(poses, random),
        noise=int(random.integers(4, 15)),
        noise_seed=(seed + 1_000, index, variant),
    )


def _jittered(rgb: Rgb, random: np.random.Generator) -> Rgb:
    red, green, blue = (
        min(255, max(0, channel + int(random.integers(-JITTER, JITTER + 1)))) for channel in rgb
    )
    return red, green, blue


def _draw_pose(poses: _PoseRange, random: np.random.Generator) -> Pose:
    size_px = float(random.uniform(*poses.size_px))
    # The digit stays inside the frame: its box may move by what the frame leaves over.
    slack_px = (IMAGE_SIZE_PX - size_px) / 2
    middle_px = IMAGE_SIZE_PX / 2
    return Pose(
        centre_x_px=middle_px + slack_px * float(random.uniform(-1, 1)),
        centre_y_px=middle_px + slack_px * float(random.uniform(-1, 1)),
        width_px=size_px * float(random.uniform(1 - poses.stretch, 1 + poses.stretch)),
        height_px=size_px * float(random.uniform(1 - poses.stretch, 1 + poses.stretch)),
        rotation_deg=float(random.uniform(-poses.rotation_deg, poses.rotation_deg)),
        shear=float(random.uniform(-poses.shear, poses.shear)),
    )


def _coverage(index: int, pose: Pose) -> npt.NDArray[np.float64]:
    """Return how much of each pixel is ink: (64, 64), 0..1."""
    # Without a margin the bicubic kernel would smear ink that touches the source's edge.
    padded = np.pad(_digits().images[index], _PAD_PX)
    grey = Image.fromarray(padded).transform(
        (IMAGE_SIZE_PX, IMAGE_SIZE_PX),
        Image.Transform.AFFINE,
        data=tuple(_to_source(pose)),
        resample=Image.Resampling.BICUBIC,
    )
    # A soft threshold turns the blur of the enlarged 8x8 grid into a stroke with an edge.
    ramp = np.clip((np.asarray(grey, dtype=np.float64) / 255 - 0.22) / 0.36, 0.0, 1.0)
    return ramp * ramp * (3 - 2 * ramp)


def _to_source(pose: Pose) -> Iterator[float]:
    """Yield Pillow's six affine coefficients, which map a pixel of the image to the source."""
    cosine = math.cos(math.radians(pose.rotation_deg))
    sine = math.sin(math.radians(pose.rotation_deg))
    middle = _SOURCE_SIZE_PX / 2 + _PAD_PX
    per_x = _SOURCE_SIZE_PX / pose.width_px
    per_y = _SOURCE_SIZE_PX / pose.height_px
    row_x = ((cosine + pose.shear * -sine) * per_x, (sine + pose.shear * cosine) * per_x)
    row_y = (-sine * per_y, cosine * per_y)
    for a, b in (row_x, row_y):
        yield from (a, b, middle - a * pose.centre_x_px - b * pose.centre_y_px)


def _noise(scene: DigitScene) -> npt.NDArray[np.int64]:
    """Return (64, 64, 3) integers with a triangular distribution within +-`scene.noise`.

    Drawn from integers alone, whose stream is the same on every platform.
    """
    random = np.random.Generator(np.random.PCG64(scene.noise_seed))
    shape = (2, IMAGE_SIZE_PX, IMAGE_SIZE_PX, 3)
    low, high = random.integers(0, scene.noise + 1, size=shape)
    return np.asarray(high - low, dtype=np.int64)
