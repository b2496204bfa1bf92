"""Image and text towers -> unit embeddings."""

from clipeval.encode.cached import CachedEmbeddings, encode_images_cached
from clipeval.encode.images import ImageEmbeddings, encode_images
from clipeval.encode.prompts import encode_prompts

__all__ = [
    "CachedEmbeddings",
    "ImageEmbeddings",
    "encode_images",
    "encode_images_cached",
    "encode_prompts",
]
