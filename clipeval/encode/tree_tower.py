"""A causal text tower run on a prefix tree of prompts, where that is exact."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, cast

import numpy as np
import torch
from open_clip import CLIP, CoCa, CustomTextCLIP
from open_clip.transformer import TextTransformer

from clipeval.devices import full_precision
from clipeval.encode.backing_off import BackingOff
from clipeval.encode.prefix_tree import PackedBranches, pack_prompts
from clipeval.encode.text_batches import packed_at_once, padded_at_once
from clipeval.models import ClipModel
from clipeval.records import Precision
from clipeval.records.results import IntArray

NODES_A_SEQUENCE = 256
"""Long enough for a matrix product to be fast, short enough for attention, which grows with its square,
to cost little beside the rest of a layer."""
TOLERANCES: dict[Precision, float] = {"fp32": 1e-5, "bf16": 3e-2, "fp16": 4e-3}
"""How far a unit embedding may lie from that of the padded tower, by precision: as two batch sizes of the
same tower, docs/design/003-numeric-floor.md."""
PROOF = ("", "a photo of a dog", "a photo of a cat, seen from very far away")
"""What both ways are compared on, beside one prompt as long as the context allows."""
_POOLED_AT_END = ("argmax", "eos")


class NotExactError(Exception):
    """The tower cannot be run on a tree; says why."""


@dataclass(frozen=True, slots=True)
class TreeTower:
    """Parts of a causal text tower that reads a prompt at its end token."""

    model: ClipModel
    _parts: Any
    """open_clip's CLIP, or the TextTransformer inside of another: both name their parts alike."""
    _pool_type: str
    _eos_id: int | None

    @classmethod
    def of(cls, model: ClipModel) -> TreeTower:
        """Return the text tower of a model, compared with the padded one on a few prompts.

        Raises:
            NotExactError: the tower is of another kind, or gives something else.
            EncodingError: not even one prompt fits in memory.
        """
        parts = _text_tower(model.module)
        is_native = parts is model.module
        pool_type = parts.text_pool_type if is_native else parts.pool_type
        if parts.attn_mask is None or not _is_causal(parts.attn_mask):
            raise NotExactError("its tokens see more than those before them")
        if getattr(parts, "cls_emb", None) is not None or pool_type not in _POOLED_AT_END:
            raise NotExactError("it does not read a prompt at its end token")
        tower = cls(model, parts, pool_type, parts.text_eos_id if is_native else parts.eos_id)
        tower._prove()
        return tower

    def lengths(self, tokens: torch.Tensor) -> IntArray:
        """Return (P,) how many tokens of (P, L) padded prompts count: up to where open_clip pools.

        What stands behind that token it does not see.
        """
        token_ids = tokens.numpy()
        is_end = token_ids if self._pool_type == "argmax" else token_ids == self._eos_id
        ends: IntArray = is_end.argmax(axis=-1)
        return ends + 1

    @torch.inference_mode()
    def encode(self, sequences: Sequence[PackedBranches]) -> torch.Tensor:
        """Run the tower.

        Returns:
            (P, D) text embeddings, not normalised, of the sequences' prompts one behind the other; device
            and dtype as those of `ClipModel.encode_text`.
        """
        token_ids, positions, sees = (x.to(self.model.device) for x in _inputs(sequences))
        tower = self._parts
        dtype = tower.transformer.get_cast_dtype()
        with full_precision(self.model.device, self.model.precision):
            nodes = tower.token_embedding(token_ids).to(dtype)
            nodes = nodes + tower.positional_embedding[positions].to(dtype)
            nodes = tower.transformer(nodes, attn_mask=self._mask(sees, dtype))
            which = np.repeat(np.arange(len(sequences)), [len(one.ends) for one in sequences])
            ends = np.concatenate([one.ends for one in sequences])
            read = tower.ln_final(nodes[torch.from_numpy(which), torch.from_numpy(ends)])
            return self._project(read)

    def _mask(self, sees: torch.Tensor, dtype: torch.dtype) -> torch.Tensor:
        """Return what is added to (B x heads, S, S) products of queries and keys."""
        mask = torch.zeros(sees.shape, dtype=dtype, device=sees.device)
        mask.masked_fill_(~sees, float("-inf"))
        n_heads: int = self._parts.transformer.resblocks[0].attn.num_heads
        return mask.repeat_interleave(n_heads, dim=0)

    def _project(self, read: torch.Tensor) -> torch.Tensor:
        projection: Any = self._parts.text_projection
        if projection is None:
            return read
        is_layer = isinstance(projection, torch.nn.Linear)
        return cast("torch.Tensor", projection(read) if is_layer else read @ projection)

    def _prove(self) -> None:
        """Compare both ways on a few prompts.

        Raises:
            NotExactError: they differ by more than the precision explains.
        """
        tokenizer = self.model.tokenizer
        tokens = tokenizer([*PROOF, "photo " * tokenizer.context_length])
        at_once = padded_at_once(self.model)
        padded = BackingOff(self.model, self.model.encode_text, at_once, unit="prompts")
        expected = padded.encode(tokens)
        try:
            # First a sequence that is longer than any prompt, lest length make a difference; then two,
            # at once where that is ever done.
            batches = [
                list(self._packed(tokens)),
                [*self._packed(tokens[:-1]), *self._packed(tokens[:1])],
            ]
            at_once = packed_at_once(self.model)
            packed = BackingOff(self.model, self.encode, at_once, unit="packs of prompts")
            rows = torch.cat([packed.encode(batch) for batch in batches])
        except (AttributeError, RuntimeError, TypeError, ValueError) as error:
            raise NotExactError(f"it cannot be run on packed prompts: {error}") from error
        which = np.concatenate([one.prompts for batch in batches for one in batch])
        largest = float((rows - expected[torch.from_numpy(which)]).norm(dim=1).max())
        tolerance = TOLERANCES[self.model.precision]
        if not largest <= tolerance:
            raise NotExactError(f"packed prompts differ from padded ones by {largest:.1e}")
        if float(torch.pdist(expected).max()) <= tolerance:
            raise NotExactError("prompts come out so alike that comparing them proves nothing")

    def _packed(self, tokens: torch.Tensor) -> Iterator[PackedBranches]:
        return pack_prompts(tokens.numpy(), self.lengths(tokens), max_nodes=NODES_A_SEQUENCE)


def _text_tower(module: torch.nn.Module) -> Any:  # noqa: ANN401 (open_clip is untyped)
    """Return open_clip's CLIP, or the TextTransformer inside of another: both name their parts alike.

    Raises:
        NotExactError: the tower is something else, or a kind of these that may do something else.
    """
    if type(module) is CLIP:
        return module
    tower = module.text if type(module) in (CustomTextCLIP, CoCa) else module
    if type(tower) is not TextTransformer:
        raise NotExactError(f"it is a {type(tower).__name__}, not open_clip's own text tower")
    return tower


def _is_causal(mask: torch.Tensor) -> bool:
    """Tell whether an additive mask hides what is behind a token, and nothing else."""
    hidden = torch.full(mask.shape, float("-inf")).triu_(1)
    return torch.equal(mask.float().cpu(), hidden)


def _inputs(
    sequences: Sequence[PackedBranches],
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Return token ids (B, S), positions (B, S) and (B, S, S) whether a node sees another."""
    longest = max(len(one.token_ids) for one in sequences)
    token_ids = np.zeros((len(sequences), longest), dtype=np.int64)
    positions = np.zeros_like(token_ids)
    # Padding sees itself: a row without anything to see would be not a number.
    sees = np.tile(np.eye(longest, dtype=np.bool_), (len(sequences), 1, 1))
    for row, one in enumerate(sequences):
        n_nodes = len(one.token_ids)
        token_ids[row, :n_nodes] = one.token_ids
        positions[row, :n_nodes] = one.positions
        sees[row, :n_nodes, :n_nodes] = one.sees
    return torch.from_numpy(token_ids), torch.from_numpy(positions), torch.from_numpy(sees)
