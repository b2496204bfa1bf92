"""Models: from a spec to towers, preprocessing and tokenizer whose every part is known."""

from clipeval.models.clip_model import ClipModel
from clipeval.models.loading import load_model
from clipeval.models.preprocessing import Preprocessing
from clipeval.models.registry import AvailableModel, available_models
from clipeval.models.sources import check_spec
from clipeval.models.tokenizers import Tokenizer

__all__ = [
    "AvailableModel",
    "ClipModel",
    "Preprocessing",
    "Tokenizer",
    "available_models",
    "check_spec",
    "load_model",
]
