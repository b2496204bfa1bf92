"""Text tower: prompts -> one unit embedding each, every distinct prompt encoded once."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import islice

import numpy as np
import numpy.typing as npt
import torch

from clipeval.encode.backing_off import BackingOff
from clipeval.encode.prefix_tree import PackedBranches, pack_prompts
from clipeval.encode.text_batches import PADDED_AT_ONCE, packed_at_once, padded_at_once
from clipeval.encode.tree_tower import NODES_A_SEQUENCE, NotExactError, TreeTower
from clipeval.errors import EncodingError
from clipeval.models import ClipModel
from clipeval.progress import Advance, Progress, SilentProgress
from clipeval.records import Notice, PromptEmbeddings
from clipeval.records.results import FloatArray, IntArray

PROMPTS_TOKENIZED_AT_ONCE = 4096
FEW_PROMPTS = 8
"""Up to so many are padded: comparing both ways would cost more than it saves."""


class PromptEncoder:
    """The text tower of one model: on a prefix tree of the prompts where that is exact, else padded.

    Whether it is exact is found out once, when there are more than FEW_PROMPTS; so many are always padded.
    """

    def __init__(self, model: ClipModel) -> None:
        self._model = model
        self._tree: TreeTower | None = None
        self._why_padded: str | None = None

    def encode(
        self, prompts: Sequence[str], *, progress: Progress | None = None
    ) -> PromptEmbeddings:
        """Encode prompts with the model's own tokenizer and text tower.

        Args:
            prompts: (P) texts, repeats allowed; already checked to fit the context length.
            progress: told of every distinct prompt done.
        Returns:
            One unit row a prompt, in the order of `prompts`.
        Raises:
            EncodingError: an embedding is not finite, or one prompt does not fit in memory.
        """
        distinct = list(dict.fromkeys(prompts))
        watcher = progress or SilentProgress()
        label = f"prompts x {self._model.record.id}"
        with watcher.stage(label, total=len(distinct), unit="prompts") as advance:
            encoded = self._encode(distinct, advance)
        _check_finite(encoded.embeddings, distinct, self._model)
        position = {prompt: i for i, prompt in enumerate(distinct)}
        in_order = encoded.embeddings[[position[prompt] for prompt in prompts]]
        return PromptEmbeddings(np.ascontiguousarray(in_order), encoded.notices)

    def _encode(self, prompts: Sequence[str], advance: Advance) -> PromptEmbeddings:
        if not prompts:
            return PromptEmbeddings(np.empty((0, self._model.record.embed_dim), np.float32))
        if (
            len(prompts) <= FEW_PROMPTS
        ):  # always, lest a prompt depend on what was encoded before it
            return _encode_padded(self._model, prompts, advance)
        if self._tree is None and self._why_padded is None:
            try:
                self._tree = TreeTower.of(self._model)
            except NotExactError as error:
                self._why_padded = str(error)  # the error itself would keep tensors alive
        if self._tree is not None:
            return _encode_tree(self._tree, prompts, advance)
        padded = _encode_padded(self._model, prompts, advance)
        message = (
            f"model '{self._model.record.id}': every prompt is padded to "
            f"{self._model.tokenizer.context_length} tokens, which is slow, because its text tower "
            f"cannot share what prompts begin with: {self._why_padded}"
        )
        notice = Notice("prompts-padded", message)
        return PromptEmbeddings(padded.embeddings, (notice, *padded.notices))


def encode_prompts(
    model: ClipModel, prompts: Sequence[str], *, progress: Progress | None = None
) -> PromptEmbeddings:
    """Encode prompts once: PromptEncoder.encode for a model whose encoder nobody keeps."""
    return PromptEncoder(model).encode(prompts, progress=progress)


def _encode_padded(model: ClipModel, prompts: Sequence[str], advance: Advance) -> PromptEmbeddings:
    """Encode prompts as open_clip does: each padded to the context length."""
    rows: list[torch.Tensor] = []
    tower = BackingOff(model, model.encode_text, padded_at_once(model), unit="prompts")
    for start in range(0, len(prompts), PADDED_AT_ONCE):
        batch = prompts[start : start + PADDED_AT_ONCE]
        rows.append(tower.encode(model.tokenizer(batch)))
        advance(len(batch))
    return PromptEmbeddings(torch.cat(rows).numpy(), tower.notices)


def _encode_tree(tree: TreeTower, prompts: Sequence[str], advance: Advance) -> PromptEmbeddings:
    model = tree.model
    tokens, lengths = _tokenize(tree, prompts)
    size = packed_at_once(model)
    tower = BackingOff(model, tree.encode, size, unit="packs of prompts")
    embeddings = np.empty((len(prompts), model.record.embed_dim), dtype=np.float32)
    sequences = pack_prompts(tokens, lengths, max_nodes=NODES_A_SEQUENCE)
    for batch in _batches(sequences, size):
        which = np.concatenate([one.prompts for one in batch])
        embeddings[which] = tower.encode(batch).numpy()
        advance(len(which))
    notices = _encode_spoilt(model, prompts, embeddings)
    return PromptEmbeddings(embeddings, (*tower.notices, *notices))


def _encode_spoilt(
    model: ClipModel, prompts: Sequence[str], embeddings: FloatArray
) -> tuple[Notice, ...]:
    """Encode prompts again, in place, that may not be finite only for what they were packed with.

    What a token does not see still counts if it is not a number: attention multiplies it by 0.
    Ends with the first batch in which a prompt is not finite by itself, which is an error anyway.

    Returns:
        What encoding them had to say.
    """
    notices: tuple[Notice, ...] = ()
    spoilt = np.flatnonzero(~np.isfinite(embeddings).all(axis=1))
    for start in range(0, len(spoilt), PADDED_AT_ONCE):
        which = spoilt[start : start + PADDED_AT_ONCE]
        alone = _encode_padded(model, [prompts[i] for i in which], lambda _n_done: None)
        embeddings[which] = alone.embeddings
        notices = tuple(dict.fromkeys((*notices, *alone.notices)))
        if not np.isfinite(alone.embeddings).all():
            break
    return notices


def _tokenize(tree: TreeTower, prompts: Sequence[str]) -> tuple[npt.NDArray[np.int32], IntArray]:
    """Return (P, L) token ids, L that of the longest prompt, and (P,) how many each has."""
    blocks: list[npt.NDArray[np.int32]] = []
    lengths: list[IntArray] = []
    for start in range(0, len(prompts), PROMPTS_TOKENIZED_AT_ONCE):
        tokens = tree.model.tokenizer(prompts[start : start + PROMPTS_TOKENIZED_AT_ONCE])
        lengths.append(tree.lengths(tokens))
        # A copy: a view would keep all of the padding.
        blocks.append(tokens.numpy()[:, : lengths[-1].max()].astype(np.int32))
    token_ids = np.zeros((len(prompts), max(block.shape[1] for block in blocks)), dtype=np.int32)
    for start, block in zip(range(0, len(prompts), PROMPTS_TOKENIZED_AT_ONCE), blocks, strict=True):
        token_ids[start : start + len(block), : block.shape[1]] = block
    return token_ids, np.concatenate(lengths)


def _batches(sequences: Iterator[PackedBranches], size: int) -> Iterator[list[PackedBranches]]:
    while batch := list(islice(sequences, size)):
        yield batch


def _check_finite(embeddings: FloatArray, prompts: Sequence[str], model: ClipModel) -> None:
    bad = np.flatnonzero(~np.isfinite(embeddings).all(axis=1))
    if bad.size:
        raise EncodingError(
            f"model '{model.record.id}' at {model.precision} gives non-finite embeddings for "
            f"{bad.size} of {len(prompts)} prompts, the first being '{prompts[bad[0]]}'; "
            "try --precision fp32, or check the weights"
        )
