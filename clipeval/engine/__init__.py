"""Who evaluates which cell, and what a cell becomes."""

from clipeval.engine.environment import capture_environment
from clipeval.engine.evaluator import Evaluator
from clipeval.engine.model_slot import LoadEncoder, ModelSlot
from clipeval.engine.spaces import machine_key

__all__ = [
    "Evaluator",
    "LoadEncoder",
    "ModelSlot",
    "capture_environment",
    "machine_key",
]
