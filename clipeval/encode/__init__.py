"""Image and text towers -> unit embeddings."""

from clipeval.encode.backing_off import BackingOff
from clipeval.encode.encoder import ClipEncoder
from clipeval.encode.images import encode_images
from clipeval.encode.prompts import PromptEncoder, encode_prompts

__all__ = [
    "BackingOff",
    "ClipEncoder",
    "PromptEncoder",
    "encode_images",
    "encode_prompts",
]
