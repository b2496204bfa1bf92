"""Evaluate and benchmark CLIP models: which prompt, which model, how fast, and is the difference real?"""

from importlib.metadata import version

__version__ = version("clipeval")
