"""The training set of the embedded model `tiny`: rendered images, tokenised captions, matches."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import open_clip
import torch
from PIL import Image
from tiny_captions import ANY, DIGIT_FAMILIES, FAMILIES, Caption, draw_caption
from torch import Tensor

from clipeval.datasets.digit_scenes import DigitScene, render_scene


@dataclass(frozen=True, slots=True)
class Pool:
    """The training set, rendered and tokenised once; M images, K captions each, U distinct."""

    images: Tensor
    """(M, 3, 32, 32) uint8."""
    parts: Tensor
    """(M, 3) int64: digit, ink and background of each image."""
    caption_of: Tensor
    """(M, K) int64 rows of the tables of captions; the first column is about the digit alone."""
    vocabulary: Tensor
    """(V,) int64, ascending: the token ids that occur."""
    tokens: Tensor
    """(U, 32) int64 positions in `vocabulary`, zero after the end."""
    truth: Tensor
    """(U, 4) int64: digit, ink, background, either; `ANY` where the caption does not say."""


def build_pool(
    scenes: Sequence[DigitScene],
    *,
    n_captions: int,
    image_size_px: int,
    context_length: int,
    seed: int,
) -> Pool:
    """Render the scenes, and draw `n_captions` for each from a fixed seed."""
    images = np.stack([_resized(render_scene(scene), image_size_px) for scene in scenes])
    random = np.random.Generator(np.random.PCG64(seed))
    rows: dict[Caption, int] = {}
    caption_rows = [
        rows.setdefault(draw_caption(scene, random, families), len(rows))
        for scene in scenes
        for families in (DIGIT_FAMILIES, *[FAMILIES] * (n_captions - 1))
    ]
    tokenizer = open_clip.SimpleTokenizer(context_length=context_length)
    token_ids = tokenizer([caption.text for caption in rows])
    vocabulary, tokens = torch.unique(token_ids, return_inverse=True)
    return Pool(
        images=torch.from_numpy(images).permute(0, 3, 1, 2).contiguous(),
        parts=torch.tensor([(scene.digit, scene.ink, scene.background) for scene in scenes]),
        caption_of=torch.tensor(caption_rows).view(len(scenes), n_captions),
        vocabulary=vocabulary,
        tokens=tokens,
        truth=torch.tensor([(c.digit, c.ink, c.background, c.either) for c in rows]),
    )


def _resized(image: Image.Image, size_px: int) -> npt.NDArray[np.uint8]:
    """Resize as the model's own preprocessing will: Pillow's bicubic filter, antialiased."""
    return np.asarray(image.resize((size_px, size_px), Image.Resampling.BICUBIC), dtype=np.uint8)


def match_matrix(parts: Tensor, truth: Tensor) -> Tensor:
    """Tell which caption is true of which image.

    Args:
        parts: (N, 3) int64, see `Pool.parts`.
        truth: (T, 4) int64, see `Pool.truth`.
    Returns:
        (N, T) bool.
    """
    wanted, either = truth[:, :3], truth[:, 3]
    agrees = (wanted == ANY) | (wanted == parts[:, None, :])
    has_colour = (parts[:, 1:, None] == either).any(dim=1)
    return agrees.all(dim=2) & ((either == ANY) | has_colour)
