"""Stand-ins: a model whose arithmetic can be done by hand, and images that need no file."""

import hashlib
import importlib.util
from dataclasses import dataclass, field, replace
from pathlib import Path

import open_clip
import pytest
import torch
from PIL import Image
from torchvision.transforms.functional import pil_to_tensor

from clipeval.datasets import ImageReadError, LoadedImage
from clipeval.models import ClipModel, load_model
from clipeval.models.tokenizers import Tokenizer
from clipeval.records import ClassLabel, ModelRecord, ModelSpec, Sample


class StandInTowers(torch.nn.Module):
    """Image features are (mean red, mean green, mean blue, 1); text features come from the ids.

    Args:
        fits: more rows than this at once do not fit in memory; None for any number.
        nan_red: an image whose mean red is this becomes NaN.
        before: called with the number of rows before each forward pass.
    """

    def __init__(self, *, fits=None, nan_red=None, before=lambda n_rows: None):
        super().__init__()
        self.fits, self.nan_red, self.before = fits, nan_red, before
        self.image_calls = []
        self.text_calls = []

    def encode_image(self, images, normalize):
        assert not normalize
        self.image_calls.append(len(images))
        self._check(len(images))
        means = images.mean(dim=(2, 3))
        features = torch.cat([means, torch.ones_like(means[:, :1])], dim=1)
        if self.nan_red is not None:
            features[(means[:, 0] - self.nan_red).abs() < 1e-6] = torch.nan
        return features

    def encode_text(self, tokens, normalize):
        assert not normalize
        self.text_calls.append(len(tokens))
        self._check(len(tokens))
        positions = torch.arange(1, tokens.shape[1] + 1)
        return torch.stack(
            [(tokens * positions % prime).sum(dim=1).float() + 1 for prime in (7, 11, 13, 17)],
            dim=1,
        )

    def _check(self, n_rows):
        self.before(n_rows)
        if self.fits is not None and n_rows > self.fits:
            raise torch.OutOfMemoryError("out of memory: tried to allocate 20.00 MiB\nmore lines")


@dataclass
class ListedImages:
    """An ImageDataset of pictures, or of the errors that reading them gives."""

    images: list
    key: str = "pictures"
    source: str = "stand-in"
    classes: tuple = (ClassLabel("a", ("a",)), ClassLabel("b", ("b",)))
    notices: tuple = ()
    before_read: object = None
    reads: list = field(default_factory=list)

    @property
    def samples(self):
        return tuple(Sample(f"s{i}", f"{i}.png", i % 2) for i in range(len(self.images)))

    def load(self, index):
        return LoadedImage(self.read(index), self.content_sha256(index))

    def read(self, index):
        self.reads.append(index)
        if self.before_read is not None:
            self.before_read(index)
        if isinstance(self.images[index], str):
            raise ImageReadError(self.images[index])
        return self.images[index]

    def content_sha256(self, index):
        if isinstance(self.images[index], str):
            raise ImageReadError(self.images[index])
        return hashlib.sha256(self.images[index].tobytes()).hexdigest()


RECORD = ModelRecord(
    id="stand-in",
    spec="stand-in",
    name="stand-in",
    pretrained=None,
    quick_gelu=False,
    random_weights=True,
    n_parameters=0,
    embed_dim=4,
    image_size=(4, 4),
    context_length=77,
    logit_scale=10.0,
    preprocessing={"resize_mode": "squash", "interpolation": "bicubic"},
    weights_sha256="a" * 64,
    config_sha256="b" * 64,
    preprocessing_sha256="c" * 64,
    tokenizer_sha256="d" * 64,
)


@pytest.fixture(scope="session")
def tokenizer():
    return Tokenizer(open_clip.get_tokenizer("ViT-B-32"))


@pytest.fixture
def stand_in(tokenizer):
    """Return a ClipModel around stand-in towers; record fields can be given another value."""

    def make(towers=None, *, precision="fp32", **record):
        return ClipModel(
            spec=ModelSpec(id="stand-in", kind="tiny", name="tiny"),
            record=replace(RECORD, **record),
            module=towers or StandInTowers(),
            preprocess=lambda image: pil_to_tensor(image).float() / 255,
            tokenizer=tokenizer,
            logit_scale=10.0,
            device="cpu",
            precision=precision,
        )

    return make


@pytest.fixture
def towers():
    return StandInTowers


@pytest.fixture
def pictures():
    """Return a data set of n pictures; picture i is red to the degree 5 * i."""

    def make(n_images, *, broken=(), **options):
        images = [
            f"broken {i}" if i in broken else Image.new("RGB", (4, 4), (5 * i, 10, 20))
            for i in range(n_images)
        ]
        return ListedImages(images, **options)

    return make


@pytest.fixture(scope="session")
def builders():
    """What tests/models builds reduced architectures with."""
    path = Path(__file__).parents[1] / "models" / "conftest.py"
    found = importlib.util.spec_from_file_location("small_model_folders", path)
    module = importlib.util.module_from_spec(found)
    found.loader.exec_module(module)
    return module


@pytest.fixture(scope="session")
def model_folders(builders, tmp_path_factory):
    """The reduced architectures of tests/models, as local-dir folders by name."""
    root = tmp_path_factory.mktemp("architectures")
    made = {}
    for name, config in builders.ARCHITECTURES.items():
        preprocessing = builders.SIGLIP_PREPROCESS if name == "siglip" else None
        made[name] = builders.make_folder(root / name, config, preprocessing).path
    builders.write_tokenizer(made["siglip"])
    return made


@pytest.fixture(scope="session")
def text_model(builders, tmp_path_factory):
    """Return a reduced CLIP whose text tower reads 77 tokens; its config can be added to."""

    def make(*, text_cfg=None, precision="fp32", **config):
        small = {"context_length": 77, "width": 32, "heads": 4}
        text = {**builders.SIMPLE_TEXT, **small, **(text_cfg or {})}
        folder = tmp_path_factory.mktemp("text-model")
        builders.make_folder(folder, {**builders.VIT, **config, "text_cfg": text})
        spec = ModelSpec(id="small", kind="local-dir", name=str(folder))
        return load_model(spec, precision=precision)

    return make
