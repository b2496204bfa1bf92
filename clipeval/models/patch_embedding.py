"""The first layer of a vision transformer as the matrix product that it is.

It cuts a picture into patches and maps each to a vector: a convolution whose steps are as long as its kernel
is wide. In bf16 on an H200, cuDNN ran it without tensor cores: a quarter of ViT-B-32's time for a fiftieth of
its arithmetic (docs/benchmarks.md).
"""

from __future__ import annotations

import torch
from torch.nn.functional import linear


class PatchEmbedding(torch.nn.Module):
    """A convolution over patches that do not overlap; parameters are the convolution's own."""

    def __init__(self, convolution: torch.nn.Conv2d) -> None:
        super().__init__()
        self.weight, self.bias = convolution.weight, convolution.bias

    def forward(self, pixels: torch.Tensor) -> torch.Tensor:
        """Return (B, D, H / h, W / w) of (B, C, H, W), as the convolution does."""
        batch, channels, height, width = pixels.shape
        n_features, _, patch_height, patch_width = self.weight.shape
        rows, columns = height // patch_height, width // patch_width
        whole = pixels[:, :, : rows * patch_height, : columns * patch_width]
        patches = (
            whole.reshape(batch, channels, rows, patch_height, columns, patch_width)
            .permute(0, 2, 4, 1, 3, 5)
            .reshape(batch, rows * columns, -1)
        )
        features = linear(patches, self.weight.flatten(1), self.bias)
        return features.transpose(1, 2).reshape(batch, n_features, rows, columns)


def multiply_patches(module: torch.nn.Module) -> int:
    """Replace convolutions over patches of pictures inside a module; return how many there were."""
    found = [
        (parent, name, child)
        for parent in module.modules()
        for name, child in parent.named_children()
        if type(child) is torch.nn.Conv2d
        and _is_over_patches(child)  # subclasses compute something else
    ]
    for parent, name, child in found:
        setattr(parent, name, PatchEmbedding(child))
    return len(found)


def _is_over_patches(convolution: torch.nn.Conv2d) -> bool:
    return (
        convolution.kernel_size == convolution.stride
        and convolution.kernel_size != (1, 1)
        and convolution.padding in {(0, 0), "valid"}
        and convolution.dilation == (1, 1)
        and convolution.groups == 1
    )
