"""The prompts of one cell, as the text tower sees them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from clipeval.records import CellResult, TemplateRecord, TokenizedPrompt
from clipeval.wording import count

MAX_SHOWN = 20


@dataclass(frozen=True, slots=True)
class Token:
    """One token of a prompt."""

    piece: str
    id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Prompt:
    """One prompt."""

    text: str
    tokens: tuple[Token, ...]
    """Empty in runs that did not record them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Prompts:
    """The first prompts of a cell."""

    origin: str
    account: str
    shown: tuple[Prompt, ...]
    n_more: int


def prompts_view(cell: CellResult) -> Prompts:
    """Show the prompts of a cell, and how many tokens of the context they take."""
    template = cell.template
    per_class = sorted(set(template.prompts_per_class))
    each = _span(per_class)
    account = f"{count(len(template.prompts), 'prompt')}, {each} for each class"
    if template.tokenized:
        n_tokens = _span([len(one.token_ids) for one in template.tokenized])
        account += f"; {n_tokens} of {count(cell.model.context_length, 'token')}"
    return Prompts(
        origin=template.origin,
        account=account,
        shown=_shown(template),
        n_more=max(0, len(template.prompts) - MAX_SHOWN),
    )


def _span(numbers: Sequence[int]) -> str:
    return " to ".join(str(n) for n in dict.fromkeys((min(numbers), max(numbers))))


def _shown(template: TemplateRecord) -> tuple[Prompt, ...]:
    known = {one.prompt: one for one in template.tokenized}
    return tuple(
        Prompt(text=text, tokens=_tokens(known.get(text))) for text in template.prompts[:MAX_SHOWN]
    )


def _tokens(known: TokenizedPrompt | None) -> tuple[Token, ...]:
    if known is None:
        return ()
    return tuple(
        Token(piece, str(id_)) for piece, id_ in zip(known.pieces, known.token_ids, strict=True)
    )
