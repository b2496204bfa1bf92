"""Image and text towers -> unit embeddings."""

from clipeval.encode.backing_off import BackingOff
from clipeval.encode.cached import CachedEmbeddings, contents_sha256, encode_images_cached
from clipeval.encode.images import ImageEmbeddings, encode_images
from clipeval.encode.prompts import PromptEmbeddings, PromptEncoder, encode_prompts

__all__ = [
    "BackingOff",
    "CachedEmbeddings",
    "ImageEmbeddings",
    "PromptEmbeddings",
    "PromptEncoder",
    "contents_sha256",
    "encode_images",
    "encode_images_cached",
    "encode_prompts",
]
