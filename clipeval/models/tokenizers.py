"""open_clip's tokenizers, unchanged, and what they do to a prompt before it is cut."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any, cast

import open_clip
import torch
from open_clip.tokenizer import (
    HFTokenizer,
    SigLipTokenizer,
    SimpleTokenizer,
    basic_clean,
    canonicalize_text,
)

from clipeval.errors import ModelError
from clipeval.models.fingerprints import hash_json
from clipeval.models.open_clip_quiet import quiet_open_clip
from clipeval.records import TokenizedPrompt

_RUN_TIME_STATE = ("truncation", "padding")
_UNDECODABLE = "\ufffd"


class Tokenizer:
    """The tokenizer that a model was trained with."""

    def __init__(self, tokenizer: SimpleTokenizer | HFTokenizer | SigLipTokenizer) -> None:
        self._tokenizer: Any = tokenizer
        self._is_simple = isinstance(tokenizer, SimpleTokenizer)
        self.context_length: int = int(self._tokenizer.context_length)
        """Tokens that fit, start and end included."""
        self.sha256: str = hash_json(self._settings())
        """Of class, vocabulary, merges and settings."""

    def __call__(self, texts: Sequence[str]) -> torch.Tensor:
        """Tokenize exactly as open_clip does: padded, and cut at the context length.

        Returns:
            (P, L) int64, L the context length.
        """
        return cast("torch.Tensor", self._tokenizer(list(texts)))

    def token_ids(self, text: str) -> tuple[int, ...]:
        """Return the ids of a text before padding and cutting, start and end included.

        More of them than `context_length` means that calling the tokenizer cuts the text.
        """
        if self._is_simple:
            inner = self._tokenizer.encode(text)
            return (self._tokenizer.sot_token_id, *inner, self._tokenizer.eot_token_id)
        inner_tokenizer = self._tokenizer.tokenizer
        if getattr(self._tokenizer, "tokenizer_mode", "") == "clips":
            bare = self._hub_ids(text, add_special_tokens=False)
            return (
                inner_tokenizer.bos_token_id,
                *bare,
                inner_tokenizer.eos_token_id,
                inner_tokenizer.cls_token_id,
            )
        ids = self._hub_ids(text, add_special_tokens=True)
        if getattr(self._tokenizer, "strip_sep_token", False):
            separator = inner_tokenizer.sep_token_id
            return tuple(0 if token == separator else token for token in ids)
        return ids

    def tokenized(self, text: str) -> TokenizedPrompt:
        """Return the ids of a text as `token_ids` does, with readable text for each: `a`, `photo`."""
        token_ids = self.token_ids(text)
        return TokenizedPrompt(
            prompt=text, token_ids=token_ids, pieces=tuple(self._piece(one) for one in token_ids)
        )

    def _hub_ids(self, text: str, *, add_special_tokens: bool) -> tuple[int, ...]:
        encoded = self._tokenizer.tokenizer(
            self._clean(text),
            add_special_tokens=add_special_tokens,
            truncation=False,
            padding=False,
        )
        return tuple(encoded["input_ids"])

    def _clean(self, text: str) -> str:
        if isinstance(self._tokenizer, SigLipTokenizer):
            return cast("str", canonicalize_text(basic_clean(text)))
        return cast("str", self._tokenizer.clean_fn(text))

    def _piece(self, token: int) -> str:
        if self._is_simple and token in self._tokenizer.all_special_ids:
            return cast("str", self._tokenizer.decoder[token])
        if self._is_simple:
            readable = cast("str", self._tokenizer.decode([token])).strip()
            return readable if _UNDECODABLE not in readable else self._as_bytes(token)
        inner = self._tokenizer.tokenizer
        readable = cast("str", inner.decode([token], skip_special_tokens=False)).strip()
        return readable or cast("str", inner.convert_ids_to_tokens(token))

    def _as_bytes(self, token: int) -> str:
        """Return `<E6 9D>` for a token that is a part of a character."""
        symbols = self._tokenizer.decoder[token].removesuffix("</w>")
        return f"<{bytes(self._tokenizer.byte_decoder[s] for s in symbols).hex(' ').upper()}>"

    def _settings(self) -> dict[str, Any]:
        clean = getattr(self._tokenizer, "clean_fn", None)
        settings: dict[str, Any] = {
            "class": type(self._tokenizer).__name__,
            "context_length": self.context_length,
            "clean": getattr(clean, "__name__", ""),
        }
        if self._is_simple:
            ranks = sorted(self._tokenizer.bpe_ranks.items(), key=lambda item: item[1])
            reduction = self._tokenizer.reduction_fn
            return settings | {
                "vocabulary": self._tokenizer.encoder,
                "merges": [list(merge) for merge, _ in ranks],
                "reduction": repr(getattr(reduction, "__name__", reduction)),
            }
        return settings | {
            "strip_sep_token": getattr(self._tokenizer, "strip_sep_token", False),
            "mode": getattr(self._tokenizer, "tokenizer_mode", ""),
            "tokenizer": _hub_definition(self._tokenizer.tokenizer),
        }


def load_tokenizer(identifier: str, *, model_cfg: Mapping[str, Any]) -> Tokenizer:
    """Load the tokenizer of an architecture, a hub repository or a folder.

    Args:
        identifier: as open_clip.get_tokenizer takes it.
        model_cfg: the model's config, which open_clip will look up under that identifier.
    Raises:
        ModelError: its files are not there, or cannot be used.
    """
    on_hub = model_cfg["text_cfg"].get("hf_tokenizer_name")
    # Said again here: no config, and no repository that it names, may bring code along.
    options = {"trust_remote_code": False} if on_hub else {}
    try:
        if not on_hub:
            return _built_in(identifier, json.dumps(model_cfg, sort_keys=True))
        with quiet_open_clip():
            return Tokenizer(open_clip.get_tokenizer(identifier, **options))
    except ImportError as error:
        raise ModelError(
            f"its tokenizer '{on_hub}' needs transformers: pip install 'clipeval[hf]' ({error})"
        ) from error
    except Exception as error:
        # What the tokenizers library raises about a damaged file is a bare Exception.
        raise ModelError(_cannot_load(identifier, on_hub, error)) from error


@lru_cache(maxsize=1)
def _built_in(identifier: str, config: str) -> Tokenizer:  # noqa: ARG001 (a part of the key)
    """Build open_clip's own tokenizer, which takes half a second and hangs on the config alone.

    The last one is kept: a model that is loaded in another precision has the same.
    """
    with quiet_open_clip():
        return Tokenizer(open_clip.get_tokenizer(identifier))


def _cannot_load(identifier: str, on_hub: str | None, error: Exception) -> str:
    cause = " ".join(str(error).split())
    if on_hub and identifier.startswith("local-dir:"):
        return (
            f"{identifier.removeprefix('local-dir:')} names a tokenizer of the hub ('{on_hub}'), "
            "and its files (tokenizer.json, tokenizer_config.json) must lie in that folder too: "
            f"{cause}"
        )
    if on_hub:
        return f"its tokenizer, hub repository '{on_hub}', cannot be loaded: {cause}"
    return f"its tokenizer cannot be built: {type(error).__name__}: {cause}"


def _hub_definition(tokenizer: Any) -> Any:  # noqa: ANN401 (transformers has no common base worth naming)
    """Return all that decides how a transformers tokenizer splits text."""
    if getattr(tokenizer, "is_fast", False):
        definition = json.loads(tokenizer.backend_tokenizer.to_str())
        # Set by each call, so no part of what the tokenizer is.
        return {key: v for key, v in definition.items() if key not in _RUN_TIME_STATE}
    special = {key: str(value) for key, value in tokenizer.special_tokens_map.items()}
    return {"class": type(tokenizer).__name__, "vocab": tokenizer.get_vocab(), "special": special}
