"""Prompts as tokenizers see them."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenizedPrompt:
    """A prompt as the text tower sees it, without padding."""

    prompt: str
    token_ids: tuple[int, ...]
    pieces: tuple[str, ...]
    """What each id stands for."""
