"""Beside packed branches, the obvious reference: a trie as the set of all prefixes, prompt by prompt."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from clipeval.encode.prefix_tree import pack_prompts

# Few different tokens, so that prompts share beginnings, repeat, and begin others.
tokens = st.integers(0, 3)
prompts_of_tokens = st.lists(st.lists(tokens, min_size=1, max_size=7).map(tuple), max_size=25)
UNBOUNDED = 10**9


def pack(prompts, *, max_nodes=UNBOUNDED, junk=9, dtype=np.int64):
    """Pack prompts given as tuples of ids; what stands behind them in their row is `junk`."""
    longest = max(map(len, prompts), default=1)
    token_ids = np.full((len(prompts), longest + 2), junk, dtype=dtype)
    for row, prompt in enumerate(prompts):
        token_ids[row, : len(prompt)] = prompt
    lengths = np.array([len(prompt) for prompt in prompts], dtype=np.int64)
    return list(pack_prompts(token_ids, lengths, max_nodes=max_nodes))


def prefixes_of(prompts):
    return {prompt[:n] for prompt in prompts for n in range(1, len(prompt) + 1)}


def seen_by(sequence, node):
    """The nodes that one sees, from the prompt's start on."""
    columns = np.flatnonzero(sequence.sees[node])
    return columns[np.argsort(sequence.positions[columns], kind="stable")].tolist()


def spelled_by(sequence, node):
    return tuple(sequence.token_ids[seen_by(sequence, node)].tolist())


@given(prompts_of_tokens, st.integers(1, 20))
def test_every_prompt_ends_in_one_sequence_once(prompts, max_nodes):
    sequences = pack(prompts, max_nodes=max_nodes)
    ended = [prompt for one in sequences for prompt in one.prompts.tolist()]
    assert sorted(ended) == list(range(len(prompts)))
    assert all(len(one.ends) == len(one.prompts) for one in sequences)


@given(prompts_of_tokens, st.integers(1, 20))
def test_what_an_end_sees_spells_its_prompt_in_order(prompts, max_nodes):
    for one in pack(prompts, max_nodes=max_nodes):
        for end, prompt in zip(one.ends.tolist(), one.prompts.tolist(), strict=True):
            path = seen_by(one, end)
            assert spelled_by(one, end) == prompts[prompt]
            assert one.positions[path].tolist() == list(range(len(prompts[prompt])))
            assert path[-1] == end


@given(prompts_of_tokens, st.integers(1, 20))
def test_a_node_sees_its_ancestors_and_itself_and_nothing_else(prompts, max_nodes):
    for one in pack(prompts, max_nodes=max_nodes):
        nodes = [spelled_by(one, node) for node in range(len(one.token_ids))]
        by_trie = [[other == node[: len(other)] for other in nodes] for node in nodes]
        np.testing.assert_array_equal(one.sees, by_trie)
        assert one.sees.dtype == np.bool_
        assert not np.triu(one.sees, 1).any()  # parents before children


@given(prompts_of_tokens, st.integers(1, 20))
def test_a_sequence_has_the_prefixes_of_its_prompts_once_each(prompts, max_nodes):
    for one in pack(prompts, max_nodes=max_nodes):
        nodes = [spelled_by(one, node) for node in range(len(one.token_ids))]
        assert len(nodes) == len(set(nodes))
        assert set(nodes) == prefixes_of(prompts[prompt] for prompt in one.prompts.tolist())
        assert one.positions.tolist() == [len(node) - 1 for node in nodes]


@given(prompts_of_tokens, st.integers(1, 20))
def test_no_sequence_is_too_long_unless_it_is_one_prompt(prompts, max_nodes):
    for one in pack(prompts, max_nodes=max_nodes):
        distinct = {prompts[prompt] for prompt in one.prompts.tolist()}
        assert len(one.token_ids) <= max_nodes or len(distinct) == 1


@given(prompts_of_tokens.filter(bool))
def test_one_unbounded_sequence_has_as_many_nodes_as_there_are_prefixes(prompts):
    (sequence,) = pack(prompts)
    assert len(sequence.token_ids) == len(prefixes_of(prompts))


@given(prompts_of_tokens, st.integers(1, 20), st.integers(-5, 50000))
def test_what_stands_behind_a_prompt_and_how_wide_ids_are_make_no_difference(
    prompts, max_nodes, junk
):
    expected = pack(prompts, max_nodes=max_nodes)
    found = pack(prompts, max_nodes=max_nodes, junk=junk, dtype=np.int32)
    for one, other in zip(expected, found, strict=True):
        for name in ("token_ids", "positions", "sees", "ends", "prompts"):
            np.testing.assert_array_equal(getattr(one, name), getattr(other, name))


def test_prompts_worked_by_hand():
    #      0 - 1 - 2      "1 2 3", "1 2"
    #       \- 3          "1 4"
    #      4              "5", twice
    (sequence,) = pack([(1, 4), (5,), (1, 2, 3), (1, 2), (5,)])
    assert sequence.token_ids.tolist() == [1, 2, 3, 4, 5]
    assert sequence.positions.tolist() == [0, 1, 2, 1, 0]
    assert sequence.prompts.tolist() == [3, 2, 0, 1, 4]
    assert sequence.ends.tolist() == [1, 2, 3, 4, 4]
    assert sequence.sees.astype(int).tolist() == [
        [1, 0, 0, 0, 0],
        [1, 1, 0, 0, 0],
        [1, 1, 1, 0, 0],
        [1, 0, 0, 1, 0],
        [0, 0, 0, 0, 1],
    ]


def test_a_cut_repeats_what_the_next_prompt_begins_with():
    first, second = pack([(1, 2, 3), (1, 2, 4), (1, 2, 5)], max_nodes=4)
    assert first.token_ids.tolist() == [1, 2, 3, 4]
    assert second.token_ids.tolist() == [1, 2, 5]


@pytest.mark.parametrize("max_nodes", [1, 4])
def test_a_prompt_that_is_too_long_stands_alone(max_nodes):
    sequences = pack([(1,), (1, 2, 3, 4, 5), (2,)], max_nodes=max_nodes)
    assert [one.token_ids.tolist() for one in sequences] == [[1], [1, 2, 3, 4, 5], [2]]


def test_no_prompts_give_no_sequence():
    assert pack([]) == []
