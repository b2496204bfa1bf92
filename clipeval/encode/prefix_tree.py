"""Prompts as a prefix tree: what two of them begin with is there once.

In a causal tower a token sees only what stands before it, so that every node of the tree (a token and all
before it) has one value, whatever prompts go on from there.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from clipeval.records.results import BoolArray, IntArray


@dataclass(frozen=True, slots=True, eq=False)
class PackedBranches:
    """A part of the tree as one sequence of tokens: some prompts, with all that they begin with."""

    token_ids: IntArray
    """(S,) one token a node, parents before children."""
    positions: IntArray
    """(S,) how far from its prompt's start each token stands."""
    sees: BoolArray
    """(S, S) whether the node of the row sees that of the column: its ancestors and itself."""
    ends: IntArray
    """(P,) where in the sequence each prompt ends."""
    prompts: IntArray
    """(P,) which prompts these are."""


def pack_prompts(
    token_ids: npt.NDArray[np.integer], lengths: IntArray, *, max_nodes: int
) -> Iterator[PackedBranches]:
    """Pack prompts, sorted and each distinct sequence once, into sequences of at most `max_nodes`.

    Args:
        token_ids: (P, L) one prompt a row; what stands behind its length is ignored.
        lengths: (P,) tokens of each prompt, from 1 to L.
        max_nodes: of one sequence; one prompt alone may be longer.
    Yields:
        Sequences that together end in each of the P prompts once; repeated prompts share an end.
    """
    if not len(lengths):
        return
    is_token = np.arange(token_ids.shape[1]) < lengths[:, None]
    rows = np.where(is_token, token_ids, -1)
    order = np.lexsort(rows.T[::-1])
    rows, lengths = rows[order], lengths[order]
    shared = np.concatenate([[0], _common_prefixes(rows, lengths)])
    for first, last in _runs(lengths, shared, max_nodes):
        within = shared[first:last].copy()
        within[0] = 0
        yield _packed(rows[first:last], lengths[first:last], within, order[first:last])


def _common_prefixes(rows: IntArray, lengths: IntArray) -> IntArray:
    """Return (P - 1,) how many tokens each prompt begins with like the one before it."""
    differs = rows[1:] != rows[:-1]
    first_difference = np.where(differs.any(axis=1), differs.argmax(axis=1), lengths[1:])
    return np.minimum(first_difference, lengths[1:]).astype(np.int64)


def _runs(lengths: IntArray, shared: IntArray, max_nodes: int) -> Iterator[tuple[int, int]]:
    """Cut sorted prompts into runs that have at most `max_nodes` nodes, or one prompt."""
    start, n_nodes = 0, 0
    news = (lengths - shared).tolist()
    for row, new in enumerate(news):
        if row > start and n_nodes + new > max_nodes:
            yield start, row
            start, n_nodes = row, int(lengths[row])
        else:
            n_nodes += new
    yield start, len(news)


def _packed(
    rows: IntArray, lengths: IntArray, shared: IntArray, prompts: IntArray
) -> PackedBranches:
    columns = np.arange(rows.shape[1])
    is_new = (columns >= shared[:, None]) & (columns < lengths[:, None])
    n_nodes = int(is_new.sum())
    node_at = np.full(rows.shape, -1, dtype=np.int64)
    node_at[is_new] = np.arange(n_nodes)
    # A row has the nodes of the row before it in the columns that it shares with it.
    node_at = np.maximum.accumulate(node_at, axis=0)
    row_of, depth = np.nonzero(is_new)
    # Nodes of one row that are new stand one behind the other, so that what a row's last node sees,
    # each of them sees up to itself.
    sees = np.zeros((n_nodes, n_nodes), dtype=np.bool_)
    path = node_at[row_of]
    on_path = columns <= depth[:, None]
    sees[np.nonzero(on_path)[0], path[on_path]] = True
    return PackedBranches(
        token_ids=rows[is_new],
        positions=depth,
        sees=sees,
        ends=node_at[np.arange(len(rows)), lengths - 1],
        prompts=prompts,
    )
