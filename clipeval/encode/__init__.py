"""Image and text towers -> unit embeddings."""

from clipeval.encode.backing_off import BackingOffTower
from clipeval.encode.cached import CachedEmbeddings, encode_images_cached
from clipeval.encode.images import ImageEmbeddings, encode_images
from clipeval.encode.prompts import PromptEmbeddings, encode_prompts

__all__ = [
    "BackingOffTower",
    "CachedEmbeddings",
    "ImageEmbeddings",
    "PromptEmbeddings",
    "encode_images",
    "encode_images_cached",
    "encode_prompts",
]
