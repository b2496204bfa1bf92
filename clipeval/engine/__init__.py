"""Who evaluates which cell, and what a cell becomes."""

from clipeval.engine.classification import classify_images
from clipeval.engine.environment import capture_environment
from clipeval.engine.evaluator import Evaluator
from clipeval.engine.model_slot import LoadedModel, ModelSlot

__all__ = [
    "Evaluator",
    "LoadedModel",
    "ModelSlot",
    "capture_environment",
    "classify_images",
]
