import numpy as np
import pytest
import torch
from open_clip.transform import image_transform
from PIL import Image
from torchvision.transforms import Compose, ToTensor

from clipeval.models import Preprocessing

SETTINGS = [
    {"image_size": 32, "resize_mode": "shortest"},
    {"image_size": (32, 32), "resize_mode": "squash"},
    {"image_size": 32, "resize_mode": "longest", "fill_color": 128},
    {"image_size": (24, 40), "resize_mode": "shortest"},
    {"image_size": 32, "interpolation": "bilinear", "mean": (0.5,) * 3, "std": (0.25,) * 3},
]


def noise(width, height, mode="RGB"):
    values = np.random.default_rng(0).integers(0, 256, (height, width, 3), dtype=np.uint8)
    return Image.fromarray(values).convert(mode)


class TestItGivesTheVeryNumbersOfOpenClipsTransform:
    @pytest.mark.parametrize("settings", SETTINGS, ids=str)
    @pytest.mark.parametrize(
        "picture",
        [noise(50, 70), noise(20, 10), noise(40, 40, "L")],
        ids=["upright", "wide", "grey"],
    )
    def test_for_any_resizing_and_picture(self, settings, picture):
        transform = image_transform(is_train=False, **settings)
        assert torch.equal(Preprocessing.of(transform)(picture), transform(picture))

    def test_for_every_value_of_every_channel(self):
        values = np.arange(256, dtype=np.uint8).reshape(16, 16)
        picture = Image.fromarray(np.stack([values, values[::-1], values.T], axis=2))
        transform = image_transform(16, is_train=False)
        assert torch.equal(Preprocessing.of(transform)(picture), transform(picture))

    def test_written_into_one_row_it_leaves_the_others_alone(self):
        transform = image_transform(32, is_train=False)
        batch = np.full((3, 3, 32, 32), 7, dtype=np.float32)
        Preprocessing.of(transform).write(noise(50, 70), batch[1])
        assert np.array_equal(batch[1], transform(noise(50, 70)).numpy())
        assert (batch[[0, 2]] == 7).all()


def test_a_transform_that_ends_in_another_way_is_not_taken_apart():
    assert Preprocessing.of(Compose([ToTensor()])) is None
    assert Preprocessing.of(Compose([ToTensor(), torch.nn.Identity()])) is None
