import open_clip
import pytest
import torch

from clipeval.models.patch_embedding import PatchEmbedding, multiply_patches


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize(
    ("patch", "size"), [((4, 4), (16, 24)), ((3, 5), (10, 12)), ((32, 32), (224, 224))]
)
def test_gives_what_the_convolution_gives(bias, patch, size):
    convolution = torch.nn.Conv2d(3, 11, patch, stride=patch, bias=bias)
    pixels = torch.randn(2, 3, *size)
    with torch.no_grad():
        torch.testing.assert_close(PatchEmbedding(convolution)(pixels), convolution(pixels))


def test_the_names_of_weights_stay():
    convolution = torch.nn.Conv2d(3, 11, 4, stride=4)
    assert PatchEmbedding(convolution).state_dict().keys() == convolution.state_dict().keys()


class StandardizedConvolution(torch.nn.Conv2d):
    """As timm has it: other weights than those it holds."""

    def forward(self, pixels):
        return super().forward(pixels) / self.weight.std()


@pytest.mark.parametrize(
    "convolution",
    [
        StandardizedConvolution(3, 4, 4, stride=4),
        torch.nn.Conv2d(3, 4, 3, stride=2),
        torch.nn.Conv2d(3, 4, 4, stride=4, padding=1),
        torch.nn.Conv2d(4, 4, 2, stride=2, groups=2),
        torch.nn.Conv2d(3, 4, 2, stride=2, dilation=2),
        torch.nn.Conv2d(3, 4, 1),
    ],
)
def test_other_convolutions_stay(convolution):
    assert multiply_patches(torch.nn.Sequential(convolution)) == 0


def test_a_whole_tower_gives_the_same():
    module = open_clip.create_model("ViT-B-32").visual.eval()
    pixels = torch.randn(2, 3, 224, 224)
    with torch.inference_mode():
        before = module(pixels)
        assert multiply_patches(module) == 1
        assert isinstance(module.conv1, PatchEmbedding)
        torch.testing.assert_close(module(pixels), before, rtol=0, atol=1e-5)
